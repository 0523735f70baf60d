//! Waits after wrong passwords and codes, which grow with each.
//!
//! They are counted for an account *and* the range of addresses that it was tried from. Counted for the account
//! alone, anybody could keep anybody else out by guessing badly (ASVS 6.1.1); counted for the range alone, whoever
//! shares an address would pay for others. Somebody who guesses from many ranges gets some tries from each; what they
//! need against the 10,000 most common passwords, which nobody has, is far more. All ranges together are held back by
//! the pool in which passwords are hashed.
//!
//! Second factors are counted for the account alone: whoever gets so far knows the password, and a stranger doesn't.

use crate::moment::Moment;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Tries without a wait: fingers slip.
const FREE: u32 = 5;

/// The first wait; each is twice the one before.
const FIRST: Duration = Duration::from_secs(2);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(15);

/// After how long without a try everything is forgotten.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// How many are remembered at once. At this many, the one with the fewest wrong tries is forgotten, of several the one that
/// was tried the longest ago: so nobody can have their own tries forgotten by trying others, but by as many tries for each.
const REMEMBERED_MAX: usize = 4096;

/// Who has tried how often. One for each kind of thing that is guessed.
#[derive(Debug)]
pub struct Lockout<K> {
    tried: HashMap<K, Tries>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tries {
    wrong: u32,
    last: Moment,
}

/// A try that was counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    before: Option<Tries>,
    after: Tries,
}

impl<K> Default for Lockout<K> {
    fn default() -> Self {
        Self {
            tried: HashMap::new(),
        }
    }
}

impl Tries {
    /// When the next try may be made.
    fn free_at(self) -> Moment {
        let Some(doublings) = self.wrong.checked_sub(FREE) else {
            return self.last;
        };
        let wait = FIRST.saturating_mul(1 << doublings.min(16));
        self.last + wait.min(LONGEST)
    }
}

impl<K: Eq + Hash + Clone> Lockout<K> {
    /// Counts a try as wrong, before it is known whether it is: so that tries at the same time can't get past the
    /// count. Whoever was right says so by [`forgive`](Self::forgive), and whoever never found out by
    /// [`undo`](Self::undo).
    ///
    /// # Errors
    /// How long to wait, if it comes too early. Then it is not counted.
    pub fn try_now(&mut self, who: &K, now: Moment) -> Result<Counted, Duration> {
        let is_old = |tries: &Tries| now.millis_since(tries.last) >= millis(FORGOTTEN);
        let before = self.tried.get(who).filter(|tries| !is_old(tries)).copied();
        if let Some(tries) = before {
            let wait_ms = tries.free_at().millis_since(now);
            if wait_ms > 0 {
                return Err(Duration::from_millis(wait_ms));
            }
        }
        if !self.tried.contains_key(who) {
            self.make_room(now);
        }
        let wrong = before.map_or(0, |tries| tries.wrong);
        let after = Tries {
            wrong: wrong.saturating_add(1),
            last: now,
        };
        self.tried.insert(who.clone(), after);
        Ok(Counted { before, after })
    }

    /// Takes back a try of which nobody found out whether it was right.
    pub fn undo(&mut self, who: &K, Counted { before, after }: Counted) {
        let Some(tries) = self.tried.get_mut(who) else {
            return;
        };
        match before {
            // Nobody has tried since.
            Some(before) if *tries == after => *tries = before,
            _ => tries.wrong = tries.wrong.saturating_sub(1),
        }
        if tries.wrong == 0 {
            self.tried.remove(who);
        }
    }

    /// Forgets the tries of whoever was right.
    pub fn forgive(&mut self, who: &K) {
        self.tried.remove(who);
    }

