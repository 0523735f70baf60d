//! What operators may know of one session and its connection.

use super::Hub;
use crate::dialect::Dialect;
use crate::lobby::{self, SessionId};
use crate::moment::Moment;
use std::time::Duration;

/// One session at a moment.
#[derive(Debug)]
pub(in crate::server) struct Portrait {
    /// The moment.
    pub(in crate::server) at: Moment,
    pub(in crate::server) doing: lobby::Portrait,
    /// Its connection; `None` while it is away.
    pub(in crate::server) connection: Option<ConnectionPortrait>,
}

/// One connection at a moment.
#[derive(Debug)]
pub(in crate::server) struct ConnectionPortrait {
    pub(in crate::server) dialect: Dialect,
    pub(in crate::server) age: Duration,
    /// How long nothing has come from the client.
    pub(in crate::server) silent_ms: u64,
    /// What waits to be sent.
    pub(in crate::server) outbox_bytes: usize,
    pub(in crate::server) outbox_events: usize,
}

impl Hub {
    /// What a session does, if there is such a session.
    pub(in crate::server) fn portrait(&self, session: SessionId) -> Option<Portrait> {
        let floor = self.floor.lock();
        let at = self.now();
        let doing = floor.lobby.portrait(session)?;
        let connection = floor.outbox(session).map(|outbox| {
            let (outbox_bytes, outbox_events) = outbox.load();
            ConnectionPortrait {
                dialect: outbox.dialect(),
                age: outbox.age(at),
                silent_ms: outbox.silent_ms(at),
                outbox_bytes,
                outbox_events,
            }
        });
        Some(Portrait {
            at,
            doing,
            connection,
        })
    }
}
