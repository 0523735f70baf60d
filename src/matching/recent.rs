//! Whom somebody has just talked to: the cool-off between partners.

use crate::moment::Moment;

/// How many recent partners are remembered of each person; the one longest ago is forgotten first.
pub const RECENT_PARTNERS_MAX: usize = 16;

/// The people somebody should not meet again for a while.
///
/// At most [`RECENT_PARTNERS_MAX`]; takes no memory while empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentPartners<P> {
    /// In the order in which they were met; each person at most once.
    met: Vec<(P, Moment)>,
}

impl<P> Default for RecentPartners<P> {
    fn default() -> Self {
        Self { met: Vec::new() }
    }
}

impl<P: Copy + Eq> RecentPartners<P> {
    /// Remembers somebody until a moment.
    pub fn remember(&mut self, who: P, until: Moment) {
        self.met.retain(|(known, _)| *known != who);
        if self.met.len() == RECENT_PARTNERS_MAX {
            self.met.remove(0);
        }
        self.met.push((who, until));
    }

    /// Whether somebody is to be avoided at this moment. The moment it was remembered until is over.
    pub fn is_recent(&self, who: P, now: Moment) -> bool {
        self.met
            .iter()
            .any(|(known, until)| *known == who && now < *until)
    }

    /// Forgets everybody whose time is over.
    pub fn forget_expired(&mut self, now: Moment) {
        self.met.retain(|(_, until)| now < *until);
        if self.met.is_empty() {
            self.met = Vec::new();
        }
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.met.is_empty()
    }

    /// When the next of them may be met again.
    pub fn next_expiry(&self) -> Option<Moment> {
        self.met.iter().map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cool_off_ends_at_its_moment() {
        let mut recent = RecentPartners::default();
        recent.remember('a', Moment::from_millis(100));
        assert!(recent.is_recent('a', Moment::from_millis(99)));
        assert!(!recent.is_recent('a', Moment::from_millis(100)));
        assert!(!recent.is_recent('b', Moment::START));
        recent.forget_expired(Moment::from_millis(100));
        assert_eq!(recent, RecentPartners::default());
        assert_eq!(recent.next_expiry(), None);
    }

    #[test]
    fn only_the_last_sixteen_are_remembered() {
        let mut recent = RecentPartners::default();
        for who in 0..17 {
            recent.remember(who, Moment::from_millis(1000));
        }
        assert!(!recent.is_recent(0, Moment::START));
        assert!((1..17).all(|who| recent.is_recent(who, Moment::START)));
        // Meeting somebody again moves them to the end instead of pushing another out.
        recent.remember(1, Moment::from_millis(2000));
        recent.remember(17, Moment::from_millis(1000));
        assert!(recent.is_recent(1, Moment::START));
        assert!(!recent.is_recent(2, Moment::START));
    }
}
