//! How long messages are on their way from one person to the other, measured on a few of them.

use super::histogram::Histogram;
use crate::distribution::Distribution;
use crate::server::outbox::Outbox;
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// One message of so many that a thread passes on is followed.
const FOLLOWED_EVERY: u32 = 64;

/// A message that is still on its way after this long is counted as that long, and another may be followed.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long messages are on their way, in µs.
const RELAY_US: &[u64] = &[
    10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
];

thread_local! {
    /// How many messages this thread has passed on.
    static PASSED_ON: Cell<u32> = const { Cell::new(0) };
}

/// Follows one message at a time, from being read to being written to the partner's socket. Who is not
/// followed pays for reading one number that hardly ever changes.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::server) struct Stopwatch {
    /// The outbox that the followed message is in, by its address in memory; 0 if none is followed.
    outbox: AtomicUsize,
    run: Mutex<Option<Run>>,
    us: Histogram,
}

#[derive(Debug)]
struct Run {
    outbox: usize,
    since: Instant,
    /// Whether the message is among what is being written.
    is_taken: bool,
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self {
            outbox: AtomicUsize::new(0),
            run: Mutex::default(),
            us: Histogram::new(RELAY_US),
        }
    }
}

impl Stopwatch {
    /// A message has been read. When that was, if it is one to be followed: of each thread the first, and one
    /// in [`FOLLOWED_EVERY`].
    pub(in crate::server) fn read_now() -> Option<Instant> {
        let passed_on = PASSED_ON.get();
        PASSED_ON.set(passed_on.wrapping_add(1));
        passed_on.is_multiple_of(FOLLOWED_EVERY).then(Instant::now)
    }

    /// It is about to be told to its receiver. Not followed if another still is.
    pub(in crate::server) fn follow(&self, since: Instant, receiver: &Outbox) {
        let mut run = self.run.lock();
        if let Some(Run { since, .. }) = &*run {
            let elapsed = since.elapsed();
            if elapsed < PATIENCE {
                return;
            }
            self.us.record(whole_us(elapsed));
        }
        let outbox = address(receiver);
        *run = Some(Run {
            outbox,
            since,
            is_taken: false,
        });
        self.outbox.store(outbox, Ordering::Relaxed);
    }

    /// What there was in an outbox is being written from now on.
    pub(in crate::server) fn taken(&self, outbox: &Outbox) {
        self.change(outbox, |run| {
            if let Some(run) = run {
                run.is_taken = true;
            }
        });
    }

    /// What was taken from an outbox is written.
    pub(in crate::server) fn written(&self, outbox: &Outbox) {
        self.change(outbox, |run| {
            if let Some(Run { since, .. }) = run.take_if(|run| run.is_taken) {
                self.us.record(whole_us(since.elapsed()));
            }
        });
    }

    /// An outbox is gone, and whatever was in it.
    pub(in crate::server) fn forget(&self, outbox: &Outbox) {
        self.change(outbox, |run| *run = None);
    }

    /// How long messages were on their way that were followed, in µs.
    pub(in crate::server) fn read(&self) -> Distribution {
        self.us.read()
    }

    /// Changes the run if it is this outbox's.
    fn change(&self, outbox: &Outbox, change: impl FnOnce(&mut Option<Run>)) {
        let outbox = address(outbox);
        // A thread that sees this late misses one measurement at most.
        if self.outbox.load(Ordering::Relaxed) != outbox {
            return;
        }
        let mut run = self.run.lock();
        if run.as_ref().is_some_and(|run| run.outbox == outbox) {
            change(&mut run);
        }
        if run.is_none() {
            self.outbox.store(0, Ordering::Relaxed);
        }
    }
}

fn address(outbox: &Outbox) -> usize {
    std::ptr::from_ref(outbox).addr()
}

fn whole_us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::lobby::SessionId;
    use crate::moment::Moment;
    use crate::server::limits::Network;
    use crate::server::outbox::OutboxBounds;

    fn outbox() -> Outbox {
        let bounds = OutboxBounds {
            bytes: 1000,
            events: 10,
        };
        Outbox::new(
            Dialect::V1,
            bounds,
            SessionId::default(),
            Network::NOWHERE,
            Moment::START,
        )
    }

    #[test]
    fn a_message_is_on_its_way_until_what_it_was_taken_with_is_written() {
        let (watch, ann, bob) = (Stopwatch::default(), outbox(), outbox());
        watch.follow(Instant::now(), &ann);
        // Another's, and what was being written before.
        watch.taken(&bob);
        watch.written(&bob);
        watch.written(&ann);
        assert_eq!(watch.read().count(), 0);
        watch.taken(&ann);
        watch.written(&ann);
        watch.written(&ann);
        assert_eq!(watch.read().count(), 1);
    }

    #[test]
    fn one_is_followed_at_a_time_and_none_for_ever() {
        let (watch, ann, bob) = (Stopwatch::default(), outbox(), outbox());
        let long_ago = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        let pass = |outbox| {
            watch.taken(outbox);
            watch.written(outbox);
        };
        watch.follow(Instant::now(), &ann);
        watch.follow(Instant::now(), &bob);
        pass(&bob);
        assert_eq!(watch.read().count(), 0);
        watch.forget(&ann);
        watch.follow(long_ago, &ann);
        watch.follow(Instant::now(), &bob);
        let read = watch.read();
        assert_eq!(read.count(), 1, "given up");
        assert!(read.sum() >= whole_us(2 * PATIENCE));
        pass(&bob);
        assert_eq!(watch.read().count(), 2);
    }

    #[test]
    fn one_in_so_many_is_followed() {
        let first = std::thread::spawn(|| {
            let read = || Stopwatch::read_now().is_some();
            (0..2 * FOLLOWED_EVERY).filter(|_| read()).count()
        });
        assert_eq!(first.join().unwrap(), 2);
    }
}
