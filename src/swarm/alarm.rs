//! Wakes the run when something is due, to the microsecond.
//!
//! The runtime's own timers are a millisecond coarse, which is more than what is measured.

use super::clock::Clock;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::AsFd as _;
use tokio::net::unix::pipe;

/// A timer of the kernel's says how often it has rung in so many bytes.
const RUNG_BYTES: usize = 8;

/// A timer of the kernel's.
pub(super) struct Alarm {
    clock: Clock,
    timer: TimerFd,
    /// The same timer. It is waited for and read like a pipe into which it writes when it rings.
    ringing: pipe::Receiver,
    /// When it will ring.
    set_for_ns: Option<u64>,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let same = timer.as_fd().try_clone_to_owned()?;
        Ok(Self {
            clock,
            timer,
            ringing: pipe::Receiver::from_owned_fd_unchecked(same)?,
            set_for_ns: None,
        })
    }

    /// Returns at this moment of the run; never without one. Nothing is lost when this is dropped before.
    pub(super) async fn ring_at(&mut self, at_ns: Option<u64>) -> io::Result<()> {
        let Some(at_ns) = at_ns else {
            return std::future::pending().await;
        };
        if self.set_for_ns != Some(at_ns) {
            let at = TimeSpec::from_duration(self.clock.on_system(at_ns));
            let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
            self.timer.set(Expiration::OneShot(at), flags)?;
            self.set_for_ns = Some(at_ns);
        }
        loop {
            self.ringing.readable().await?;
            match self.ringing.try_read(&mut [0; RUNG_BYTES]) {
                Ok(_) => {
                    self.set_for_ns = None;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_when_it_was_set_for_and_not_before() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        for after_ns in [0, 200_000, 3_000_000] {
            let at_ns = clock.now_ns() + after_ns;
            alarm.ring_at(Some(at_ns)).await.unwrap();
            assert!(clock.now_ns() >= at_ns);
        }
    }

    #[tokio::test]
    async fn it_can_be_set_anew_for_an_earlier_moment() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        let hour_ns = 3600 * super::super::clock::SECOND_NS;
        tokio::select! {
            biased;
            _ = alarm.ring_at(Some(hour_ns)) => panic!("an hour has not passed"),
            () = std::future::ready(()) => {}
        }
        alarm.ring_at(Some(clock.now_ns())).await.unwrap();
        assert!(clock.now_ns() < hour_ns);
    }
}
