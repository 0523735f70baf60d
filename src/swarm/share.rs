//! Which of all people are in which process.

use serde::{Deserialize, Serialize};

/// The part of everybody that one process looks after. Who belongs together is together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    /// Which process, of how many.
    pub(super) process: u32,
    pub(super) processes: u32,
    /// How many belong together.
    pub(super) group: u32,
}

impl Share {
    /// The number of whoever has this place in the process.
    pub(super) fn number_of(self, place: u32) -> u32 {
        let group = place / self.group * self.processes + self.process;
        group * self.group + place % self.group
    }

    /// The place of whoever has this number, if it is in this process.
    pub(super) fn place_of(self, number: u32) -> Option<u32> {
        let group = number / self.group;
        let place = group / self.processes * self.group + number % self.group;
        (group % self.processes == self.process).then_some(place)
    }

    /// How many of so many people are in this process.
    pub(super) fn count(self, of: u32) -> u32 {
        let groups = of / self.group;
        let more = u32::from(self.process < groups % self.processes);
        (groups / self.processes + more) * self.group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_one_process_and_pairs_are_together() {
        for (processes, group, people) in [(1, 1, 10), (3, 1, 10), (3, 2, 10), (4, 2, 22)] {
            let shares: Vec<_> = (0..processes)
                .map(|process| Share {
                    process,
                    processes,
                    group,
                })
                .collect();
            let mut seen = Vec::new();
            for share in &shares {
                for place in 0..share.count(people) {
                    let number = share.number_of(place);
                    assert_eq!(share.place_of(number), Some(place));
                    assert_eq!(
                        share.place_of(number ^ 1).is_some(),
                        group == 2 || processes == 1
                    );
                    seen.push(number);
                }
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..people).collect::<Vec<_>>());
        }
    }
}