    /// Costs a look at everybody, but only when there is no room.
    fn make_room(&mut self, now: Moment) {
        if self.tried.len() < REMEMBERED_MAX {
            return;
        }
        self.tried
            .retain(|_, tries| now.millis_since(tries.last) < millis(FORGOTTEN));
        if self.tried.len() < REMEMBERED_MAX {
            return;
        }
        let least = self
            .tried
            .iter()
            .min_by_key(|(_, tries)| (tries.wrong, tries.last));
        if let Some(who) = least.map(|(who, _)| who.clone()) {
            self.tried.remove(&who);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn fail(lockout: &mut Lockout<&'static str>, who: &'static str, times: u32, now: Moment) {
        for _ in 0..times {
            assert!(lockout.try_now(&who, now).is_ok());
        }
    }

    fn wait(lockout: &mut Lockout<&'static str>, who: &'static str, now: Moment) -> Duration {
        let refused = lockout.try_now(&who, now);
        refused.expect_err("it comes too early")
    }

    #[test]
    fn asvs_6_3_1_waits_grow_with_each_wrong_try() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE, at(0));
        let mut now = at(0);
        for wait_s in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let expected = Duration::from_secs(wait_s);
            assert_eq!(wait(&mut lockout, "ann", now), expected);
            now = now + expected;
            fail(&mut lockout, "ann", 1, now);
        }
    }

    #[test]
    fn asvs_6_1_1_somebody_elses_tries_keep_nobody_out() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann from there", FREE, at(0));
        assert!(lockout.try_now(&"ann from there", at(1)).is_err());
        fail(&mut lockout, "ann from here", 1, at(1));
    }

    #[test]
    fn a_try_that_came_too_early_does_not_make_the_wait_longer() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE, at(0));
        for _ in 0..100 {
            assert!(lockout.try_now(&"ann", at(1)).is_err());
        }
        fail(&mut lockout, "ann", 1, at(2));
    }

    #[test]
    fn tries_that_nobody_decided_are_not_counted() {
        let mut lockout = Lockout::default();
        for _ in 0..100 {
            let counted = lockout.try_now(&"ann", at(0)).unwrap();
            lockout.undo(&"ann", counted);
        }
        assert!(lockout.tried.is_empty());
        fail(&mut lockout, "ann", FREE, at(0));
        let counted = lockout.try_now(&"ann", at(2)).unwrap();
        lockout.undo(&"ann", counted);
        // As before it: the first wait is over.
        let counted = lockout.try_now(&"ann", at(2)).unwrap();
        // One that was right meanwhile has nothing left to take back.
        lockout.forgive(&"ann");
        lockout.undo(&"ann", counted);
        assert!(lockout.tried.is_empty());
    }

    #[test]
    fn of_two_at_once_only_the_undecided_one_is_taken_back() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE - 2, at(0));
        let undecided = lockout.try_now(&"ann", at(1)).unwrap();
        fail(&mut lockout, "ann", 1, at(1));
        lockout.undo(&"ann", undecided);
        fail(&mut lockout, "ann", 1, at(1));
        assert_eq!(wait(&mut lockout, "ann", at(1)), FIRST);
    }

    #[test]
    fn whoever_was_right_and_whoever_waits_long_begins_anew() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE, at(0));
        lockout.forgive(&"ann");
        fail(&mut lockout, "ann", FREE, at(1));
        assert!(lockout.try_now(&"ann", at(2)).is_err());
        fail(&mut lockout, "ann", FREE, at(3601));
    }

    #[test]
    fn only_so_many_are_remembered_and_of_those_who_waited_first_nobody_is_forgotten() {
        let mut lockout = Lockout::default();
        let ann = u64::MAX;
        for _ in 0..FREE {
            lockout.try_now(&ann, at(0)).unwrap();
        }
        // Whoever tries many others to have it forgotten that they tried her.
        for who in 0..REMEMBERED_MAX as u64 + 10 {
            lockout.try_now(&who, Moment::from_millis(who / 8)).unwrap();
            assert!(lockout.tried.len() <= REMEMBERED_MAX);
        }
        assert!(lockout.try_now(&ann, at(1)).is_err());
        assert!(!lockout.tried.contains_key(&0), "the oldest of the others");
        // Hours on, those of before make room by themselves.
        lockout.try_now(&1_000_000, at(9999)).unwrap();
        assert_eq!(lockout.tried.len(), 1);
    }
}
