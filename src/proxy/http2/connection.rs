//! One HTTP/2 connection to a server: how it opens, and what keeps it going until it ends.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep_until};

use super::channels::{Channels, Load};
use crate::proxy::UpstreamSettings;
use crate::proxy::connect::{Stream, connect};
use crate::proxy::resolver::Peer;
use crate::proxy::upstream::Server;

/// Bytes of one response that may wait for its client.
const WINDOW: u32 = 256 << 10;
/// Bytes of all of them: so many that clients that do not read theirs never stop the others.
const WINDOWS: u32 = 256 << 20;
/// Memory for what many small pieces cost beside their bytes.
const PIECES: usize = 16 << 20;
/// Largest response head, as HTTP/2 counts (RFC 9113 section 6.5.2).
const HEAD: u32 = 64 << 10;
/// How often a connection in use is asked for a sign of life.
const ASK: Duration = Duration::from_secs(20);
/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How often an unused connection is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why a connection is no HTTP/2 connection, for the log.
#[derive(Debug, thiserror::Error)]
enum Opening {
    #[error("the server does not speak HTTP/2; remove `h2` if it speaks HTTP/1.1 only")]
    OtherProtocol(#[source] h2::Error),
    #[error("the server closed the connection instead of opening it in HTTP/2")]
    Closed,
}

/// A connection that takes requests.
pub(super) struct Opened {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) connection: Connection<Stream, Bytes>,
    /// Where it leads, if by TCP.
    pub(super) peer: Option<Peer>,
}

/// Connects to a server and waits for its first word, which says how many requests it takes.
pub(super) async fn open(settings: &UpstreamSettings, server: &Server) -> io::Result<Opened> {
    let stream = connect(settings, server).await?;
    let peer = stream.peer()?;
    let (sender, mut connection) = Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOWS)
        .data_frame_budget(PIECES)
        .max_header_list_size(HEAD)
        .enable_push(false)
        // None before it has said how many.
        .initial_max_send_streams(0)
        .handshake(stream)
        .await
        .map_err(io::Error::other)?;
    poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(Opening::Closed)),
        Poll::Ready(Err(error)) if error.is_io() => Poll::Ready(Err(Opening::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(Opening::OtherProtocol(error))),
        Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await
    .map_err(io::Error::other)?;
    Ok(Opened { sender, connection, peer })
}

/// A connection, and what is known of it elsewhere.
pub(super) struct Watched {
    pub(super) channels: Weak<Channels>,
    pub(super) load: Arc<Load>,
    pub(super) idle: Duration,
}

/// What a connection waits for beside its requests.
enum Vigil {
    /// Until it is asked for a sign of life, or found to be idle.
    Rest,
    /// The answer.
    Answer,
}

impl Watched {
    /// Runs the connection to its end. What is under way when it ends fails.
    pub(super) async fn drive(self, mut connection: Connection<Stream, Bytes>) {
        let pings = connection.ping_pong();
        let mut vigil = pin!(self.keep_vigil(pings));
        let ended = poll_fn(|cx| {
            if vigil.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            Pin::new(&mut connection).poll(cx).map(Some)
        })
        .await;
        self.load.close();
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "upstream connection ended"
                );
            }
            None => tracing::debug!("upstream connection shows no sign of life"),
        }
    }

    /// Ends when the other side is gone.
    async fn keep_vigil(&self, mut pings: Option<PingPong>) {
        let mut vigil = Vigil::Rest;
        let mut asked = Instant::now();
        let look = LOOK.min(self.idle.max(Duration::from_millis(10)));
        let mut next = Instant::now() + look;
        loop {
            let answered = poll_fn(|cx| match (&vigil, &mut pings) {
                (Vigil::Answer, Some(pings)) => pings.poll_pong(cx).map(|_| ()),
                _ => Poll::Pending,
            });
            tokio::select! {
                () = answered => {
                    vigil = Vigil::Rest;
                    next = Instant::now() + look;
                    continue;
                }
                () = sleep_until(next) => {}
            }
            if matches!(vigil, Vigil::Answer) {
                return;
            }
            next = Instant::now() + look;
            if self.load.requests() == 0 {
                if let Some(channels) = self.channels.upgrade() {
                    channels.retire(&self.load, self.idle);
                }
            } else if asked.elapsed() >= ASK
                && let Some(pings) = &mut pings
                && pings.send_ping(Ping::opaque()).is_ok()
            {
                asked = Instant::now();
                next = asked + ANSWER;
                vigil = Vigil::Answer;
            }
        }
    }
}
