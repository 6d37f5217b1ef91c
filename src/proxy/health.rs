//! Health checks: each server is asked again and again whether it is well, on a connection of its
//! own, so that no request has to find out.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::client::conn as client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{sleep, timeout};

use super::connect::{connect, is_ours};
use super::standing::Change;
use super::upstream::{Server, Upstream};
use super::{Address, HealthSettings, Rejection, UpstreamSettings, Upstreams, http2, resolver};
use crate::causes::chain;

/// Who asks.
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

impl Upstreams {
    /// Watches over the servers: asks those that want it whether they are well, and looks up the
    /// names of all again. Never ends; one for a gateway. Dropping this ends every look that is
    /// under way, and from then on requests find out which server is well, unless another watch
    /// over the same servers was there already.
    pub fn watch(&self) -> impl Future<Output = ()> + Send + use<> {
        let upstreams = self.0.clone();
        let checks = self.0.iter().map(|upstream| check(Arc::clone(upstream)));
        let checks = join_all(checks.collect::<Vec<_>>());
        async move {
            tokio::join!(checks, refresh(upstreams));
        }
    }
}

/// Looks up the names that are in use.
async fn refresh(upstreams: Vec<Arc<Upstream>>) {
    loop {
        sleep(resolver::BELIEVED).await;
        for server in upstreams.iter().flat_map(|upstream| &upstream.servers) {
            server.resolver.refresh();
        }
    }
}

fn check(upstream: Arc<Upstream>) -> impl Future<Output = ()> + Send {
    let checked = upstream.settings.health.is_some().then(|| Checked::begin(upstream));
    async move {
        let Some(Checked(upstream)) = &checked else { return };
        let Some(health) = &upstream.settings.health else { return };
        join_all(upstream.servers.iter().map(|server| watch(upstream, server, health))).await;
    }
}

/// As long as it lives, somebody does the checks.
struct Checked(Arc<Upstream>);

impl Checked {
    fn begin(upstream: Arc<Upstream>) -> Self {
        upstream.checked.fetch_add(1, Ordering::Relaxed);
        Self(upstream)
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        if self.0.checked.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        // Nobody would bring them back.
        for server in &self.0.servers {
            server.standing.well();
        }
    }
}

/// What was found in a row.
#[derive(Debug)]
struct Row {
    good: u32,
    bad: u32,
}

/// Asks one server, for ever.
async fn watch(upstream: &Upstream, server: &Server, health: &HealthSettings) {
    let name = &upstream.settings.name;
    // Nothing is known at the start, so that the first bad look counts for all.
    let mut row = Row { good: 0, bad: health.unhealthy.get().saturating_sub(1) };
    let jitter = || f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    sleep(health.interval.mul_f64(jitter() / 10.0)).await;
    loop {
        if let Some(found) = look(server, &upstream.settings, health).await {
            match (row.note(server, health, found.is_ok()), found) {
                (Change::Out, Err(cause)) => tracing::warn!(
                    upstream = %name, server = %server.address, cause,
                    "server of an upstream is not well and is passed over"
                ),
                (Change::In, _) => tracing::info!(
                    upstream = %name, server = %server.address,
                    "server of an upstream is well again"
                ),
                _ => {}
            }
        }
        sleep(health.interval.mul_f64(0.9 + jitter() / 5.0)).await;
    }
}

impl Row {
    fn note(&mut self, server: &Server, health: &HealthSettings, is_good: bool) -> Change {
        if !is_good {
            (self.good, self.bad) = (0, self.bad.saturating_add(1));
            let enough = self.bad >= health.unhealthy.get();
            return if enough { server.standing.unwell() } else { Change::None };
        }
        self.bad = 0;
        if server.standing.is_in() {
            self.good = 0;
            return Change::None;
        }
        self.good += 1;
        if self.good < health.healthy.get() {
            return Change::None;
        }
        self.good = 0;
        server.standing.well()
    }
}

/// One look: a connection, a request, the head of an answer. `None` where it came to nothing for
/// want of a file: that says nothing about the server.
async fn look(
    server: &Server,
    settings: &UpstreamSettings,
    health: &HealthSettings,
) -> Option<Result<(), String>> {
    Some(match timeout(health.timeout, ask(server, settings, health)).await {
        Ok(Ok(status)) if health.accepts(status) => Ok(()),
        Ok(Ok(status)) => Err(format!("status {}", status.as_u16())),
        Ok(Err(cause)) if is_ours(&*cause) => return None,
        Ok(Err(cause)) => Err(chain(&*cause)),
        Err(_late) => Err(format!("no answer in {:?}", health.timeout)),
    })
}

async fn ask(
    server: &Server,
    settings: &UpstreamSettings,
    health: &HealthSettings,
) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
    let stream = TokioIo::new(connect(settings, server).await?);
    let request = health.request(&server.address, settings.h2)?;
    if settings.h2 {
        let (mut sender, connection) =
            client::http2::handshake(TokioExecutor::new(), stream).await?;
        let answer = sender.send_request(request);
        return driven(connection, answer).await;
    }
    let (mut sender, connection) = client::http1::handshake(stream).await?;
    let answer = sender.send_request(request);
    driven(connection, answer).await
}

/// The answer's status, while the connection is driven beside it; dropping this closes it.
async fn driven<B>(
    connection: impl Future<Output = hyper::Result<()>>,
    answer: impl Future<Output = hyper::Result<Response<B>>>,
) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
    let connection = async {
        // The answer says how it ended.
        drop(connection.await);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => Ok(answer?.status()),
        () = connection => Err("the connection ended".into()),
    }
}

impl HealthSettings {
    /// What a server at that address is asked.
    pub(crate) fn request(
        &self,
        address: &Address,
        h2: bool,
    ) -> Result<Request<Empty<Bytes>>, Rejection> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone().into();
        let headers = request.headers_mut();
        headers.insert(header::HOST, address.host());
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        if !h2 {
            return Ok(request);
        }
        let (mut parts, body) = request.into_parts();
        http2::address(&mut parts, address)?;
        Ok(Request::from_parts(parts, body))
    }

    /// Whether an answer with that status is a good one.
    pub(crate) fn accepts(&self, status: StatusCode) -> bool {
        if self.status.is_empty() { status.is_success() } else { self.status.contains(&status) }
    }
}
