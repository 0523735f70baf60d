//! Writes that chatting doesn't wait for.
//!
//! One task takes what has gathered in a bounded queue, commits it as one transaction, and then answers everybody who
//! asked: many share one wait for the disk, and who has an answer can rely on it, whatever happens to the process.
//! If the database is away, or its disk is full, everybody is told so at once, until a write goes through again.

use super::transaction::{Level, Tx, retried};
use super::{
    Added, Ban, NewAudit, NewBan, NewReport, Store, StoreError, audit, bans, reports, sql,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// How many writes share one transaction at most.
const GROUP_MAX: usize = 256;

/// How often to see whether the database is there while nobody asks for anything.
const PING_EVERY: Duration = Duration::from_secs(5);

/// How often to try whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A queue in front of a [`Store`]. Cheap to clone; its task ends when all clones are gone.
#[derive(Debug, Clone)]
pub struct Writer {
    store: Store,
    queue: mpsc::Sender<Job>,
    state: Arc<State>,
    /// How long anybody waits for an answer.
    patience: Duration,
}

/// How a [`Writer`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterStatus {
    /// Whether the database is away, or can't keep anything.
    pub is_away: bool,
    /// How many writes wait.
    pub waiting: usize,
    /// How many were kept.
    pub kept: u64,
    /// How many were not, because the database was away or too many waited.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct State {
    is_away: AtomicBool,
    kept: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug)]
struct Job {
    work: Work,
    answer: oneshot::Sender<Result<Done, StoreError>>,
}

/// What is to be written. Boxed, for the queue has room for as many as it may ever hold.
#[derive(Debug)]
enum Work {
    Report(Box<NewReport>),
    Ban(Box<NewBan>),
    Audit(Box<NewAudit>),
}

#[derive(Debug)]
enum Done {
    Report(Added),
    Ban(Box<Ban>),
    Audit(i64),
}

impl Writer {
    /// Starts the task. `queue` writes may wait; a transaction has `limit` to be committed, or the database counts
    /// as away. Needs a Tokio runtime.
    pub fn start(store: Store, queue: usize, limit: Duration) -> Self {
        let (sender, jobs) = mpsc::channel(queue.max(1));
        let state = Arc::new(State::default());
        let task = Task {
            store: store.clone(),
            jobs,
            state: Arc::clone(&state),
            limit,
        };
        tokio::spawn(task.run());
        Self {
            store,
            queue: sender,
            state,
            // The transaction under way, and the one after it.
            patience: limit * 2,
        }
    }

    /// The store, for what waits for it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Keeps a report. When this returns, it is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Away`], at once if that is known or too many wait; it may be kept all the same, and the same
    /// report made again is kept only once. [`StoreError::Unacceptable`] if a text is too long.
    pub async fn add_report(&self, new: NewReport) -> Result<Added, StoreError> {
        match self.ask(Work::Report(Box::new(new))).await? {
            Done::Report(added) => Ok(added),
            done => Err(wrong(&done)),
        }
    }

    /// Bans, with its entry in the audit log: what a rule does by itself.
    ///
    /// # Errors
    /// As [`Store::add_ban`], and as [`add_report`](Self::add_report).
    pub async fn add_ban(&self, new: NewBan) -> Result<Ban, StoreError> {
        match self.ask(Work::Ban(Box::new(new))).await? {
            Done::Ban(ban) => Ok(*ban),
            done => Err(wrong(&done)),
        }
    }

    /// Writes down what was done, and returns the entry's id.
    ///
    /// # Errors
    /// As [`add_report`](Self::add_report).
    pub async fn add_audit(&self, entry: NewAudit) -> Result<i64, StoreError> {
        match self.ask(Work::Audit(Box::new(entry))).await? {
            Done::Audit(id) => Ok(id),
            done => Err(wrong(&done)),
        }
    }

    /// How it is.
    pub fn status(&self) -> WriterStatus {
        WriterStatus {
            is_away: self.state.is_away.load(Ordering::Relaxed),
            waiting: self.queue.max_capacity() - self.queue.capacity(),
            kept: self.state.kept.load(Ordering::Relaxed),
            refused: self.state.refused.load(Ordering::Relaxed),
        }
    }

    async fn ask(&self, work: Work) -> Result<Done, StoreError> {
        if self.state.is_away.load(Ordering::Relaxed) {
            return Err(self.state.refuse("it was away a moment ago"));
        }
        let (answer, outcome) = oneshot::channel();
        if self.queue.try_send(Job { work, answer }).is_err() {
            return Err(self.state.refuse("too much waits to be written"));
        }
        match timeout(self.patience, outcome).await {
            Ok(Ok(outcome)) => outcome,
            _ => Err(self.state.refuse("it did not answer in time")),
        }
    }
}

/// Work of one kind is answered by that kind; anything else is a bug.
fn wrong(done: &Done) -> StoreError {
    unreachable!("asked for something else than {done:?}")
}

