//! When a call is tried again.

use rand::{Rng, RngExt as _};

/// How long the first wait is at most, in ms.
const FIRST_MS: i64 = 1000;

/// How long any wait is at most, whatever the receiver asks for.
const WAIT_MAX_MS: i64 = 3_600_000;

/// After which try waits don't grow any more: the twelfth doubling is more than [`WAIT_MAX_MS`].
const DOUBLINGS_MAX: i64 = 12;

/// How long to wait after so many tries, in ms: at first up to a second, each time up to twice as long, an hour at most. Half of it
/// is left to chance, so that what has failed together does not come back together.
pub(super) fn wait_ms(tries: i64, random: &mut impl Rng) -> i64 {
    let doublings = (tries - 1).clamp(0, DOUBLINGS_MAX);
    let longest_ms = (FIRST_MS << doublings).min(WAIT_MAX_MS);
    random.random_range(longest_ms / 2..=longest_ms)
}

/// How long the receiver asks to be left alone, in ms: a number of seconds as `Retry-After` has it (RFC 9110, section 10.2.3).
/// A date, which depends on two clocks, is as good as nothing.
pub(super) fn rest_ms(retry_after: &str) -> Option<i64> {
    let seconds: u32 = retry_after.trim().parse().ok()?;
    Some((i64::from(seconds) * 1000).min(WAIT_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn waits_double_up_to_an_hour_and_half_of_each_is_chance() {
        let mut random = StdRng::seed_from_u64(1);
        for (tries, longest) in [(1, 1000), (2, 2000), (3, 4000), (12, 2_048_000)]
            .into_iter()
            .chain([13, 100, i64::MAX].map(|tries| (tries, WAIT_MAX_MS)))
        {
            let waits: Vec<_> = (0..1000).map(|_| wait_ms(tries, &mut random)).collect();
            let (shortest, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
            assert!(longest / 2 <= shortest && most <= longest, "{tries}");
            assert!(most - shortest > longest / 3, "{tries}");
        }
    }

    #[test]
    fn the_receiver_may_ask_for_an_hour_at_most() {
        assert_eq!(rest_ms("0"), Some(0));
        assert_eq!(rest_ms(" 120 "), Some(120_000));
        assert_eq!(rest_ms("4294967295"), Some(WAIT_MAX_MS));
        for other in ["", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(rest_ms(other), None, "{other}");
        }
    }
}
