//! Traces of a gateway: where requests enter them, and the task that brings their spans away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::request::Parts;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Gateway;
use super::record::subject;
use crate::clock::Clock;
use crate::trace::{Asked, Exporter, Trace, TraceSettings, Tracer};
use crate::web::{Origin, Peer};

/// The tracer, and what brings its spans away once the gateway serves.
#[derive(Debug)]
pub(super) struct Traces {
    tracer: Arc<Tracer>,
    exporter: Mutex<Option<Exporter>>,
}

/// The task that brings spans away. Dropped, it brings what is left, as far as its runtime lives.
#[derive(Debug)]
pub(super) struct Exporting {
    task: Option<JoinHandle<()>>,
    stop: DropGuard,
}

impl Traces {
    pub(super) fn new(settings: TraceSettings, clock: Arc<dyn Clock>) -> Self {
        let (tracer, exporter) = Tracer::new(settings, clock);
        Self { tracer, exporter: Mutex::new(Some(exporter)) }
    }

    pub(super) const fn tracer(&self) -> &Arc<Tracer> {
        &self.tracer
    }

    /// For the first who asks.
    fn exporter(&self) -> Option<Exporter> {
        self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Gateway {
    /// Brings spans away, on this runtime: no worker waits for a collector.
    pub(super) fn export_traces(&self) -> Exporting {
        let stop = CancellationToken::new();
        let exporter = self.ground.traces.as_ref().and_then(Traces::exporter);
        let task = exporter.map(|exporter| tokio::spawn(exporter.run(stop.clone())));
        Exporting { task, stop: stop.drop_guard() }
    }

    /// Likewise for a service, until it is dropped with the gateway. Without a runtime there is
    /// nobody to do it, and spans are dropped.
    pub(super) fn export_for_service(&self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current()
            && let Some(exporter) = self.ground.traces.as_ref().and_then(Traces::exporter)
        {
            runtime.spawn(exporter.run(CancellationToken::new()));
        }
    }
}

impl Exporting {
    /// Brings away what is left, as far as there is time.
    pub(super) async fn finish(self) {
        let Self { task, stop } = self;
        drop(stop);
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "no spans are exported");
        }
    }
}

/// A request's place in a trace, by what its peer says of it, or a new one.
pub(super) fn enter(
    tracer: &Arc<Tracer>,
    parts: &mut Parts,
    peer: &Peer,
    origin: &Origin,
    started: Instant,
) -> Option<Trace> {
    tracer.enter(parts, origin.trusted, |parts| Asked {
        started,
        what: subject(parts),
        scheme: origin.scheme(peer),
        version: parts.version,
        client: origin.client,
    })
}
