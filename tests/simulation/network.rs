//! One connection between a client and the server, as a bad network makes it.

use crate::setting::{Random, pick};
use rand::RngExt as _;
use whisperchat::server::simulated::Line;

pub(crate) struct Link {
    pub(crate) line: Line,
    pub(crate) client: usize,
    /// From here on nothing arrives on either side.
    pub(crate) is_hole: bool,
    /// The client does not read.
    pub(crate) is_stalled: bool,
    delay_ms: u64,
    jitter_ms: u64,
    /// Nothing overtakes: when the last of each direction arrives.
    last_ms: [u64; 2],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

impl Link {
    pub(crate) fn new(line: Line, client: usize, random: &mut Random, trouble: f64) -> Self {
        let is_slow = random.random_bool(0.1 * trouble);
        Self {
            line,
            client,
            is_hole: false,
            is_stalled: false,
            delay_ms: if is_slow {
                1500
            } else {
                *pick(random, &[0, 5, 40, 200])
            },
            jitter_ms: *pick(random, &[0, 10, 300]),
            last_ms: [0; 2],
        }
    }

    /// When something arrives that is sent now.
    pub(crate) fn arrival_ms(
        &mut self,
        now_ms: u64,
        direction: Direction,
        random: &mut Random,
    ) -> u64 {
        let at_ms = now_ms + self.delay_ms + random.random_range(0..=self.jitter_ms);
        let last_ms = &mut self.last_ms[direction as usize];
        *last_ms = at_ms.max(*last_ms);
        *last_ms
    }
}
