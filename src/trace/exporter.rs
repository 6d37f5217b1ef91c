//! Brings spans to a collector, beside the requests: in batches, again where it may help, and never
//! in anybody's way.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::TraceSettings;
use super::message::{self, Anchor, Resource};
use super::span::Span;
use super::tracer::Counts;
use crate::causes::chain;
use crate::clock::Clock;
use crate::outbound;

/// Most spans of a batch.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// The wait before a batch is sent once more; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Most bytes of an answer, and of its head.
const LARGEST: usize = 64 * 1024;

/// What brings the spans of one gateway to the collector.
pub struct Exporter {
    settings: TraceSettings,
    resource: Resource,
    spans: mpsc::Receiver<Span>,
    batch: Vec<Span>,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    /// Whether the last attempt failed, and that was said.
    is_told: bool,
    /// When it was said last.
    told: Option<Instant>,
}

/// Why a batch was not taken. `Display` and `source()` are for the log.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("not connected")]
    Connect(#[source] std::io::Error),
    #[error("broken off")]
    Http(#[from] hyper::Error),
    #[error("broken off, or larger than 64 KiB")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("answered {status}")]
    Status { status: StatusCode, wait: Option<Duration> },
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("{count} of {of} spans were not taken: {why:?}")]
    Partial { count: u64, of: usize, why: String },
}

impl Exporter {
    pub(super) fn new(
        settings: TraceSettings,
        spans: mpsc::Receiver<Span>,
        counts: Arc<Counts>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let resource = Resource::new(&settings.service);
        let batch = Vec::with_capacity(BATCH);
        Self { settings, resource, spans, batch, counts, clock, is_told: false, told: None }
    }

    /// Exports until `stop`, or until there is no tracer any more; then what is left, as far as the
    /// collector takes it in time. Dropped, it leaves what was not sent.
    pub async fn run(mut self, stop: CancellationToken) {
        let limit = self.settings.timeout;
        let late = async {
            stop.cancelled().await;
            sleep(limit).await;
        };
        let in_time = tokio::select! {
            () = self.work(&stop) => true,
            () = late => false,
        };
        // Nothing comes any more, but there may be some that came.
        self.spans.close();
        let mut left = std::mem::take(&mut self.batch).len();
        while self.spans.try_recv().is_ok() {
            left += 1;
        }
        if left > 0 {
            self.counts.lost.add(u64::try_from(left).unwrap_or(u64::MAX));
            let why = if in_time { "they were not taken" } else { "there was no time" };
            tracing::warn!(spans = left, why, "spans dropped at the end");
        }
    }

    async fn work(&mut self, stop: &CancellationToken) {
        // Who has no tracer any more waits for no collector either.
        let ended = CancellationToken::new();
        ended.cancel();
        loop {
            let goes_on = tokio::select! {
                () = stop.cancelled() => break,
                goes_on = self.gather() => goes_on,
            };
            let delivered = self.deliver(if goes_on { stop } else { &ended }).await;
            if !goes_on {
                return;
            }
            if !delivered {
                break;
            }
        }
        self.spans.close();
        loop {
            if !self.batch.is_empty() && !self.deliver(stop).await {
                return;
            }
            if self.spans.recv_many(&mut self.batch, BATCH).await == 0 {
                return;
            }
        }
    }

