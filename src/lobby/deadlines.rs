//! Which session must be looked at when.

use super::SessionId;
use crate::moment::Moment;
use std::collections::BTreeSet;

/// At most one deadline per session, earliest first.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(Moment, SessionId)>,
}

impl Deadlines {
    /// Moves a session's deadline. O(log n).
    pub(super) fn reschedule(
        &mut self,
        session: SessionId,
        before: Option<Moment>,
        after: Option<Moment>,
    ) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            let known = self.due.remove(&(before, session));
            debug_assert!(known, "a session's deadline is scheduled");
        }
        if let Some(after) = after {
            self.due.insert((after, session));
        }
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The session whose deadline is the earliest, if it is due. It stays scheduled.
    pub(super) fn first_due(&self, now: Moment) -> Option<SessionId> {
        self.due
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, session)| *session)
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}
