//! The signals that a gateway lives by.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::follow::Follower;
use super::manager;
use crate::tls::ServerTls;

/// The signals that end a gateway, and the one that has it read its file again.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whose files are read again at a hangup.
    pub(super) tls: Option<Arc<ServerTls>>,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { terminate, interrupt, hangup, tls: None })
    }

    /// Waits for one that ends the gateway, and reloads at each that asks for it.
    pub(super) async fn end(&mut self, follower: &Arc<Follower>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: the policy file is read again");
                    if let Some(tls) = &self.tls {
                        tls.read_again();
                    }
                    let follower = Arc::clone(follower);
                    manager::reloading();
                    tokio::task::spawn_blocking(move || {
                        follower.reread();
                        manager::ready();
                    });
                }
            }
        }
    }

    /// Waits for one that ends the process. What was handed over has no use for another policy.
    pub(super) async fn terminated(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {}
            }
        }
    }

    /// Ends the process at the next one that does so, without a farewell to whatever runs.
    pub(super) async fn end_at_once() {
        // What drains has no use for another policy.
        if let Ok(mut signals) = Self::listen() {
            signals.terminated().await;
            std::process::exit(1);
        }
    }
}
