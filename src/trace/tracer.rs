//! What a request is given when it comes: its place in a trace.

use std::sync::atomic::AtomicU16;
use std::sync::{Arc, OnceLock};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::sync::mpsc;

use super::exporter::Exporter;
use super::request::{Asked, Sampled, Trace};
use super::span::Span;
use super::{Context, Share, SpanId, TraceId, TraceSettings, state};
use crate::clock::Clock;
use crate::metrics::{BusyCounter, Counter};

/// Where a request stands in a trace (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What other tracers keep in it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Gives requests their places in traces, and takes their spans.
#[derive(Debug)]
pub struct Tracer {
    share: Share,
    users: bool,
    queue: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests drop them, and so many at once.
    pub(super) dropped: BusyCounter,
    /// Those that were given up later.
    pub(super) lost: Counter,
    pub(super) exported: Counter,
    /// Batches.
    pub(super) failed: Counter,
}

impl Tracer {
    /// A tracer, and what brings its spans to the collector.
    pub fn new(settings: TraceSettings, clock: Arc<dyn Clock>) -> (Arc<Self>, Exporter) {
        let (queue, spans) = mpsc::channel(settings.queue.get());
        let counts = Arc::new(Counts::default());
        let (share, users) = (settings.share, settings.users);
        let exporter = Exporter::new(settings, spans, Arc::clone(&counts), clock);
        (Arc::new(Self { share, users, queue, counts }), exporter)
    }

    /// A request's place. Its headers lose what they say of one: that is followed where the peer's
    /// word counts. Whoever else sends it is only remembered in a link, and neither chooses an id
    /// nor has anything recorded.
    ///
    /// `None` where the machine has no randomness to give: the request goes on without.
    pub fn enter(
        self: &Arc<Self>,
        parts: &mut Parts,
        trusted: bool,
        asked: impl FnOnce(&Parts) -> Asked,
    ) -> Option<Trace> {
        let headers = &mut parts.headers;
        let named = named(headers);
        let state = state::joined(headers.get_all(TRACESTATE).iter());
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        let followed = named.filter(|_| trusted);
        let (trace, sampled) = if let Some(Context { trace, sampled, .. }) = followed {
            (trace, sampled)
        } else {
            let trace = TraceId::fresh()?;
            (trace, self.share.has(trace))
        };
        let context = Context { trace, span: SpanId::fresh()?, sampled };
        let sampled = sampled.then(|| {
            Arc::new(Sampled {
                tracer: Arc::clone(self),
                parent: followed.map(|parent| parent.span),
                link: named.filter(|_| !trusted),
                asked: asked(parts),
                about: OnceLock::new(),
                user: OnceLock::new(),
                tries: AtomicU16::new(0),
            })
        });
        Some(Trace::new(context, state.filter(|_| followed.is_some()), sampled))
    }

    /// Whether spans shall say who asked.
    pub(super) const fn wants_users(&self) -> bool {
        self.users
    }

    /// Queues a span; drops it where there is no room.
    pub(super) fn keep(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.counts.dropped.count();
        }
    }

    /// Spans that a collector took.
    pub fn exported(&self) -> u64 {
        self.counts.exported.total()
    }

    /// Spans that were given up.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.total() + self.counts.lost.total()
    }

    /// Attempts to export that failed.
    pub fn failed(&self) -> u64 {
        self.counts.failed.total()
    }
}

/// The one context that a request names: two of them contradict each other or pretend to.
fn named(headers: &HeaderMap) -> Option<Context> {
    let mut values = headers.get_all(TRACEPARENT).iter().map(HeaderValue::as_bytes);
    let (Some(one), None) = (values.next(), values.next()) else { return None };
    Context::parse(one)
}

#[cfg(test)]
mod tests;
