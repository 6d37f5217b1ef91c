//! A stream that leaves HTTP for a `WebSocket` (RFC 8441).

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::stream::Closing;
use super::streams::Streams;
use crate::server::connection::Drain;
use crate::web::{Takeover, Upgradable};

/// A stream that may be taken over.
pub(super) struct Tunnel {
    gone: CancellationToken,
    drain: Drain,
}

/// What is sent on a stream that was taken over. hyper has a task of its own for that, where
/// bytes wait for the client's window.
pub(super) struct Line {
    /// Cancels when that task ends, however it does.
    _gone: DropGuard,
    /// Nothing more is to be sent than what waits.
    over: CancellationToken,
    /// The connection is not idle.
    _open: Closing,
}

impl Tunnel {
    /// Lets the stream of an extended CONNECT be taken over.
    pub(super) fn offer<B>(request: &mut Request<B>, drain: &Drain) -> Option<Box<Self>> {
        if request.method() != Method::CONNECT {
            return None;
        }
        let extensions = request.extensions_mut();
        let upgrade = extensions.remove::<OnUpgrade>()?;
        extensions.get::<Protocol>()?;
        let gone = CancellationToken::new();
        extensions.insert(Upgradable::Stream { upgrade, gone: gone.clone() });
        Some(Box::new(Self { gone, drain: drain.clone() }))
    }

    /// Begins with that as soon as hyper has sent the response. To be called right before the
    /// response is given to it.
    pub(super) fn begin(self, takeover: Takeover, streams: &Arc<Streams>) {
        let Self { gone, drain } = self;
        let over = CancellationToken::new();
        Streams::tunnel(Line {
            _gone: gone.drop_guard(),
            over: over.clone(),
            _open: Closing::begin(streams),
        });
        let (counted, open) = (drain.counted(), Closing::begin(streams));
        let finished = streams.finished();
        let over = over.drop_guard();
        tokio::spawn(async move {
            let _counted = counted;
            drain.bound(&takeover).await;
            drop((over, open));
            drain.let_end(&finished).await;
        });
    }
}

impl Line {
    /// Sends by `task`; what is left at the end of the tunnel not for longer than `patience`.
    pub(super) async fn send(self, task: impl Future<Output = ()>, patience: Duration) {
        let late = async {
            self.over.cancelled().await;
            sleep(patience).await;
        };
        tokio::select! {
            () = task => {}
            () = late => {}
        }
    }
}
