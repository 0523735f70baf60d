//! Where passwords are hashed: few at once, so that a storm of logins can't take the processor from those who chat.
//!
//! A hash takes tens of milliseconds of a processor and 19 MiB. At most so many are made at once as the settings say,
//! and a few wait; whoever comes beyond that is told to come later.

use super::super::problem::Problem;
use crate::private::Private;
use crate::server::metrics::Logins;
use axum::http::StatusCode;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many may wait for each that is being made: at some tens of ms each, about a second.
const WAITING_FOR_EACH: usize = 24;

/// How many of those may come from one range of addresses: so nobody alone can keep the others from logging in.
const WAITING_FROM_RANGE: usize = 8;

/// When it is worth trying again, in seconds.
const RETRY_AFTER_S: u64 = 2;

/// Bounds the hashes.
#[derive(Debug)]
pub(super) struct HashPool {
    /// For those that are made and those that wait.
    seats: Arc<Semaphore>,
    /// For those that are made.
    desks: Arc<Semaphore>,
    /// How many there are from each range, of those who have to log in. At most as many as there are seats.
    from_ranges: Arc<Mutex<HashMap<Private<IpNet>, usize>>>,
    logins: Arc<Logins>,
}

/// One of those from a range, until it is dropped.
struct FromRange {
    all: Arc<Mutex<HashMap<Private<IpNet>, usize>>>,
    range: Private<IpNet>,
}

impl Drop for FromRange {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.range) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.range);
            }
        }
    }
}

/// That too many wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl HashPool {
    pub(super) fn new(at_once: u32, logins: Arc<Logins>) -> Self {
        let at_once = at_once as usize;
        Self {
            seats: Arc::new(Semaphore::new(at_once * (1 + WAITING_FOR_EACH))),
            desks: Arc::new(Semaphore::new(at_once)),
            from_ranges: Arc::default(),
            logins,
        }
    }

    /// The same for somebody who is not logged in, and comes from this range of addresses.
    pub(super) async fn run_for<T: Send + 'static>(
        &self,
        range: Private<IpNet>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let Some(place) = self.place_for(range) else {
            self.logins.hash_is_refused();
            return Err(Busy);
        };
        let work = move || {
            let outcome = work();
            drop(place);
            outcome
        };
        self.run(work).await
    }

    fn place_for(&self, range: Private<IpNet>) -> Option<FromRange> {
        let mut all = self.from_ranges.lock();
        let count = all.entry(range).or_insert(0);
        if *count == WAITING_FROM_RANGE {
            return None;
        }
        *count += 1;
        Some(FromRange {
            all: Arc::clone(&self.from_ranges),
            range,
        })
    }

    /// Does the work of a hash, on a thread that may be busy for long, when it is its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let Ok(seat) = Arc::clone(&self.seats).try_acquire_owned() else {
            self.logins.hash_is_refused();
            return Err(Busy);
        };
        let waiting = self.logins.hash_waits();
        let desk = Arc::clone(&self.desks).acquire_owned().await;
        drop(waiting);
        let desk = desk.map_err(|_| Busy)?;
        let logins = Arc::clone(&self.logins);
        // Who asks may go away; the work goes on, and keeps its place until it is done.
        let work = tokio::task::spawn_blocking(move || {
            let outcome = work();
            logins.hash_is_done();
            drop((seat, desk));
            outcome
        });
        work.await.map_err(|_| Busy)
    }
}

impl From<Busy> for Problem {
    fn from(_: Busy) -> Self {
        let message = "too many people log in at the moment; try again in a moment";
        Self::new(StatusCode::TOO_MANY_REQUESTS, message).retry_after(RETRY_AFTER_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_storm_is_worked_off_one_by_one_and_the_rest_is_sent_away() {
        let pool = Arc::new(HashPool::new(1, Arc::default()));
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(parking_lot::Mutex::new(gate));
        let (at_work, at_work_most) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (pool, gate) = (Arc::clone(&pool), Arc::clone(&gate));
            let (at_work, at_work_most) = (Arc::clone(&at_work), Arc::clone(&at_work_most));
            storm.spawn(async move {
                pool.run(move || {
                    let now = at_work.fetch_add(1, Ordering::SeqCst) + 1;
                    at_work_most.fetch_max(now, Ordering::SeqCst);
                    // Until the test has seen that the others are sent away.
                    let _ = gate.lock().recv();
                    at_work.fetch_sub(1, Ordering::SeqCst);
                })
                .await
            });
        }
        let mut sent_away = 0;
        while sent_away < 200 - 1 - WAITING_FOR_EACH {
            let outcome = storm.join_next().await.unwrap().unwrap();
            assert_eq!(outcome, Err(Busy));
            sent_away += 1;
        }
        drop(go);
        let mut done = 0;
        while let Some(outcome) = storm.join_next().await {
            assert_eq!(outcome.unwrap(), Ok(()));
            done += 1;
        }
        assert_eq!(done, 1 + WAITING_FOR_EACH);
        assert_eq!(at_work_most.load(Ordering::SeqCst), 1);
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn one_range_of_addresses_leaves_room_for_others() {
        let pool = Arc::new(HashPool::new(1, Arc::default()));
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(parking_lot::Mutex::new(gate));
        let range = |text: &str| Private::new(text.parse().unwrap());
        let (there, here) = (range("192.0.2.0/24"), range("198.51.100.0/24"));
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..3 * WAITING_FOR_EACH {
            let (pool, gate) = (Arc::clone(&pool), Arc::clone(&gate));
            let work = move || gate.lock().recv();
            storm.spawn(async move { pool.run_for(there, work).await.is_ok() });
        }
        for _ in 0..3 * WAITING_FOR_EACH - WAITING_FROM_RANGE {
            assert!(!storm.join_next().await.unwrap().unwrap());
        }
        let other = {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.run_for(here, || 7).await })
        };
        drop(go);
        assert_eq!(other.await.unwrap(), Ok(7));
        while let Some(is_done) = storm.join_next().await {
            assert!(is_done.unwrap());
        }
        assert!(pool.from_ranges.lock().is_empty());
    }
}