    /// Fills the batch; false if nobody sends spans any more. Dropped, it leaves the batch as far
    /// as it came.
    async fn gather(&mut self) -> bool {
        if self.batch.is_empty() && self.spans.recv_many(&mut self.batch, BATCH).await == 0 {
            return false;
        }
        let until = Instant::now() + GATHER;
        while let Some(room) = BATCH.checked_sub(self.batch.len()).filter(|room| *room > 0) {
            match timeout_at(until, self.spans.recv_many(&mut self.batch, room)).await {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_full_time) => return true,
            }
        }
        true
    }

    /// Sends the batch until it is taken, or given up; false if it was kept because the end came.
    async fn deliver(&mut self, stop: &CancellationToken) -> bool {
        let mut wait = FIRST_WAIT;
        while !self.batch.is_empty() {
            let sent = self.send().await;
            let spans = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
            match sent {
                Ok(()) => {
                    self.counts.exported.add(spans);
                    self.batch.clear();
                    self.is_well();
                }
                Err(error) => {
                    self.counts.failed.count();
                    self.has_failed(&error);
                    if let Some(lost) = error.costs(spans) {
                        self.counts.exported.add(spans - lost);
                        self.counts.lost.add(lost);
                        self.batch.clear();
                        continue;
                    }
                    let told = error.wait().unwrap_or_default();
                    tokio::select! {
                        () = sleep(wait.max(told)) => {}
                        () = stop.cancelled() => return false,
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
        true
    }

    /// Says so once, until a batch is taken; and not once more within a minute, where one is taken
    /// and the next is not.
    fn has_failed(&mut self, error: &ExportError) {
        const QUIET: Duration = Duration::from_secs(60);
        if !self.is_told && self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            (self.is_told, self.told) = (true, Some(Instant::now()));
            tracing::warn!(
                error = chain(error),
                "the collector does not take spans; nothing more is said of it until it does"
            );
        }
    }

    fn is_well(&mut self) {
        if std::mem::take(&mut self.is_told) {
            tracing::info!("the collector takes spans again");
        }
    }

    async fn send(&self) -> Result<(), ExportError> {
        let limit = self.settings.timeout;
        let sent = timeout(limit, self.exchange()).await;
        sent.unwrap_or(Err(ExportError::Late(limit)))
    }

    async fn exchange(&self) -> Result<(), ExportError> {
        let TraceSettings { collector, tls, .. } = &self.settings;
        let stream = TcpStream::connect((collector.host.as_str(), collector.port)).await;
        let stream = stream.map_err(ExportError::Connect)?;
        let answer = if let Some(tls) = tls {
            let stream = tls.connect(&collector.host, stream).await;
            outbound::ask(stream.map_err(ExportError::Connect)?, self.request(), LARGEST).await?
        } else {
            outbound::ask(stream, self.request(), LARGEST).await?
        };
        let status = answer.head.status;
        if !status.is_success() {
            return Err(ExportError::Status { status, wait: retry_after(&answer.head.headers) });
        }
        let answer = answer.whole(LARGEST).await.map_err(ExportError::Body)?;
        let partial = message::answer(answer.body());
        match u64::try_from(partial.rejected_spans) {
            Ok(count @ 1..) => {
                let why = partial.error_message.chars().take(200).collect();
                Err(ExportError::Partial { count, of: self.batch.len(), why })
            }
            Ok(0) | Err(_) => Ok(()),
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let now = Anchor { instant: std::time::Instant::now(), epoch: self.clock.since_epoch() };
        let body = message::request(&self.batch, &self.resource, now);
        let TraceSettings { collector, headers: more, .. } = &self.settings;
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = collector.target.clone().into();
        let headers = request.headers_mut();
        headers.extend(more.iter().cloned());
        headers.insert(header::HOST, collector.authority.clone());
        let form = HeaderValue::from_static("application/x-protobuf");
        headers.insert(header::CONTENT_TYPE, form);
        request
    }
}

impl ExportError {
    /// How many of a batch of `spans` are lost by it; `None` if the same batch may be taken later
    /// (OTLP 1.0, "Retryable Response Codes"). One that was looked at and is not liked never will.
    fn costs(&self, spans: u64) -> Option<u64> {
        const PASSING: [StatusCode; 4] = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        match self {
            Self::Connect(_) | Self::Http(_) | Self::Body(_) | Self::Late(_) => None,
            Self::Status { status, .. } => (!PASSING.contains(status)).then_some(spans),
            Self::Partial { count, .. } => Some((*count).min(spans)),
        }
    }

    /// How long the collector wants to be left alone.
    const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            Self::Connect(_)
            | Self::Http(_)
            | Self::Body(_)
            | Self::Late(_)
            | Self::Partial { .. } => None,
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3), within reason: a mistake of the collector's
/// shall not shut it out for ever.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(5 * 60);
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
