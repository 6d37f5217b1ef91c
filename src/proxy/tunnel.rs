//! An open `WebSocket`: bytes both ways, until an end goes away, falls silent, or its caller may
//! not go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{self, HeaderMap};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::http1::Connection;
use super::lease::Lease;
use super::permit;
use crate::policy::Allow;
use crate::session::{AuthError, Authenticated, Sessions};
use crate::store::StoreError;
use crate::web::Traffic;

/// Bytes held of each direction.
const BUFFER: usize = 8 << 10;
/// How often it is asked whether the caller may go on.
const LOOK: Duration = Duration::from_secs(1);
/// How long one direction may outlive the other: for what was on its way.
const LINGER: Duration = Duration::from_secs(2);

/// Both ends of a tunnel that is about to open.
pub(super) struct Ends {
    pub(super) client: OnUpgrade,
    /// With its place at the upstream.
    pub(super) upstream: Lease,
}

/// Whose tunnel it is, and by what right it stays open.
pub(super) struct Watch {
    sessions: Arc<Sessions>,
    /// The credential, as it came.
    credential: HeaderMap,
    allow: Allow,
    user: String,
}

impl Ends {
    /// Runs the tunnel to its end. Dropped, it closes both sides.
    pub(super) async fn run(self, idle: Duration, watch: Option<Watch>, traffic: Arc<Traffic>) {
        let Self { client, mut upstream } = self;
        let pulse = Pulse { started: Instant::now(), last: AtomicU64::new(0) };
        let passing = async {
            let Ok(client) = client.await else { return };
            traffic.begun.store(true, Ordering::Relaxed);
            let upstream = &mut upstream.connection.http;
            if let Err(error) = pass(client, upstream, &traffic, &pulse).await {
                tracing::debug!(%error, "WebSocket broken off");
            }
        };
        let over = async {
            match watch {
                Some(watch) => watch.lost().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = passing => {}
            () = pulse.silent(idle) => tracing::debug!("silent WebSocket closed"),
            () = over => tracing::debug!("WebSocket closed: its caller may not go on"),
        }
    }
}

impl Watch {
    pub(super) fn new(
        sessions: &Arc<Sessions>,
        headers: &HeaderMap,
        allow: &Allow,
        caller: &Authenticated,
    ) -> Self {
        let mut credential = HeaderMap::new();
        for value in headers.get_all(header::AUTHORIZATION) {
            credential.append(header::AUTHORIZATION, value.clone());
        }
        let user = caller.identity.user_id.clone();
        Self { sessions: Arc::clone(sessions), credential, allow: allow.clone(), user }
    }

    /// Ends when a request of the same caller would be refused.
    async fn lost(&self) {
        loop {
            sleep(LOOK).await;
            if !self.holds().await {
                return;
            }
        }
    }

    /// A look-up in memory, unless something about the caller changed since.
    async fn holds(&self) -> bool {
        match self.sessions.authenticate(&self.credential).await {
            Ok(Some(caller)) => {
                caller.identity.user_id == self.user && permit(&self.allow, Some(&caller)).is_ok()
            }
            Ok(None) => false,
            Err(error) => tells_nothing(&error),
        }
    }
}

/// Whether nothing was learnt of the caller: what was true a moment ago stands until the next
/// look. A record that cannot be read will not be readable then either.
const fn tells_nothing(error: &AuthError) -> bool {
    matches!(error, AuthError::Store(StoreError::Unavailable(_)) | AuthError::Keys(_))
}

/// When bytes went through last.
struct Pulse {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Ends when nothing went through for that long.
    async fn silent(&self, idle: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let deadline = self.started + last + idle;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// Passes bytes both ways. An end of one direction is passed on at once; the other may bring
/// what was on its way, such as the answer to a close frame.
async fn pass(
    client: Upgraded,
    upstream: &mut Connection,
    traffic: &Traffic,
    pulse: &Pulse,
) -> io::Result<()> {
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_upstream, to_upstream) = split(upstream);
    let up = pump(from_client, to_upstream, &traffic.received, pulse);
    let down = pump(from_upstream, to_client, &traffic.sent, pulse);
    tokio::pin!(up, down);
    let other = tokio::select! {
        ended = &mut up => {
            ended?;
            timeout(LINGER, down).await
        }
        ended = &mut down => {
            ended?;
            timeout(LINGER, up).await
        }
    };
    other.unwrap_or(Ok(()))
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
    pulse: &Pulse,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        buffer.clear();
        let read = (&mut from).take(BUFFER as u64).read_buf(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        pulse.beat();
        to.write_all(&buffer).await?;
        to.flush().await?;
        count.fetch_add(read as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenError;

    #[test]
    fn a_tunnel_outlives_a_store_that_cannot_answer_and_no_refusal() {
        assert!(tells_nothing(&StoreError::Unavailable("no disk".into()).into()));
        for refusal in [
            AuthError::Token(TokenError::Expired),
            AuthError::UserNotFound,
            AuthError::UserInactive,
            AuthError::PasswordChanged,
            AuthError::Revoked,
            AuthError::UnknownKey,
            AuthError::KeyUserInactive,
        ] {
            assert!(!tells_nothing(&refusal), "{refusal}");
        }
    }
}
