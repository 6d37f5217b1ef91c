//! As the one sees it that comes.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::words::{Word, hear, say, unexpected};
use super::{PATH, PROTOCOL, TakeOverError, files};
use crate::admin::client::connect;
use crate::admin::{ClientError, Refusal};
use crate::token::Bumped;

/// For the handshake, and for the sockets.
const ANSWERING: Duration = Duration::from_secs(10);

/// For a gateway to let go of its store: requests that need it may last as long as a drain.
const LETTING_GO: Duration = Duration::from_secs(600);

/// Longest refusal, in bytes.
const LONGEST: usize = 64 * 1024;

/// The gateway whose place is taken.
#[derive(Debug)]
pub struct Incumbent {
    stream: UnixStream,
    path: PathBuf,
}

impl Incumbent {
    /// Asks the gateway at that admin socket for its place. It goes on as it was; its listening
    /// sockets come along. `None` if no gateway runs there.
    ///
    /// # Errors
    ///
    /// [`TakeOverError`]: show it to the operator; the other one goes on.
    pub async fn ask(path: &Path) -> Result<Option<(Self, Vec<OwnedFd>)>, TakeOverError> {
        let stream = match connect(path).await {
            Ok(stream) => stream,
            Err(ClientError::NotRunning(_)) => return Ok(None),
            Err(error) => {
                return Err(TakeOverError::Io {
                    path: path.to_owned(),
                    source: io::Error::other(error),
                });
            }
        };
        let asked = timeout(ANSWERING, asked(stream, path)).await;
        let mut stream = asked.map_err(|late| failed(path, late))??;
        let receiving = timeout(ANSWERING, async {
            say(&mut stream, Word::Hello).await?;
            let heard = hear(&mut stream).await?;
            let Word::Sockets { count } = heard else { return Err(unexpected(&heard)) };
            files::receive(&stream, count).await
        });
        match receiving.await.unwrap_or_else(|late| Err(late.into())) {
            Ok(sockets) => Ok(Some((Self { stream, path: path.to_owned() }, sockets))),
            // The other side of a closed connection: somebody else was first.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let reason = "it is giving way to another process, or ends".to_owned();
                Err(TakeOverError::Refused { path: path.to_owned(), reason })
            }
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Has it accept no more, and let go of its store: until [`serving`](Self::serving), clients
    /// wait. Dropped before that, it starts again. What comes back is what the store's file was
    /// like when it was let go of, in the other one's words.
    ///
    /// # Errors
    ///
    /// [`TakeOverError::Io`]: it goes on, or is gone.
    pub async fn let_go(&mut self) -> Result<String, TakeOverError> {
        let stream = &mut self.stream;
        let letting_go = timeout(LETTING_GO, async {
            say(stream, Word::LetGo).await?;
            let heard = hear(stream).await?;
            let Word::Free { store } = heard else { return Err(unexpected(&heard)) };
            Ok(store)
        });
        letting_go.await.unwrap_or_else(|late| Err(late.into())).map_err(|e| failed(&self.path, e))
    }

    /// Tells it that somebody serves again.
    ///
    /// # Errors
    ///
    /// [`TakeOverError::Io`]: it is gone, with what was live there.
    pub async fn serving(&mut self) -> Result<(), TakeOverError> {
        say(&mut self.stream, Word::Serving).await.map_err(|error| failed(&self.path, error))
    }

    /// Tells it of each change, until nothing is live there any more. `missed`: there were some that
    /// nobody knows.
    pub async fn keep_told(self, missed: bool, mut changes: Receiver<Bumped>) {
        let mut stream = self.stream;
        if missed && say(&mut stream, Word::Everybody).await.is_err() {
            return;
        }
        loop {
            let bumped = tokio::select! {
                // It has nothing more to say: that is its end.
                _end = stream.read_u8() => return,
                heard = changes.recv() => match heard {
                    Ok(bumped) => bumped,
                    Err(RecvError::Lagged(_)) => Bumped::Everybody,
                    Err(RecvError::Closed) => return,
                },
            };
            if say(&mut stream, bumped.into()).await.is_err() {
                return;
            }
        }
    }
}

fn failed(path: &Path, source: impl Into<io::Error>) -> TakeOverError {
    TakeOverError::Io { path: path.to_owned(), source: source.into() }
}

async fn asked(stream: UnixStream, path: &Path) -> Result<UnixStream, TakeOverError> {
    let broken = |error: hyper::Error| failed(path, io::Error::other(error));
    let request = Request::post(PATH)
        .header(HOST, "portcullis")
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, PROTOCOL)
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(path, io::Error::other(error)))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        let refusal = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        let said = refusal.map(|refusal: Refusal| refusal.detail);
        let reason = said.unwrap_or_else(|| format!("it answers {status}"));
        return Err(TakeOverError::Refused { path: path.to_owned(), reason });
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
        // Read along with the head of the answer: the files that come next would be lost.
        Ok(_) | Err(_) => Err(failed(path, io::Error::other("it spoke too soon"))),
    }
}
