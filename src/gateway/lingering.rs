//! A gateway that has handed over, and goes on with what is live.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::hearing::Hears;
use super::run::ServeError;
use super::traces::Exporting;
use crate::clock::Clock;
use crate::server::ConnectionLimits;
use crate::session::Sessions;
use crate::tls::ServerTls;
use crate::token::{Bumped, Revisions};

/// How long workers wait for what runs, after they take no more.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    drain: Duration,
    linger: Duration,
    /// Set, before the drain begins, where another process has taken over.
    handed_over: Arc<OnceLock<()>>,
    ends: CancellationToken,
}

/// What still goes on in a gateway after it was handed over: responses that stream, and
/// `WebSocket`s. Dropped, it ends them.
///
/// Who may go on is known from memory. The store is somebody else's now, so whatever
/// changes about a caller ends what it has open here: it opens it again where the answer is known.
/// What changes about everybody, such as the policy, ends all of it.
/// ```
/// use std::time::Duration;
///
/// use portcullis::{Lingering, ServeError};
///
/// /// Goes on for an hour at most, and trusts what it knew of callers for so long.
/// async fn an_hour(lingering: Lingering) -> Result<(), ServeError> {
///     let nobody_else = std::future::ready(());
///     let hour = Duration::from_secs(60 * 60);
///     lingering.ended(nobody_else, async || {
///         tokio::time::sleep(hour).await;
///         None
///     })
///     .await
/// }
/// ```
#[derive(Debug)]
pub struct Lingering {
    pub(super) revisions: Arc<Revisions>,
    pub(super) sessions: Arc<Sessions>,
    /// Where it can be read by many, changes are heard of there as well.
    pub(super) hears: Hears,
    pub(super) workers: JoinHandle<Result<(), ServeError>>,
    /// The spans of what goes on go away as before.
    pub(super) traces: Exporting,
    pub(super) ends: DropGuard,
    pub(super) tls: Option<Arc<ServerTls>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Patience {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            drain: limits.drain,
            linger: limits.linger,
            handed_over: Arc::default(),
            ends: CancellationToken::new(),
        }
    }

    /// From now on it is that of a gateway that was handed over; ended by what is returned.
    pub(super) fn hand_over(&self) -> CancellationToken {
        // Set twice it says the same.
        self.handed_over.get_or_init(|| ());
        self.ends.clone()
    }

    /// Ready when nothing more is waited for.
    pub(super) async fn over(&self) {
        if self.handed_over.get().is_none() {
            return tokio::time::sleep(self.drain).await;
        }
        tokio::select! {
            () = tokio::time::sleep(self.linger) => {}
            () = self.ends.cancelled() => {}
        }
    }
}

impl Lingering {
    /// Goes on until nothing is live any more, neither here nor in `others`, which hear of the
    /// same changes by this one. Each `change` is about a user where the users are now; after the
    /// last of them, or one about everybody, nothing is known of anybody, and all is ended.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: what went on in a worker was cut.
    pub async fn ended(
        self,
        others: impl Future<Output = ()>,
        mut change: impl AsyncFnMut() -> Option<Bumped>,
    ) -> Result<(), ServeError> {
        let Self { revisions, sessions, mut hears, mut workers, traces, ends, tls, clock } = self;
        let hearing = async {
            while let Some(Bumped::User(user)) = change().await {
                revisions.hear(user);
            }
            // For others that hear of it by this one.
            revisions.bump_everybody();
        };
        // Whose certificate is not good any more is in files.
        let certificates = async {
            match &tls {
                Some(tls) => tls.keep(&clock).await,
                None => std::future::pending().await,
            }
        };
        let live = async {
            let joined = (&mut workers).await;
            others.await;
            joined
        };
        let joined = tokio::select! {
            joined = live => Some(joined),
            () = hearing => None,
            // Keys of other issuers are not in the store: whose are gone is known here.
            () = sessions.keep_keys() => None,
            () = hears.ended() => None,
            () = certificates => None,
        };
        let joined = if let Some(joined) = joined {
            joined
        } else {
            drop(ends);
            workers.await
        };
        traces.finish().await;
        joined.unwrap_or(Err(ServeError::Panicked))
    }
}