impl State {
    /// Counts a write that is not kept.
    fn refuse(&self, cause: &str) -> StoreError {
        self.refused.fetch_add(1, Ordering::Relaxed);
        StoreError::away(cause)
    }
}

impl Job {
    /// Who asked may have gone.
    fn answer(self, outcome: Result<Done, StoreError>) {
        let _ = self.answer.send(outcome);
    }
}

/// What commits.
struct Task {
    store: Store,
    jobs: mpsc::Receiver<Job>,
    state: Arc<State>,
    /// How long a transaction may take.
    limit: Duration,
}

impl Task {
    async fn run(mut self) {
        let mut group = Vec::new();
        loop {
            let gathered = timeout(PING_EVERY, self.jobs.recv_many(&mut group, GROUP_MAX)).await;
            let outcome = match gathered {
                Ok(0) => return,
                Ok(_) => self.keep(&mut group).await,
                Err(_) => self.within(self.store.ping()).await,
            };
            let Err(error) = outcome else { continue };
            tracing::warn!(%error, "reports and bans can't be kept; chatting goes on");
            self.state.is_away.store(true, Ordering::Relaxed);
            if !self.is_back().await {
                return;
            }
            self.state.is_away.store(false, Ordering::Relaxed);
            tracing::info!("the store is back");
        }
    }

    /// Tells everybody that it is away until it is back; `false` if nobody is left who could ask.
    async fn is_back(&mut self) -> bool {
        loop {
            while let Ok(job) = self.jobs.try_recv() {
                job.answer(Err(self.state.refuse("it is away")));
            }
            if self.jobs.is_closed() {
                return false;
            }
            sleep(PROBE_EVERY).await;
            if self.within(self.store.probe()).await.is_ok() {
                return true;
            }
        }
    }

    /// Commits everything that has gathered, and answers it. An error is that the database is away; everybody has
    /// been told so by then.
    async fn keep(&self, group: &mut Vec<Job>) -> Result<(), StoreError> {
        if group.len() > 1 {
            match self.within(self.store.commit(group)).await {
                Ok(done) => {
                    for (job, done) in group.drain(..).zip(done) {
                        self.told(job, Ok(done));
                    }
                    return Ok(());
                }
                Err(error) if error.is_away() => {
                    self.refuse_all(group.drain(..));
                    return Err(error);
                }
                // One of them can't be kept, and must not spoil the others.
                Err(_) => {}
            }
        }
        self.keep_each(group.drain(..)).await
    }

    async fn keep_each(&self, mut group: std::vec::Drain<'_, Job>) -> Result<(), StoreError> {
        while let Some(job) = group.next() {
            let alone = std::slice::from_ref(&job);
            match self.within(self.store.commit(alone)).await {
                Ok(done) => {
                    let done = done.into_iter().next();
                    self.told(
                        job,
                        done.ok_or_else(|| StoreError::away("nothing was done")),
                    );
                }
                Err(error) if error.is_away() => {
                    self.refuse_all(std::iter::once(job).chain(group));
                    return Err(error);
                }
                Err(error) => self.told(job, Err(error)),
            }
        }
        Ok(())
    }

    fn told(&self, job: Job, outcome: Result<Done, StoreError>) {
        let count = match outcome {
            Ok(_) => &self.state.kept,
            Err(_) => &self.state.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        job.answer(outcome);
    }

    fn refuse_all(&self, jobs: impl Iterator<Item = Job>) {
        for job in jobs {
            job.answer(Err(self.state.refuse("it could not be kept")));
        }
    }

    async fn within<T>(
        &self,
        doing: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let done = timeout(self.limit, doing).await;
        done.unwrap_or_else(|_| Err(StoreError::away("it did not answer in time")))
    }
}

impl Store {
    /// Whether something can be written.
    async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query(sql::PROBE).execute(self.pool()).await?;
        Ok(())
    }

    /// Does everything in one transaction, or nothing.
    async fn commit(&self, jobs: &[Job]) -> Result<Vec<Done>, StoreError> {
        retried(|| self.try_commit(jobs)).await
    }

    async fn try_commit(&self, jobs: &[Job]) -> Result<Vec<Done>, StoreError> {
        // What is added depends on nothing that is there, but on what is unique, which an index decides.
        let mut tx = self.begin(Level::ReadCommitted).await?;
        let mut done = Vec::with_capacity(jobs.len());
        for job in jobs {
            done.push(job.work.apply(&mut tx).await?);
        }
        tx.commit().await?;
        Ok(done)
    }
}

impl Work {
    async fn apply(&self, tx: &mut Tx) -> Result<Done, StoreError> {
        Ok(match self {
            Self::Report(new) => Done::Report(reports::add(tx, new).await?),
            Self::Ban(new) => Done::Ban(Box::new(bans::add(tx, new).await?)),
            Self::Audit(entry) => Done::Audit(audit::add(tx, entry).await?),
        })
    }
}
