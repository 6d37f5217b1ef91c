//! Serving: one runtime a core, each with its own listeners and upstream connections.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::front::Front;
use super::hand_over::{End, Served};
use super::lingering::Patience;
use super::redirect::Redirect;
use super::worker::{Listening, Worker};
use crate::audit::{Event, Kind};
use crate::server::{Acceptor, Bound, ListenAddr, ListenerSettings, Preamble, SocketFile};
use crate::session::Sessions;
use crate::tls::{ListenerTls, TlsError};

/// Why serving ended early.
///
/// ```
/// use std::io;
///
/// use portcullis::ServeError;
///
/// /// Whether it is a defect of the gateway, worth a report.
/// fn is_ours(error: &ServeError) -> bool {
///     matches!(error, ServeError::Panicked)
/// }
///
/// assert!(!is_ours(&ServeError::Worker(io::Error::other("no memory"))));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A worker could not be started, or lost its sockets.
    #[error("a worker could not run")]
    Worker(#[source] io::Error),
    /// A worker ended by a panic, which is a defect of ours.
    #[error("a worker panicked")]
    Panicked,
}

impl Gateway {
    /// Serves at the bound addresses until `shutdown` is ready, then drains.
    ///
    /// Each worker is a thread with a runtime of its own. Dropping this future ends the workers
    /// as `shutdown` would.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: start again.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let end = async {
            shutdown.await;
            End::Drain
        };
        self.run_until(end).await.map(|_drained| ())
    }

    /// Serves at the bound addresses until `end` is ready, and ends as it says.
    ///
    /// # Errors
    ///
    /// As [`Gateway::run`].
    #[doc(hidden)]
    pub async fn run_until(mut self, end: impl Future<Output = End>) -> Result<Served, ServeError> {
        let drain = CancellationToken::new();
        let _at_last = drain.clone().drop_guard();
        let files: Vec<_> = self.bound.iter().filter_map(Bound::file).collect();
        let patience = Patience::new(&self.limits);
        let workers = self.workers(&drain, &patience).map_err(ServeError::Worker)?;
        let mail = self.send_mail(&drain);
        // Until the last request has its answer, and not only until the drain begins.
        let mut hears = self.ground.ears.hear_beside();
        let traces = self.export_traces();
        let threads: Vec<_> = workers
            .into_iter()
            .enumerate()
            .map(|(number, worker)| {
                let name = format!("worker-{number}");
                thread::Builder::new().name(name).spawn(move || worker.run())
            })
            .collect::<io::Result<_>>()
            .map_err(ServeError::Worker)?;
        let end = tokio::select! {
            end = end => end,
            () = self.keep_house() => End::Drain,
            () = self.census.keep_history(&**self.clock()) => End::Drain,
            () = self.tend() => End::Drain,
            () = hears.ended() => End::Drain,
            () = self.keep_certificates() => End::Drain,
            () = self.ground.load.keep() => End::Drain,
            () = ended(&threads) => End::Drain,
        };
        if end == End::HandOver {
            let ends = patience.hand_over().drop_guard();
            drain.cancel();
            let lingering = self.hand_over(ends, joined(threads), mail, traces, hears).await;
            return Ok(Served::HandedOver(lingering));
        }
        // Before the listeners are closed: whoever takes our place may bind from then on.
        files.iter().for_each(SocketFile::remove);
        drain.cancel();
        let outcome = joined(threads).await.unwrap_or(Err(ServeError::Panicked));
        self.sessions().write_uses().await;
        let mail = mail.await.map_err(|_panicked| ServeError::Panicked);
        traces.finish().await;
        self.record_end().await;
        mail.and(outcome).map(|()| Served::Drained)
    }

    /// Serves one listener on the current runtime until `shutdown` is ready, then drains.
    ///
    /// Dropping this future stops accepting; connections go on until their runtime ends.
    ///
    /// # Errors
    ///
    /// [`ServeError::Worker`] if the runtime cannot watch the listener.
    pub async fn serve(
        self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let drain = CancellationToken::new();
        let _at_last = drain.clone().drop_guard();
        let listener = listener.into_std().map_err(ServeError::Worker)?;
        let front = self.front();
        let keeper = tokio::spawn(Front::keep_house(Arc::downgrade(&front)));
        let mail = self.send_mail(&drain);
        // Until the last request has its answer, and not only until the drain begins.
        let mut hears = self.ground.ears.hear_beside();
        let traces = self.export_traces();
        let limits = Arc::clone(&self.limits);
        let acceptor = Acceptor::new(front, limits, self.slots.clone(), drain.clone());
        tokio::select! {
            accepted = acceptor.accept_tcp(listener, Preamble::default()) => accepted.map_err(ServeError::Worker)?,
            () = shutdown => {}
            () = self.keep_house() => {}
            () = self.census.keep_history(&**self.clock()) => {}
            () = self.tend() => {}
            () = hears.ended() => {}
            () = self.ground.load.keep() => {}
        }
        drain.cancel();
        report(acceptor.drained(tokio::time::sleep(self.limits.drain)).await);
        self.sessions().write_uses().await;
        keeper.abort();
        let mail = mail.await.map_err(|_panicked| ServeError::Panicked);
        traces.finish().await;
        self.record_end().await;
        mail
    }

    async fn record_end(&self) {
        let note = self.ground.accounts.audit().note(Event::new(Kind::Stopped));
        note.keep_or_count().await;
    }

    fn workers(
        &mut self,
        drain: &CancellationToken,
        patience: &Patience,
    ) -> io::Result<Vec<Worker>> {
        let redirect = Arc::new(Redirect {
            plans: Arc::clone(&self.plans),
            port: self.secure_port(),
            meters: Arc::clone(&self.census.redirects),
        });
        let mut workers: Vec<_> = (0..self.workers)
            .map(|_| Worker {
                front: self.front(),
                redirect: Arc::clone(&redirect),
                limits: Arc::clone(&self.limits),
                slots: self.slots.clone(),
                drain: drain.clone(),
                patience: patience.clone(),
                serving: Listening::default(),
                redirecting: Listening::default(),
            })
            .collect();
        for bound in std::mem::take(&mut self.bound) {
            let preamble = self.preamble(&bound.settings)?;
            Worker::deal(&mut workers, bound.sockets, bound.settings.redirect, &preamble)?;
        }
        Ok(workers)
    }

    pub(crate) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.plans.current().shared.sessions)
    }

    fn preamble(&self, listener: &ListenerSettings) -> io::Result<Preamble> {
        let tls = if listener.tls {
            // There is what it asks for: `build` has seen to that.
            let tls = self.tls.as_ref().ok_or_else(|| io::Error::other(TlsError::NoIdentity))?;
            Some(ListenerTls::new(tls, listener.client_auth).map_err(io::Error::other)?)
        } else {
            None
        };
        Ok(Preamble { proxy_protocol: listener.proxy_protocol, tls })
    }

    /// The port of the first listener with TLS, if it is not the usual one.
    fn secure_port(&self) -> Option<u16> {
        let port = self.listeners().filter(|listener| listener.tls).find_map(|listener| {
            let ListenAddr::Tcp(addr) = listener.addr else { return None };
            Some(addr.port())
        });
        port.filter(|port| *port != 443)
    }
}

/// What becomes of all workers.
fn joined(
    threads: Vec<thread::JoinHandle<Result<(), ServeError>>>,
) -> JoinHandle<Result<(), ServeError>> {
    tokio::task::spawn_blocking(move || {
        let mut outcome = Ok(());
        for thread in threads {
            let one = thread.join().unwrap_or(Err(ServeError::Panicked));
            outcome = outcome.and(one);
        }
        outcome
    })
}

/// Ready when a worker has ended though nobody asked it to.
async fn ended<T>(threads: &[thread::JoinHandle<T>]) {
    const LOOK: Duration = Duration::from_millis(500);
    while threads.iter().all(|thread| !thread.is_finished()) {
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) fn report(cut: usize) {
    if cut > 0 {
        tracing::warn!(connections = cut, "connections cut at the end of the drain");
    }
}
