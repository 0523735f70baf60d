//! How often something was how large: counts by steps, and the sum.

/// The most steps a distribution has.
pub const STEPS_MAX: usize = 16;

/// How often something was how large.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// The largest value of each step, in ascending order; the step above the last has none.
    bounds: &'static [u64],
    counts: [u64; STEPS_MAX + 1],
    sum: u64,
}

impl Distribution {
    /// With nothing in it.
    ///
    /// # Panics
    /// If there are more than [`STEPS_MAX`] bounds.
    pub fn new(bounds: &'static [u64]) -> Self {
        assert!(bounds.len() <= STEPS_MAX && bounds.is_sorted());
        Self {
            bounds,
            counts: [0; STEPS_MAX + 1],
            sum: 0,
        }
    }

    /// From counts that were taken elsewhere, one for each bound and one for what was above the last.
    pub fn from_counts(bounds: &'static [u64], counts: &[u64], sum: u64) -> Self {
        let mut distribution = Self::new(bounds);
        for (own, count) in distribution.counts.iter_mut().zip(counts) {
            *own = *count;
        }
        distribution.sum = sum;
        distribution
    }

    /// It was so large once more. O(steps).
    pub fn record(&mut self, value: u64) {
        let step = self.bounds.partition_point(|bound| *bound < value);
        self.counts[step] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// The bounds of the steps, each with how often it was in that step.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        self.bounds.iter().copied().zip(self.counts)
    }

    /// What has been recorded since an earlier moment, when this was `earlier`. O(steps).
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (count, before) in since.counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        since.sum = self.sum.saturating_sub(earlier.sum);
        since
    }

    /// The value that so much of all (0…1) does not exceed, as exactly as the steps tell: values are taken to lie
    /// evenly in their step, and those above the last bound at that bound. `None` if there are none. O(steps).
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share * count as f64;
        let mut below = 0;
        let mut lower = 0;
        for (bound, in_step) in self.steps() {
            let reached = below + in_step;
            if in_step > 0 && reached as f64 >= rank {
                let part = ((rank - below as f64) / in_step as f64).clamp(0.0, 1.0);
                return Some(lower + (part * (bound - lower) as f64).round() as u64);
            }
            below = reached;
            lower = bound;
        }
        Some(lower)
    }

    /// How often it was anything.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_their_bound() {
        let mut distribution = Distribution::new(&[0, 10, 20]);
        for value in [0, 1, 10, 11, 20, 21, 1000] {
            distribution.record(value);
        }
        let steps: Vec<_> = distribution.steps().collect();
        assert_eq!(steps, [(0, 1), (10, 2), (20, 2)]);
        assert_eq!((distribution.count(), distribution.sum()), (7, 1063));
    }

    #[test]
    fn quantiles_lie_in_the_step_that_has_them() {
        let mut distribution = Distribution::new(&[0, 10, 20]);
        assert_eq!(distribution.quantile(0.5), None);
        for value in [1, 2, 3, 4, 5, 6, 7, 8, 12, 14] {
            distribution.record(value);
        }
        assert_eq!(distribution.quantile(0.0), Some(0));
        assert_eq!(distribution.quantile(0.4), Some(5));
        assert_eq!(distribution.quantile(0.8), Some(10));
        assert_eq!(distribution.quantile(0.9), Some(15));
        assert_eq!(distribution.quantile(1.0), Some(20));
        for _ in 0..90 {
            distribution.record(1000);
        }
        assert_eq!(distribution.quantile(0.5), Some(20), "above the last bound");
    }

    #[test]
    fn what_was_recorded_since_is_told_from_what_was_before() {
        let mut distribution = Distribution::new(&[0, 10, 20]);
        distribution.record(5);
        let before = distribution.clone();
        assert_eq!(distribution.since(&before).quantile(0.5), None);
        distribution.record(15);
        distribution.record(25);
        let since = distribution.since(&before);
        let steps: Vec<_> = since.steps().collect();
        assert_eq!(steps, [(0, 0), (10, 0), (20, 1)]);
        assert_eq!((since.count(), since.sum()), (2, 40));
    }
}
