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

/// How many are remembered at once. At this many, the one that was tried the longest ago is forgotten.
const REMEMBERED_MAX: usize = 4096;

/// Who has tried how often. One for each kind of thing that is guessed.
#[derive(Debug)]
pub struct Lockout<K> {
    tried: HashMap<K, Tries>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Moment,
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
    /// count. Whoever was right says so by [`forgive`](Self::forgive).
    ///
    /// # Errors
    /// How long to wait, if it comes too early. Then it is not counted.
    pub fn try_now(&mut self, who: &K, now: Moment) -> Result<(), Duration> {
        let is_old = |tries: &Tries| now.millis_since(tries.last) >= millis(FORGOTTEN);
        let tries = self.tried.get(who).filter(|tries| !is_old(tries)).copied();
        let wrong = tries.map_or(0, |tries| tries.wrong);
        if let Some(tries) = tries {
            let wait_ms = tries.free_at().millis_since(now);
            if wait_ms > 0 {
                return Err(Duration::from_millis(wait_ms));
            }
        }
        if tries.is_none() {
            self.make_room(now);
        }
        let tries = Tries {
            wrong: wrong.saturating_add(1),
            last: now,
        };
        self.tried.insert(who.clone(), tries);
        Ok(())
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
        let oldest = self.tried.iter().min_by_key(|(_, tries)| tries.last);
        if let Some(who) = oldest.map(|(who, _)| who.clone()) {
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
            assert_eq!(lockout.try_now(&who, now), Ok(()));
        }
    }

    #[test]
    fn asvs_6_3_1_waits_grow_with_each_wrong_try() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE, at(0));
        let mut now = at(0);
        for wait_s in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = Duration::from_secs(wait_s);
            assert_eq!(lockout.try_now(&"ann", now), Err(wait));
            now = now + wait;
            assert_eq!(lockout.try_now(&"ann", now), Ok(()));
        }
    }

    #[test]
    fn asvs_6_1_1_somebody_elses_tries_keep_nobody_out() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann from there", FREE, at(0));
        assert!(lockout.try_now(&"ann from there", at(1)).is_err());
        assert_eq!(lockout.try_now(&"ann from here", at(1)), Ok(()));
    }

    #[test]
    fn a_try_that_came_too_early_does_not_make_the_wait_longer() {
        let mut lockout = Lockout::default();
        fail(&mut lockout, "ann", FREE, at(0));
        for _ in 0..100 {
            assert!(lockout.try_now(&"ann", at(1)).is_err());
        }
        assert_eq!(lockout.try_now(&"ann", at(2)), Ok(()));
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
    fn only_so_many_are_remembered_the_latest_of_them() {
        let mut lockout = Lockout::default();
        for who in 0..REMEMBERED_MAX as u64 + 10 {
            for _ in 0..FREE {
                let now = Moment::from_millis(who);
                assert_eq!(lockout.try_now(&who, now), Ok(()));
            }
            assert!(lockout.tried.len() <= REMEMBERED_MAX);
        }
        let last = REMEMBERED_MAX as u64 + 9;
        assert!(lockout.try_now(&last, Moment::from_millis(last)).is_err());
        // Hours on, those of before make room by themselves.
        assert_eq!(lockout.try_now(&u64::MAX, at(9999)), Ok(()));
        assert_eq!(lockout.tried.len(), 1);
    }
}
