//! One gateway takes the place of another: with its listeners, and then with its store, while
//! clients wait in the listeners' queues.
//!
//! Both talk over a connection to the admin socket of the one that is there. It hands its sockets
//! over and goes on; when it is told to, it accepts no more, lets go of its store and says that it
//! is free. From the moment that the other one serves, it hears of each change about users, and
//! ends what they have open with it.

mod files;
mod incumbent;
mod successor;
mod words;

use std::io;
use std::path::PathBuf;

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::answer::Pass;
use super::{Door, Refusal, RefusalKind};

pub use incumbent::Incumbent;
pub use successor::Successor;

/// What is spoken after the handshake, and its version.
const PROTOCOL: &str = "portcullis-take-over/1";

/// Where it is asked for.
pub(super) const PATH: &str = "/v1/take-over";

/// Why one gateway does not take the place of another. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// The connection to the running gateway failed. It goes on as it was, unless it had let go of
    /// its store: then it starts again by itself.
    #[error("{}: the gateway there and this one could not come to terms", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// It does not hand over: it is of another version, drains, or is giving way to another
    /// process already. Wait, or stop it.
    #[error("{}: the gateway there does not hand over: {reason}", .path.display())]
    Refused {
        /// The socket.
        path: PathBuf,
        /// What it says.
        reason: String,
    },
}

/// Answers who asks for this gateway's place, and has the connection given to whoever waits for it.
///
/// # Errors
///
/// A [`Refusal`] where there is nobody, or where files cannot come through.
pub(super) fn begin<B>(
    request: &mut Request<Incoming>,
    door: &Door,
    pass: &Pass,
    body: B,
) -> Result<Response<B>, Refusal> {
    if let Pass::Token { .. } = pass {
        let detail = "a gateway hands over at its unix socket alone";
        return Err(Refusal::new(RefusalKind::Forbidden, detail));
    }
    let asked = request.headers().get(UPGRADE).map(HeaderValue::as_bytes);
    if asked != Some(PROTOCOL.as_bytes()) {
        let detail = format!(
            "this gateway (version {}) speaks `Upgrade: {PROTOCOL}`; stop it, and start the other \
             one",
            env!("CARGO_PKG_VERSION")
        );
        return Err(Refusal::new(RefusalKind::BadRequest, detail));
    }
    let heirs = door.heirs().ok_or_else(|| {
        Refusal::new(RefusalKind::Unavailable, "no gateway runs here that could hand over")
    })?;
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        match upgraded.downcast::<TokioIo<UnixStream>>() {
            // It says nothing before it is told something.
            Ok(parts) if parts.read_buf.is_empty() => heirs(parts.io.into_inner()),
            Ok(_) | Err(_) => tracing::warn!("who asked for this gateway's place spoke too soon"),
        }
    });
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}
