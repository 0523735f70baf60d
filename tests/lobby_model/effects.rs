//! What the lobby wants done after one change, to be read in order.

use std::collections::VecDeque;
use whisperchat::lobby::{Effect, Event, MessageId, SessionId};

/// The effects of one change that have not been looked at yet.
#[derive(Default)]
pub(crate) struct Effects(VecDeque<Effect>);

impl Effects {
    pub(crate) fn push(&mut self, effect: Effect) {
        self.0.push_back(effect);
    }

    pub(crate) fn peek(&self) -> Option<&Effect> {
        self.0.front()
    }

    pub(crate) fn take(&mut self) -> Option<Effect> {
        self.0.pop_front()
    }

    pub(crate) fn skip(&mut self) {
        self.0.pop_front();
    }

    /// Sessions whose connection the lobby wants to end, among what is left.
    pub(crate) fn closed(&self) -> Vec<SessionId> {
        let closed = |effect: &Effect| match effect {
            Effect::Close { session, .. } => Some(*session),
            _ => None,
        };
        self.0.iter().filter_map(closed).collect()
    }

    /// What this session is told next, before anything else happens.
    pub(crate) fn take_told(&mut self, whom: SessionId, answering: Option<&MessageId>) -> Event {
        let Some(Effect::Tell { to, event, answers }) = self.take() else {
            panic!("{whom:?} is told nothing");
        };
        assert_eq!((to, answers.as_ref()), (whom, answering), "{event:?}");
        event
    }

    /// What this session is told, where two are told the same at a time in either order.
    pub(crate) fn take_told_out_of_two(&mut self, whom: SessionId) -> Event {
        if !matches!(self.peek(), Some(Effect::Tell { to, .. }) if *to == whom) && self.0.len() > 1
        {
            self.0.swap(0, 1);
        }
        self.take_told(whom, None)
    }

    pub(crate) fn expect_told(
        &mut self,
        whom: SessionId,
        expected: &Event,
        answering: Option<&MessageId>,
    ) {
        assert_eq!(self.take_told(whom, answering), *expected);
    }

    /// A session is gone for good.
    pub(crate) fn expect_forgotten(&mut self, session: SessionId) {
        let forgotten = self.take();
        let is_this = |effect: &Effect| matches!(effect, Effect::Forget { session: gone, .. } if *gone == session);
        assert!(forgotten.as_ref().is_some_and(is_this), "{forgotten:?}");
    }

    pub(crate) fn assert_no_more(&self) {
        assert!(self.0.is_empty(), "nobody asked for {:?}", self.0);
    }
}
