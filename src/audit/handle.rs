//! The handle that everybody holds.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::chain::{Chain, Of};
use super::event::Event;
use super::kind::Kind;
use super::line::Entry;
use super::origin::Origin;
use super::record::Record;
use super::search::{self, Line, Lines};
use super::verify::{self, Verdict};
use super::writer::{self, Job};
use super::{AuditError, AuditSettings};
use crate::clock::Clock;
use crate::metrics::Tally;
use crate::secret::Secret;
use crate::store::User;

/// Lines that may wait for the disk. Further ones that nobody waits for are counted as lost.
const QUEUE: usize = 4096;

/// A handle to the record, or to none. Clones share it.
///
/// What happens is counted either way. Dropping the last one blocks until what is queued is on
/// disk.
#[derive(Clone)]
pub struct Audit {
    open: Option<Arc<Open>>,
    counts: Arc<Tally>,
}

struct Open {
    /// `None` once it is closed.
    queue: RwLock<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    lost: Arc<AtomicU64>,
    path: PathBuf,
    chain: Chain,
    clock: Arc<dyn Clock>,
}

/// Something that is about to be recorded: what, when and who asked is settled, so that a task
/// of its own can [keep](Note::keep) it.
#[derive(Debug)]
#[must_use = "it is not recorded yet"]
pub struct Note {
    audit: Audit,
    kind: Kind,
    entry: Option<Entry>,
}

impl Audit {
    /// A handle that keeps nothing.
    pub fn off() -> Self {
        Self::with(None)
    }

    fn with(open: Option<Arc<Open>>) -> Self {
        Self { open, counts: Arc::new(Tally::of(Kind::ALL.map(Kind::as_str))) }
    }

    /// How often each kind of event came up, by its name.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.so_far()
    }

    /// How many events could not be recorded.
    pub fn lost(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.lost.load(Ordering::Relaxed))
    }

    /// Opens the record and starts its thread; off if the settings say so. `key` makes the codes
    /// and is needed again to check them.
    ///
    /// # Errors
    ///
    /// [`AuditError`]: show it to the operator; nothing was changed.
    pub fn start(
        settings: &AuditSettings,
        key: &Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        if !settings.enabled {
            return Ok(Self::off());
        }
        let failed = |source| AuditError::Io { path: settings.path.clone(), source };
        let chain = Chain::new(key);
        let (record, events) = Record::open(settings, &chain)?;
        let (queue, jobs) = mpsc::channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(failed)?;
        let losses = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || runtime.block_on(writer::run(record, jobs, losses)))
            .map_err(failed)?;
        let (queue, thread) = (RwLock::new(Some(queue)), Mutex::new(Some(thread)));
        let path = settings.path.clone();
        let audit = Self::with(Some(Arc::new(Open { queue, thread, lost, path, chain, clock })));
        for event in events {
            audit.record(event);
        }
        Ok(audit)
    }

    /// Closes the record, for another process to go on with it: what happens later is lost here. It
    /// blocks until what is queued is on disk.
    pub fn close(&self) {
        if let Some(open) = &self.open {
            open.close();
        }
    }

    /// Records something that nobody waits for. It is on disk within a second or so; where the
    /// queue is full it is counted as lost.
    pub fn record(&self, event: Event) {
        self.note(event).send(None);
    }

    /// Settles what happened, when, and who asked.
    pub fn note(&self, event: Event) -> Note {
        let kind = event.kind;
        let entry = self.open.as_ref().map(|open| Entry {
            at: open.clock.now(),
            event,
            origin: Origin::current(),
        });
        Note { audit: self.clone(), kind, entry }
    }

    /// At most `limit` lines with numbers below `before` that somebody looks for, the newest first,
    /// and the number to go on below; `None` where nothing is kept. Where much has to be looked
    /// through, there may be fewer lines, and more to come all the same. It reads files, which
    /// blocks.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`].
    pub fn search(
        &self,
        before: Option<u64>,
        limit: usize,
        wanted: impl Fn(&Line) -> bool,
    ) -> Result<Option<Lines>, AuditError> {
        let Some(open) = &self.open else { return Ok(None) };
        let failed = |source| AuditError::Io { path: open.path.clone(), source };
        search::search(&open.path, before, limit, wanted).map(Some).map_err(failed)
    }

    /// Where the record is; `None` where nothing is kept.
    pub(super) fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|open| open.path.as_path())
    }

    /// Whether the record is as it was written, all of it; `None` where nothing is kept. It reads
    /// every file, which blocks and takes its time.
    ///
    /// # Errors
    ///
    /// [`AuditError::Io`].
    pub fn verify(&self) -> Result<Option<Verdict>, AuditError> {
        let Some(open) = &self.open else { return Ok(None) };
        verify::judge(&open.path, &open.chain).map(Some)
    }

    /// What a text is known again by, without being read: for what may be a secret.
    pub fn digest(&self, text: &str) -> String {
        let code = self.open.as_ref().map(|open| open.chain.code(Of::Text, text));
        code.unwrap_or_default().chars().take(16).collect()
    }
}

impl Note {
    /// It happened to that user, which was not known before.
    pub fn to_user(mut self, user: &User) -> Self {
        if let Some(entry) = &mut self.entry {
            entry.event = entry.event.clone().to_user(user);
        }
        self
    }

    /// One thing more to be known about it.
    pub fn with(mut self, fact: &'static str, value: &str) -> Self {
        if let Some(entry) = &mut self.entry {
            entry.event = entry.event.clone().with(fact, value);
        }
        self
    }

    /// Records it. What is urgent is on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`AuditError::NotKept`] if it is urgent and not on disk; it was logged and counted.
    pub async fn keep(self) -> Result<(), AuditError> {
        if self.entry.is_none() || !self.kind.is_urgent() {
            self.send(None);
            return Ok(());
        }
        let Self { audit, kind, entry } = self;
        audit.counts.count(kind.as_str());
        let (Some(open), Some(entry)) = (&audit.open, entry) else { return Ok(()) };
        let stopped =
            || AuditError::NotKept(io::Error::other("its thread has stopped").to_string());
        let (waiting, outcome) = oneshot::channel();
        let queue = open.queue().ok_or_else(stopped)?;
        let job = Job { entry, waiting: Some(waiting) };
        queue.send(job).await.map_err(|_closed| stopped())?;
        outcome.await.map_err(|_dropped| stopped())?
    }

    /// Records it where there is nobody left to tell that it could not be: that was logged.
    pub async fn keep_or_count(self) {
        drop(self.keep().await);
    }

    fn send(self, waiting: Option<oneshot::Sender<Result<(), AuditError>>>) {
        self.audit.counts.count(self.kind.as_str());
        let (Some(open), Some(entry)) = (&self.audit.open, self.entry) else { return };
        let job = Job { entry, waiting };
        if open.queue().is_none_or(|queue| queue.try_send(job).is_err()) {
            open.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self::off()
    }
}

impl Open {
    fn queue(&self) -> Option<mpsc::Sender<Job>> {
        self.queue.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Blocks until what is queued is on disk, and the file is free.
    fn close(&self) {
        // The thread ends when the queue is closed and empty.
        drop(self.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the audit record had panicked");
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.open.is_some() { "Audit(on)" } else { "Audit(off)" })
    }
}
