//! The ways in for operators, while a gateway runs.

use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::out::Out;
use crate::admin::{AdminListener, AdminSettings, AdminSocket, Door};

/// The admin socket, and the listener if one is asked for.
#[derive(Debug)]
pub(super) struct Doors {
    socket: AdminSocket,
    listener: Option<AdminListener>,
}

/// Those that are open.
#[derive(Debug)]
pub(super) struct OpenDoors {
    serving: JoinSet<()>,
    closing: CancellationToken,
}

impl Doors {
    pub(super) async fn bind(settings: AdminSettings) -> anyhow::Result<Self> {
        let socket = AdminSocket::bind(&settings.socket).await?;
        let listener = match settings.tcp {
            Some(tcp) => Some(AdminListener::bind(tcp).await?),
            None => None,
        };
        Ok(Self { socket, listener })
    }

    /// Lets operators in from now on.
    pub(super) fn open(self, door: Arc<Door>, out: &mut Out) -> anyhow::Result<OpenDoors> {
        let closing = CancellationToken::new();
        let mut serving = JoinSet::new();
        if let Some(listener) = self.listener {
            out.line(format_args!("operators at http://{}", listener.addr()))?;
            serving.spawn(listener.serve(Arc::clone(&door), closing.clone().cancelled_owned()));
        }
        serving.spawn(self.socket.serve(door, closing.clone().cancelled_owned()));
        Ok(OpenDoors { serving, closing })
    }
}

impl OpenDoors {
    /// Lets nobody in any more, and waits for what runs.
    pub(super) async fn close(mut self) -> Result<(), JoinError> {
        self.closing.cancel();
        while let Some(ended) = self.serving.join_next().await {
            ended?;
        }
        Ok(())
    }
}
