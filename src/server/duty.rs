//! Whether the server takes people in, sends them away, or stops.

use super::hub::Hub;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Takes in who comes.
    Serving,
    /// An operator has everybody sent away; that can be called off.
    Draining,
    /// Everybody is sent away for good.
    Stopping,
}

/// The server stops; whatever was asked for is too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server stops, and that can't be called off")]
pub(super) struct TooLate;

/// What the server does, and how that changes.
#[derive(Debug)]
pub(super) struct Roster {
    /// Held for as long as a change takes, so that none overtakes another.
    duty: Mutex<Duty>,
    /// Cancelled when the server begins to stop.
    stopping: CancellationToken,
}

impl Roster {
    pub(super) fn new() -> Self {
        Self {
            duty: Mutex::new(Duty::Serving),
            stopping: CancellationToken::new(),
        }
    }

    pub(super) fn duty(&self) -> Duty {
        *self.duty.lock()
    }

    /// Cancelled when the server begins to stop.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Sends everybody away, bit by bit, and takes nobody in. Returns whether that begins now.
    pub(super) fn drain(&self, hub: &Hub) -> Result<bool, TooLate> {
        let mut duty = self.duty.lock();
        match *duty {
            Duty::Stopping => Err(TooLate),
            Duty::Draining => Ok(false),
            Duty::Serving => {
                *duty = Duty::Draining;
                hub.drain();
                Ok(true)
            }
        }
    }

    /// Lets those stay who are still there, and others come.
    pub(super) fn cancel_drain(&self, hub: &Hub) -> Result<(), TooLate> {
        let mut duty = self.duty.lock();
        match *duty {
            Duty::Stopping => return Err(TooLate),
            Duty::Serving => {}
            Duty::Draining => {
                hub.cancel_drain();
                *duty = Duty::Serving;
            }
        }
        Ok(())
    }

    /// Sends everybody away for good.
    pub(super) fn stop(&self, hub: &Hub) {
        let mut duty = self.duty.lock();
        *duty = Duty::Stopping;
        self.stopping.cancel();
        hub.drain();
    }
}
