//! The other end of the admin socket.

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{BackupRequest, Command, LONGEST_PATH, Refusal, Reply};

/// Longest wait for a connection.
const CONNECTING: Duration = Duration::from_secs(5);
/// Longest wait for the reply to a command. The gateway's own deadline is shorter by far.
const REPLYING: Duration = Duration::from_secs(90);
/// Longest reply, in bytes.
const LONGEST: usize = 16 << 20;

/// Why a command has no reply. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody is there: no gateway runs with this socket.
    #[error("{}: no gateway answers at this admin socket", .0.display())]
    NotRunning(PathBuf),
    /// Somebody is there, but we may not speak to them; run as the gateway's user, or as root.
    #[error("{}: cannot speak to the gateway: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The gateway gave no reply; the command may have had its effect.
    #[error("{}: the gateway gave no reply", .0.display())]
    NoReply(PathBuf),
    /// The gateway understood, and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// A connection to a running gateway, for one command.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
}

impl Client {
    /// Connects to the admin socket of a running gateway.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotRunning`]: the store may be opened directly. Otherwise
    /// [`ClientError::Io`].
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = connect(path).await?;
        Ok(Self { stream, path: path.to_owned() })
    }

    /// Sends the command and waits for what comes of it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] as the door says; [`ClientError::NoReply`] if nobody knows.
    pub async fn send(self, command: &Command) -> Result<Reply, ClientError> {
        let Self { stream, path } = self;
        let none = || ClientError::NoReply(path.clone());
        // It may hold a password: wiped when the connection has let go of it.
        let command = Zeroizing::new(serde_json::to_vec(command).map_err(|_| none())?);
        let exchange = exchange(stream, Bytes::from_owner(command));
        let (status, body) =
            timeout(REPLYING, exchange).await.map_err(|_late| none())?.ok_or_else(none)?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| none());
        }
        let refusal: Refusal = serde_json::from_slice(&body).map_err(|_| none())?;
        Err(refusal.into())
    }

    /// Asks for a backup, whose bytes come part by part. Where they end too early, the backup has
    /// no end.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn back_up(
        self,
        asked: &BackupRequest,
    ) -> Result<mpsc::Receiver<Bytes>, ClientError> {
        let Self { stream, path } = self;
        let none = || ClientError::NoReply(path.clone());
        let asked = serde_json::to_vec(asked).map_err(|_| none())?;
        let begun = timeout(REPLYING, begin(stream, "/v1/backup", asked.into())).await;
        let mut response = begun.map_err(|_late| none())?.ok_or_else(none)?;
        if response.status() != StatusCode::OK {
            let body = Limited::new(response.into_body(), LONGEST).collect();
            let body = timeout(REPLYING, body).await.map_err(|_late| none())?;
            let body = body.map_err(|_| none())?.to_bytes();
            let refusal: Refusal = serde_json::from_slice(&body).map_err(|_| none())?;
            return Err(refusal.into());
        }
        let (sender, parts) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Ok(Some(Ok(frame))) = timeout(REPLYING, response.frame()).await {
                let Ok(part) = frame.into_data() else { continue };
                if sender.send(part).await.is_err() {
                    break;
                }
            }
        });
        Ok(parts)
    }
}

/// A connection to the admin socket of a running gateway; [`ClientError::NotRunning`] if nobody is
/// there.
pub(super) async fn connect(path: &Path) -> Result<UnixStream, ClientError> {
    let nobody = || ClientError::NotRunning(path.to_owned());
    // No gateway could have bound such a path.
    if path.as_os_str().as_bytes().len() > LONGEST_PATH {
        return Err(nobody());
    }
    let connected = timeout(CONNECTING, UnixStream::connect(path)).await;
    let connected = connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    match connected {
        Ok(stream) => Ok(stream),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            Err(nobody())
        }
        Err(source) => Err(ClientError::Io { path: path.to_owned(), source }),
    }
}

async fn exchange(stream: UnixStream, command: Bytes) -> Option<(StatusCode, Bytes)> {
    let response = begin(stream, "/v1/command", command).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST).collect().await.ok()?;
    Some((status, body.to_bytes()))
}

/// Sends a request, and has its connection go on by itself.
async fn begin(stream: UnixStream, path: &str, body: Bytes) -> Option<Response<Incoming>> {
    let request = Request::post(path)
        .header(HOST, "portcullis")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    sender.send_request(request).await.ok()
}
