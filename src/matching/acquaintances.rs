//! Whom somebody is not to be paired with: those they have just met, and those they never want to meet again.

use crate::moment::Moment;
use thin_vec::ThinVec;

/// How many others one person can block. More are refused, since none may be forgotten.
pub const BLOCKED_MAX: usize = 256;

/// How many recent partners are remembered of each person; the one longest ago is forgotten first.
pub const RECENT_PARTNERS_MAX: usize = 16;

/// What one person knows of others. Takes no memory of its own until there is something to know.
///
/// One allocation holds all of it: in a crowd that avoids whoever comes, each of them is asked, and what
/// that costs is the way to where it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquaintances<P>(ThinVec<Acquaintance<P>>);

/// Somebody who is to be avoided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Acquaintance<P> {
    who: P,
    /// When they may be met again; [`Moment::NEVER`] for those who are blocked. Those who were met are in
    /// the order in which they were, and are at most [`RECENT_PARTNERS_MAX`]; those blocked are at most
    /// [`BLOCKED_MAX`]. Nobody is in here twice as the same.
    until: Moment,
}

impl<P> Acquaintance<P> {
    fn is_blocked(&self) -> bool {
        self.until == Moment::NEVER
    }
}

/// Somebody blocks more others than can be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one session can block at most {BLOCKED_MAX} others")]
pub struct TooManyBlocked;

impl<P> Default for Acquaintances<P> {
    fn default() -> Self {
        Self(ThinVec::new())
    }
}

impl<P: Copy + Eq> Acquaintances<P> {
    /// Somebody was met, and is not to be met again until a moment. Who was met longest ago is forgotten if
    /// that is one too many. O(known).
    pub fn met(&mut self, who: P, until: Moment) {
        self.0
            .retain(|known| known.is_blocked() || known.who != who);
        let mut recent = self.0.iter().filter(|known| !known.is_blocked());
        if let Some(first) = recent.next()
            && 1 + recent.count() == RECENT_PARTNERS_MAX
        {
            let first = first.who;
            self.0
                .retain(|known| known.is_blocked() || known.who != first);
        }
        self.0.push(Acquaintance { who, until });
    }

    /// Somebody is never to be met again. O(known).
    ///
    /// # Errors
    /// [`TooManyBlocked`] if that is one too many; nobody is forgotten for it.
    pub fn block(&mut self, who: P) -> Result<(), TooManyBlocked> {
        let blocked = || self.0.iter().filter(|known| known.is_blocked());
        if blocked().any(|known| known.who == who) {
            return Ok(());
        }
        if blocked().count() == BLOCKED_MAX {
            return Err(TooManyBlocked);
        }
        self.0.push(Acquaintance {
            who,
            until: Moment::NEVER,
        });
        Ok(())
    }

    /// Knows whom the other knows, too, as far as that is still of use; more blocked ones than can be remembered are
    /// left out. O(known²).
    pub fn absorb(&mut self, other: Self, now: Moment) {
        for known in other.0 {
            if known.is_blocked() {
                let _ = self.block(known.who);
            } else if now < known.until && !self.avoids(known.who, known.until) {
                self.met(known.who, known.until);
            }
        }
    }

    /// Whether somebody is to be avoided at this moment. The moment they may be met again is free. O(known).
    pub fn avoids(&self, who: P, now: Moment) -> bool {
        self.0
            .iter()
            .any(|known| known.who == who && now < known.until)
    }

    /// Forgets the meetings whose time is over.
    pub fn forget_expired(&mut self, now: Moment) {
        self.0.retain(|known| now < known.until);
        if self.0.is_empty() {
            self.0 = ThinVec::new();
        }
    }

    /// Forgets those of whom this is so. O(known).
    pub fn forget(&mut self, is_forgotten: impl Fn(P) -> bool) {
        self.0.retain(|known| !is_forgotten(known.who));
    }

    /// When the next of those met may be met again.
    pub fn next_expiry(&self) -> Option<Moment> {
        let recent = self.0.iter().filter(|known| !known.is_blocked());
        recent.map(|known| known.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Moment = Moment::from_millis(1000);

    #[test]
    fn meetings_end_at_their_moment_and_blocks_do_not() {
        let mut known = Acquaintances::default();
        known.met('a', LATER);
        known.block('b').unwrap();
        let before = Moment::from_millis(999);
        assert!(known.avoids('a', before) && known.avoids('b', before));
        assert!(!known.avoids('a', LATER) && known.avoids('b', LATER));
        assert!(!known.avoids('c', Moment::START));
        assert_eq!(known.next_expiry(), Some(LATER));
        known.forget_expired(LATER);
        assert!(!known.avoids('a', Moment::START) && known.avoids('b', LATER));
        assert_eq!(known.next_expiry(), None);
    }

    #[test]
    fn who_was_met_and_is_blocked_stays_blocked() {
        let mut known = Acquaintances::default();
        known.block('a').unwrap();
        known.met('a', LATER);
        known.forget_expired(LATER);
        assert!(known.avoids('a', LATER));
    }

    #[test]
    fn nobody_who_was_blocked_is_forgotten() {
        let mut known = Acquaintances::default();
        for who in 0..BLOCKED_MAX {
            known.block(who).unwrap();
        }
        assert_eq!(known.block(BLOCKED_MAX), Err(TooManyBlocked));
        assert_eq!(known.block(0), Ok(()));
        for who in 0..2 * RECENT_PARTNERS_MAX {
            known.met(BLOCKED_MAX + who, LATER);
        }
        assert!((0..BLOCKED_MAX).all(|who| known.avoids(who, LATER)));
    }

    #[test]
    fn only_the_last_sixteen_who_were_met_are_remembered() {
        let mut known = Acquaintances::default();
        for who in 0..17 {
            known.met(who, LATER);
        }
        assert!(!known.avoids(0, Moment::START));
        assert!((1..17).all(|who| known.avoids(who, Moment::START)));
        // Meeting somebody again moves them to the end instead of pushing another out.
        known.met(1, Moment::from_millis(2000));
        known.met(17, LATER);
        assert!(known.avoids(1, Moment::START));
        assert!(!known.avoids(2, Moment::START));
    }

    #[test]
    fn what_is_absorbed_is_known_as_long_as_by_whoever_knew_it_longest() {
        let (now, much_later) = (Moment::from_millis(500), Moment::from_millis(5000));
        let mut known = Acquaintances::default();
        known.met('a', LATER);
        known.met('b', much_later);
        let mut other = Acquaintances::default();
        other.met('a', much_later);
        other.met('b', LATER);
        other.met('c', Moment::from_millis(400));
        other.block('d').unwrap();
        known.absorb(other, now);
        let before = Moment::from_millis(4999);
        assert!(['a', 'b', 'd'].iter().all(|who| known.avoids(*who, before)));
        assert!(!known.avoids('c', Moment::START));
    }

    #[test]
    fn nothing_known_takes_no_memory() {
        let mut known = Acquaintances::default();
        known.met(1, LATER);
        known.forget_expired(LATER);
        assert_eq!(known, Acquaintances::default());
        assert_eq!(known.0.capacity(), 0);
        assert_eq!(size_of::<Acquaintances<u64>>(), size_of::<usize>());
    }
}
