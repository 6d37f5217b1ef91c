//! HTTP on the admin socket: `POST /v1/command`, `POST /v1/backup`, `GET /healthz`, `GET /readyz`.

mod stream;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::stream::{Parts, Patience};
use super::{BackupRequest, Command, Door, Refusal, RefusalKind};
use crate::audit::{Origin, asked_by};

/// Connections at once; further ones wait in the listener's queue.
const CONNECTIONS: usize = 16;
/// Longest command, in bytes: a batch of users, with the sessions of the busiest.
const LONGEST: usize = 8 * 1024 * 1024;
/// For the head of a request, and again for its body.
const READING: Duration = Duration::from_secs(5);
/// For a whole connection: one command, hashing included; of a backup, for each part of it.
const WHOLE: Duration = Duration::from_secs(60);
/// For commands that are running when the end comes.
const DRAIN: Duration = Duration::from_secs(5);

type Answer = Response<Either<Full<Bytes>, Parts>>;

pub(super) async fn serve(
    listener: &UnixListener,
    owner: u32,
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
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((peer, _)) => {
                    if let Some(uid) = operator(&peer, owner) {
                        let talk = converse(peer, Arc::clone(door), closing.clone());
                        connections.spawn(asked_by(Origin::operator(uid), talk));
                    } else {
                        tracing::warn!("a stranger was refused at the admin socket");
                    }
                }
                // Out of file descriptors, as a rule: it passes.
                Err(error) => {
                    tracing::warn!(%error, "admin socket");
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

/// Whom the peer runs as, if that is as we do, or root. The file's mode says the same, as long
/// as nobody changes it.
fn operator(peer: &UnixStream, owner: u32) -> Option<u32> {
    let uid = peer.peer_cred().ok()?.uid();
    (uid == owner || uid == 0).then_some(uid)
}

async fn converse(peer: UnixStream, door: Arc<Door>, closing: CancellationToken) {
    let patience = Patience::new(WHOLE);
    let more = patience.clone();
    let service = service_fn(move |request| {
        let (door, patience) = (Arc::clone(&door), more.clone());
        async move { Ok::<_, Infallible>(answer(request, &door, patience).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READING)
        .keep_alive(false)
        .serve_connection(TokioIo::new(peer), service);
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

async fn answer(request: Request<Incoming>, door: &Door, patience: Patience) -> Answer {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => json(StatusCode::OK, &door.health()),
        (&Method::GET, "/readyz") => {
            let health = door.health();
            let ready = health.as_ref().is_some_and(|health| health.ready);
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            json(status, &health)
        }
        (&Method::POST, "/v1/command") => match run(request, door).await {
            Ok(reply) => json(StatusCode::OK, &reply),
            Err(refusal) => json(refusal.kind.status(), &refusal),
        },
        (&Method::POST, "/v1/backup") => match back_up(request, door).await {
            Ok(parts) => Response::new(Either::Right(Parts { parts, patience })),
            Err(refusal) => json(refusal.kind.status(), &refusal),
        },
        _ => {
            let refusal = bad_request(
                "there is `POST /v1/command`, `POST /v1/backup`, `GET /healthz`, `GET /readyz`",
            );
            json(StatusCode::NOT_FOUND, &refusal)
        }
    }
}

async fn run(request: Request<Incoming>, door: &Door) -> Result<super::Reply, Refusal> {
    let command: Command = read(request).await?;
    door.run(command).await
}

async fn back_up(
    request: Request<Incoming>,
    door: &Door,
) -> Result<mpsc::Receiver<Bytes>, Refusal> {
    let asked: BackupRequest = read(request).await?;
    door.back_up(asked).await
}

/// What was asked for.
async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), LONGEST).collect();
    let body = timeout(READING, body).await;
    let body = body.map_err(|_late| bad_request("the command came too slowly"))?;
    let body = body.map_err(|_| bad_request("the command is cut off, or longer than 8 MiB"))?;
    // Serde's words may quote the value, which may be a password: only the place is told.
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        bad_request(format!(
            "no command of this gateway (version {}), at column {}",
            env!("CARGO_PKG_VERSION"),
            error.column()
        ))
    })
}

fn bad_request(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, detail)
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Maps with text keys and numbers only: writing them cannot fail.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Either::Left(Full::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests;
