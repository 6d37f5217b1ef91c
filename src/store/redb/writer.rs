//! The one thread that writes.
//!
//! A durable commit waits for the disk, so calls that arrive while one is under way are gathered
//! and share the next one. It also takes a processor, which the requests that are proxied miss while
//! logins keep the others busy: so those gather for longer, as long as more of them are under way.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redb::{Database, Durability, WriteTransaction};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::live::{Ended, Live, Lost};
use super::tables::Change;
use crate::store::{Commits, StoreError};

/// Calls that may wait; the next caller waits for a place.
const QUEUE: usize = 1024;

/// Calls that share one commit at most, so that none waits long for its neighbours.
const BATCH: usize = 256;

/// How long one that can wait goes on after another at most: about as long as it takes to serve it,
/// several times over.
const GAP: Duration = Duration::from_millis(2);

/// The queue to the writing thread. Dropping it blocks until what is queued is done.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<Commits>,
}

impl Writer {
    /// From one commit to the next, calls that can wait for others let `pace` go by.
    pub(super) fn start(live: Arc<Live>, pace: Duration) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let commits = Arc::<Commits>::default();
        let counted = Arc::clone(&commits);
        let timer = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&timer, &live, &counted, jobs, pace))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), commits })
    }

    pub(super) fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Has `work` done in a transaction, and answers when that is on disk.
    ///
    /// `work` may run more than once, each time on a transaction that knows nothing of the time
    /// before. Dropping the future does not take back a call that is queued.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&Change<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Urgency::Now, work).await
    }

    /// As [`call`](Self::call), for `work` that may wait for others of its kind, if such are
    /// announced ([`Commits::announce`]).
    pub(super) async fn call_soon<T: Send + 'static>(
        &self,
        work: impl Fn(&Change<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Urgency::Soon, work).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl Fn(&Change<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Call { work, urgency, outcome: None, caller });
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(job).await.map_err(|_closed| stopped())?;
        let (outcome, after) = answer.await.map_err(|_dropped| stopped())?;
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        outcome
    }
}

/// When a call is to be on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Urgency {
    /// At once.
    Now,
    /// Soon: it may wait for others to share a commit with.
    Soon,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The thread ends when the queue is closed and empty.
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread of the store had panicked");
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writing thread of the store has stopped".into())
}

/// A queued call.
trait Job: Send {
    fn urgency(&self) -> Urgency;

    /// Does the work and keeps its outcome. `false`: it failed, and the transaction must go.
    fn apply(&mut self, change: &Change<'_>) -> bool;

    /// Tells the caller the outcome of the last [`apply`](Self::apply), or why it is void. It is
    /// to go on `after` that.
    fn answer(self: Box<Self>, lost: Option<&Arc<Lost>>, after: Duration);
}

struct Call<F, T> {
    work: F,
    urgency: Urgency,
    outcome: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<(Result<T, StoreError>, Duration)>,
}

impl<F, T> Job for Call<F, T>
where
    F: Fn(&Change<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn urgency(&self) -> Urgency {
        self.urgency
    }

    fn apply(&mut self, change: &Change<'_>) -> bool {
        self.outcome.insert((self.work)(change)).is_ok()
    }

    fn answer(self: Box<Self>, lost: Option<&Arc<Lost>>, after: Duration) {
        let outcome = match (lost, self.outcome) {
            (Some(error), _) if matches!(**error, Lost::HandedOver) => Err(StoreError::HandedOver),
            (Some(error), _) => Err(StoreError::Unavailable(Box::new(Arc::clone(error)))),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(stopped()),
        };
        // A caller that has gone no longer wants to know.
        drop(self.caller.send((outcome, after)));
    }
}

fn run(
    timer: &Runtime,
    live: &Live,
    commits: &Commits,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    pace: Duration,
) {
    let mut latest = Instant::now();
    loop {
        let batch = timer.block_on(gather(&mut jobs, commits, latest));
        if batch.is_empty() {
            return;
        }
        commits.changes.add(batch.len() as u64);
        serve(live, commits, batch, pace);
        let due = Instant::now() + pace;
        commits.gather_until(due);
        latest = due + pace / 2;
    }
}

/// What shares the next commit: nothing, if nobody can call any more. While all of it can wait and
/// more is announced, it waits for the first call after it is due: a login that comes then keeps its
/// hashing thread from the processor that the commit needs. Where none comes, until `latest`.
async fn gather(
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
    commits: &Commits,
    latest: Instant,
) -> Vec<Box<dyn Job>> {
    let mut batch = Vec::new();
    let mut room = jobs.recv_many(&mut batch, BATCH).await;
    while room > 0
        && batch.len() < BATCH
        && commits.gathering()
        && batch.iter().all(|job| job.urgency() == Urgency::Soon)
    {
        let places = BATCH - batch.len();
        let more = timeout_at(latest.into(), jobs.recv_many(&mut batch, places)).await;
        room = more.unwrap_or(0);
    }
    batch
}

/// Serves the jobs in one transaction; if one of them spoils it, or panics, each in its own, so that
/// its neighbours do not pay for it.
fn serve(live: &Live, commits: &Commits, mut jobs: Vec<Box<dyn Job>>, pace: Duration) {
    let mut committing = false;
    let written = live.write(|db| attempt(db, commits, &mut jobs, &mut committing));
    let lost = match written {
        Ok(Ended::JobFailed) | Err(Lost::Panicked) if jobs.len() > 1 && !committing => {
            return jobs.into_iter().for_each(|job| serve(live, commits, vec![job], pace));
        }
        Ok(_) => None,
        Err(error) => {
            commits.failed.count();
            Some(Arc::new(error))
        }
    };
    let gap = gap(jobs.len(), pace);
    let mut after = Duration::ZERO;
    for job in jobs {
        match job.urgency() {
            Urgency::Now => job.answer(lost.as_ref(), Duration::ZERO),
            Urgency::Soon => {
                job.answer(lost.as_ref(), after);
                after += gap;
            }
        }
    }
}

/// How long one caller that can wait goes on after another, of so many that share a commit. All at
/// once they would be a burst of work, which the requests that are proxied would have to wait for.
fn gap(many: usize, pace: Duration) -> Duration {
    GAP.min(pace / 2 / u32::try_from(many).unwrap_or(u32::MAX))
}

/// An error means that nothing was changed, or that nothing is known.
fn attempt(
    db: &Database,
    commits: &Commits,
    jobs: &mut [Box<dyn Job>],
    committing: &mut bool,
) -> Result<Ended, redb::Error> {
    let txn = begin(db)?;
    let change = Change::new(&txn);
    if !jobs.iter_mut().all(|job| job.apply(&change)) {
        txn.abort()?;
        return Ok(Ended::JobFailed);
    }
    if !change.is_dirty() {
        txn.abort()?;
        return Ok(Ended::Unchanged);
    }
    let begun = Instant::now();
    // From here on nobody knows what a failure leaves.
    *committing = true;
    txn.commit()?;
    commits.durations.note(begun.elapsed());
    Ok(Ended::Committed)
}

/// A transaction whose commit is on disk when it returns, and that leaves a file which opens at
/// once after a crash.
pub(super) fn begin(db: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut txn = db.begin_write()?;
    txn.set_durability(Durability::Immediate)?;
    txn.set_quick_repair(true);
    Ok(txn)
}

#[cfg(test)]
mod tests;
