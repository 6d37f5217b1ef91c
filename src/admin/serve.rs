//! Who comes in at the operator's door, and how long they may stay.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Door;
use super::answer::{Pass, answer};
use super::stream::Patience;
use crate::audit::{Origin, asked_by};

/// Connections at once; further ones wait in the listener's queue. Those that follow the feed stay,
/// and there are at most [`FOLLOWERS`](super::feed::FOLLOWERS) of them.
const CONNECTIONS: usize = super::feed::FOLLOWERS + 32;
/// For the head of a request, and again for its body.
pub(super) const READING: Duration = Duration::from_secs(5);
/// For a whole connection: one command, hashing included; of a backup, for each part of it.
const WHOLE: Duration = Duration::from_secs(60);
/// For commands that are running when the end comes.
const DRAIN: Duration = Duration::from_secs(5);

/// A way in.
pub(super) trait Entrance {
    /// Its connections.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next one to come in; `None` if it was sent away.
    fn next(&self) -> impl Future<Output = io::Result<Option<(Self::Stream, Visitor)>>> + Send;
}

/// Somebody who comes in.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) origin: Origin,
    pub(super) pass: Pass,
}

pub(super) async fn serve(
    entrance: &impl Entrance,
    door: &Arc<Door>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut connections = JoinSet::new();
    let closing = CancellationToken::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            next = entrance.next(), if connections.len() < CONNECTIONS => match next {
                Ok(Some((stream, Visitor { origin, pass }))) => {
                    let talk = converse(stream, pass, Arc::clone(door), closing.clone());
                    connections.spawn(asked_by(origin, talk));
                }
                Ok(None) => {}
                // Out of file descriptors, as a rule: it passes.
                Err(error) => {
                    tracing::warn!(%error, "admin door");
                    sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    // Who has asked for nothing yet does not hold up the end; what runs may go on for a while,
    // and is then cut off with the set.
    closing.cancel();
    drop(timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await);
}

async fn converse<S>(stream: S, pass: Pass, door: Arc<Door>, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pass = Arc::new(pass);
    let patience = Patience::new(WHOLE);
    let (more, over) = (patience.clone(), closing.clone());
    let service = service_fn(move |request| {
        let (door, pass, patience) = (Arc::clone(&door), Arc::clone(&pass), more.clone());
        let over = over.clone();
        async move { Ok::<_, Infallible>(answer(request, &door, &pass, patience, &over).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READING)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let whole = async {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await
    };
    match patience.over(whole).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "admin connection"),
        None => tracing::debug!("admin connection cut off"),
    }
}

#[cfg(test)]
mod tests;
