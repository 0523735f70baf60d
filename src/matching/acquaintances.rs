//! Whom somebody is not to be paired with: those they have just met, and those they never want to meet again.

use super::RecentPartners;
use crate::moment::Moment;

/// How many others one person can block. More are refused, since none may be forgotten.
pub const BLOCKED_MAX: usize = 256;

/// What one person knows of others. Takes no memory of its own until there is something to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquaintances<P>(Option<Box<Known<P>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known<P> {
    recent: RecentPartners<P>,
    /// At most [`BLOCKED_MAX`], each once.
    blocked: Vec<P>,
}

/// Somebody blocks more others than can be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one session can block at most {BLOCKED_MAX} others")]
pub struct TooManyBlocked;

impl<P> Default for Acquaintances<P> {
    fn default() -> Self {
        Self(None)
    }
}

impl<P: Copy + Eq> Acquaintances<P> {
    /// Somebody was met, and is not to be met again until a moment.
    pub fn met(&mut self, who: P, until: Moment) {
        self.known_mut().recent.remember(who, until);
    }

    /// Somebody is never to be met again.
    ///
    /// # Errors
    /// [`TooManyBlocked`] if that is one too many; nobody is forgotten for it.
    pub fn block(&mut self, who: P) -> Result<(), TooManyBlocked> {
        let known = self.known_mut();
        if known.blocked.contains(&who) {
            return Ok(());
        }
        if known.blocked.len() == BLOCKED_MAX {
            return Err(TooManyBlocked);
        }
        known.blocked.push(who);
        Ok(())
    }

    /// Whether somebody is to be avoided at this moment.
    pub fn avoids(&self, who: P, now: Moment) -> bool {
        self.0
            .as_ref()
            .is_some_and(|known| known.blocked.contains(&who) || known.recent.is_recent(who, now))
    }

    /// Forgets the meetings whose time is over.
    pub fn forget_expired(&mut self, now: Moment) {
        if let Some(known) = &mut self.0 {
            known.recent.forget_expired(now);
            if known.blocked.is_empty() && known.recent.is_empty() {
                self.0 = None;
            }
        }
    }

    /// When the next of those met may be met again.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.0.as_ref()?.recent.next_expiry()
    }

    fn known_mut(&mut self) -> &mut Known<P> {
        self.0.get_or_insert_with(|| {
            Box::new(Known {
                recent: RecentPartners::default(),
                blocked: Vec::new(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Moment = Moment::from_millis(1000);

    #[test]
    fn meetings_end_and_blocks_do_not() {
        let mut known = Acquaintances::default();
        known.met('a', LATER);
        known.block('b').unwrap();
        assert!(known.avoids('a', Moment::START) && known.avoids('b', Moment::START));
        assert_eq!(known.next_expiry(), Some(LATER));
        known.forget_expired(LATER);
        assert!(!known.avoids('a', LATER) && known.avoids('b', LATER));
    }

    #[test]
    fn nobody_who_was_blocked_is_forgotten() {
        let mut known = Acquaintances::default();
        for who in 0..BLOCKED_MAX {
            known.block(who).unwrap();
        }
        assert_eq!(known.block(BLOCKED_MAX), Err(TooManyBlocked));
        assert_eq!(known.block(0), Ok(()));
        assert!((0..BLOCKED_MAX).all(|who| known.avoids(who, Moment::START)));
    }

    #[test]
    fn nothing_known_takes_no_memory() {
        let mut known = Acquaintances::default();
        known.met(1, LATER);
        known.forget_expired(LATER);
        assert_eq!(known, Acquaintances::default());
        assert_eq!(size_of::<Acquaintances<u64>>(), size_of::<usize>());
    }
}
