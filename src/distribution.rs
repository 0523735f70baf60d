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
}
