//! The rest of an upload whose answer has begun: it goes on beside it, and under the same rules.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::lease::Hold;
use super::progress::Progress;
use super::watch::{Watch, while_allowed};

/// An upload that goes on by itself. Dropped, it ends, and with it the stream or connection: the
/// answer broke off, or its client is gone.
pub(super) struct Aside(oneshot::Sender<()>);

impl Aside {
    /// Sends `rest` for as long as the caller may, and with `patience` for an upstream that has
    /// said all and takes no more.
    pub(super) fn send(
        rest: impl Future<Output = ()> + Send + 'static,
        hold: &Hold,
        patience: Duration,
        watch: Option<&Watch>,
    ) -> Self {
        let (answered, whole) = oneshot::channel();
        let (progress, watch) = (hold.progress().cloned(), watch.map(Watch::again));
        tokio::spawn(async move {
            let rest = async {
                rest.await;
                Ok(())
            };
            let over = async {
                if whole.await.is_ok() {
                    stalled(progress.as_deref(), patience).await;
                }
            };
            tokio::select! {
                sent = while_allowed(watch, || rest) => if let Err(lost) = sent {
                    tracing::debug!(code = lost.code(), "upload ended: its caller may not go on");
                },
                () = over => tracing::debug!("upload given up after its answer"),
            }
        });
        Self(answered)
    }

    /// The answer is whole: the upload may outlive it.
    pub(super) fn let_go(self) {
        // It may be over as well.
        let _is_over = self.0.send(());
    }
}

/// Ends when the upstream has taken nothing for that long, though there was something to take.
async fn stalled(progress: Option<&Progress>, patience: Duration) {
    let mut deadline = Instant::now() + patience;
    loop {
        sleep_until(deadline).await;
        match progress.map(|progress| progress.waiting_since() + patience) {
            Some(later) if later > Instant::now() => deadline = later,
            _ => return,
        }
    }
}
