//! The connection by which the database says that something has changed, where it can.
//!
//! It is one of its own, for who listens keeps it, and has to lead to the server itself: a pool that hands
//! connections on takes what is said on it for somebody else's. Whether it does is tried, not assumed.
//! Nothing hangs on it: without it, changes are found a second later.

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use super::events;
use super::failure::told;
use super::link::{Direct, Link, Mode, NOTIFY, random_part};
use super::threads::Threads;
use crate::store::StoreError;

const LISTEN: &str = "LISTEN portcullis";

/// How long the answer to the trial may take.
const TRIAL: Duration = Duration::from_secs(5);

/// How long after it was lost it is opened again at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Hears when something has changed. Dropped, it is closed.
pub(super) struct Waker {
    changed: Arc<Notify>,
    task: AbortHandle,
}

/// Why nobody is woken.
#[derive(Debug, thiserror::Error)]
enum Deaf {
    #[error("the connection was lost")]
    Lost,
    #[error("the database said no")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    #[error("what is said does not come through, as behind a pool that hands connections on")]
    Silent,
}

impl Waker {
    pub(super) fn start(threads: &Threads) -> Result<Self, StoreError> {
        let changed = Arc::new(Notify::new());
        let trial = events::draw()?;
        let (told, link) = (Arc::clone(&changed), threads.link().clone());
        let task = threads.spawn(listen(link, trial, told))?;
        Ok(Self { changed, task })
    }

    /// Waits until something has changed since it was last asked.
    pub(super) async fn woken(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens for ever, and opens the connection again where it was lost.
async fn listen(link: Link, trial: i64, changed: Arc<Notify>) {
    let (mut pause, mut said) = (FIRST, None);
    loop {
        let mut heard = Heard { trial: trial.to_string(), changed: &changed, tried: false };
        let deaf = heard.listen(&link).await;
        if heard.tried {
            (pause, said) = (FIRST, None);
        }
        // Once, until it is another cause.
        if said.replace(deaf.to_string()) != Some(deaf.to_string()) {
            let error = &deaf as &dyn Error;
            tracing::warn!(
                error,
                "the database does not wake this gateway; it looks for changes each second"
            );
        }
        sleep(pause.mul_f64(random_part().mul_add(0.5, 0.5))).await;
        pause = pause.saturating_mul(2).min(LONGEST);
    }
}

/// One connection that listens.
struct Heard<'a> {
    trial: String,
    changed: &'a Notify,
    /// What is said elsewhere comes through.
    tried: bool,
}

impl Heard<'_> {
    async fn listen(&mut self, link: &Link) -> Deaf {
        let Direct { config, tls } = &*link.direct;
        let refused = |error| Deaf::Refused(told(error));
        match tls {
            Some(tls) => match config.connect(tls.clone()).await {
                Ok((client, connection)) => self.attend(link, &client, connection).await,
                Err(error) => refused(error),
            },
            None => match config.connect(NoTls).await {
                Ok((client, connection)) => self.attend(link, &client, connection).await,
                Err(error) => refused(error),
            },
        }
    }

    async fn attend<S, T>(
        &mut self,
        link: &Link,
        client: &Client,
        mut connection: Connection<S, T>,
    ) -> Deaf
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        // By the way that changes take, whatever stands there.
        let trial = format!("{NOTIFY}, '{}'", self.trial);
        let asked = async {
            client.batch_execute(LISTEN).await.map_err(|error| Deaf::Refused(told(error)))?;
            let said = link.call(Mode::Statement, &trial, |conn, trial| {
                Box::pin(async move { Ok(conn.commands(trial).await?) })
            });
            said.await.map_err(|error| Deaf::Refused(StoreError::from(error).into()))?;
            sleep(TRIAL).await;
            Ok(())
        };
        tokio::pin!(asked);
        let mut is_asking = true;
        loop {
            tokio::select! {
                message = poll_fn(|cx| connection.poll_message(cx)) => match message {
                    Some(Ok(AsyncMessage::Notification(said))) => {
                        // What others try is not for us.
                        if said.payload().is_empty() {
                            self.changed.notify_one();
                        } else if said.payload() == self.trial && !self.tried {
                            self.tried = true;
                            link.note_notifies(true);
                            tracing::info!("the database wakes this gateway when something changes");
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Deaf::Refused(told(error)),
                    None => return Deaf::Lost,
                },
                answer = &mut asked, if is_asking => match answer {
                    Ok(()) if self.tried => is_asking = false,
                    Ok(()) => return Deaf::Silent,
                    Err(deaf) => return deaf,
                },
            }
        }
    }
}
