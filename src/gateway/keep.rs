//! What a gateway does beside its requests.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Gateway;

/// How often sessions whose last token is dead are removed.
const SWEEP: Duration = Duration::from_secs(60 * 60);

impl Gateway {
    /// Does what is to be done beside requests where the connections are somebody else's: sends
    /// letters, removes dead sessions, fetches keys, hears of what other gateways change, looks after
    /// servers and memory. Never ends; dropped, it stops.
    pub async fn keep(&self) {
        let drain = CancellationToken::new();
        let _at_last = drain.clone().drop_guard();
        let _mail = self.send_mail(&drain);
        tokio::select! {
            () = self.keep_house() => {}
            () = self.census.keep_history(&**self.clock()) => {}
            () = self.tend() => {}
            () = self.ground.ears.hear() => {}
            () = self.ground.load.keep() => {}
        }
    }

    /// Sends mail until the drain, on this runtime: no worker waits for a mail server.
    pub(super) fn send_mail(&self, drain: &CancellationToken) -> JoinHandle<()> {
        let (mailer, drain) = (self.ground.accounts.mailer().cloned(), drain.clone());
        tokio::spawn(async move {
            if let Some(mailer) = mailer {
                mailer.work(drain).await;
            }
        })
    }

    /// Does what the plan in force wants done beside its requests. Never ends.
    pub(super) async fn tend(&self) {
        let mut changes = self.plans.changes();
        let mut plan = self.plans.current();
        let mut watch = Box::pin(plan.upstreams.watch());
        loop {
            let sessions = &plan.shared.sessions;
            tokio::select! {
                () = sessions.keep_keys() => {}
                () = sessions.keep_uses() => {}
                () = &mut watch => {}
                _ = changes.changed() => {}
            }
            plan = self.plans.current();
            // The checks of the next plan begin before those of the last one end: no server that
            // both have is unknown in between.
            watch = Box::pin(plan.upstreams.watch());
        }
    }

    /// Takes up new certificates. Never ends.
    pub(super) async fn keep_certificates(&self) {
        let Some(tls) = &self.tls else { return std::future::pending().await };
        let obtained = async {
            if let Some(acme) = &self.ground.acme {
                Box::pin(acme.keep(tls)).await;
            }
        };
        futures_util::future::join(tls.keep(self.clock()), obtained).await;
    }

    /// Removes dead sessions now and then. Never ends.
    pub(super) async fn keep_house(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            match self.sessions().sweep().await {
                Ok(count) => tracing::debug!(count, "dead sessions removed"),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot sweep sessions"
                    );
                }
            }
        }
    }
}
