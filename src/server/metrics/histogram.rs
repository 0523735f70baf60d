//! Counting on the path of every message, from many threads at once.

use crate::distribution::{Distribution, STEPS_MAX};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads can count at once without getting in each other's way.
const SHARDS: usize = 8;

/// One thread's share, on cache lines of its own: two lines, which processors fetch in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    counts: [AtomicU64; STEPS_MAX + 1],
    sum: AtomicU64,
}

/// A distribution that threads record in side by side. To record is to find the step and to add twice, to
/// memory that only this thread writes to as long as there are no more than 8 of them.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [u64],
    shards: Box<[Shard]>,
}

thread_local! {
    static SHARD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

impl Histogram {
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= STEPS_MAX && bounds.is_sorted());
        let shard = || Shard {
            counts: [const { AtomicU64::new(0) }; STEPS_MAX + 1],
            sum: AtomicU64::new(0),
        };
        Self {
            bounds,
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    pub(super) fn record(&self, value: u64) {
        let shard = &self.shards[SHARD.with(|shard| *shard)];
        let step = self.bounds.partition_point(|bound| *bound < value);
        shard.counts[step].fetch_add(1, Ordering::Relaxed);
        shard.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was recorded so far, by all threads together.
    pub(super) fn read(&self) -> Distribution {
        let mut counts = [0; STEPS_MAX + 1];
        let mut sum = 0_u64;
        for shard in &self.shards {
            for (total, count) in counts.iter_mut().zip(&shard.counts) {
                *total += count.load(Ordering::Relaxed);
            }
            sum = sum.wrapping_add(shard.sum.load(Ordering::Relaxed));
        }
        Distribution::from_counts(self.bounds, &counts, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_threads_record_is_lost() {
        let histogram = Histogram::new(&[1, 10, 100]);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    for value in 0..1000 {
                        histogram.record(value);
                    }
                });
            }
        });
        let threads = 2 * SHARDS as u64;
        let read = histogram.read();
        assert_eq!(read.count(), 1000 * threads);
        assert_eq!(read.sum(), 499_500 * threads);
        let steps: Vec<_> = read.steps().collect();
        assert_eq!(
            steps,
            [(1, 2 * threads), (10, 9 * threads), (100, 90 * threads)]
        );
    }
}
