//! One process goes on where another one was: asking for its place, and giving way.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::policy_file::PolicyFile;
use super::signals::Signals;
use crate::admin::{Incumbent, Successor, TakeOverError};
use crate::config::{Checked, Config};
use crate::gateway::{Gateway, Lingering};
use crate::server::{Given, ListenerSettings};
use crate::small_file::Stamp;
use crate::token::Bumped;

/// The listening sockets of a gateway, for a process that takes its place.
#[derive(Debug)]
pub(super) struct Estate {
    sockets: Arc<Vec<OwnedFd>>,
    asking: mpsc::Receiver<Successor>,
}

/// A process that is about to take over.
#[derive(Debug)]
pub(super) struct Heir {
    successor: Successor,
    /// What to start again from, should it fail.
    spare: Config,
}

/// Asks the gateway at that admin socket for its place, and takes from its sockets those that the
/// listeners want. It goes on meanwhile. `None` where none runs.
pub(super) async fn ask(
    socket: &Path,
    listeners: &[ListenerSettings],
) -> anyhow::Result<Option<(Incumbent, Given)>> {
    let Some((incumbent, sockets)) = Incumbent::ask(socket).await? else {
        tracing::info!("no gateway runs at the admin socket: this is an ordinary start");
        return Ok(None);
    };
    let given = Given::taken_over(sockets, listeners)?;
    Ok(Some((incumbent, given)))
}

/// The one whose place is taken, and has let go of its store.
pub(super) struct Bereft {
    incumbent: Incumbent,
    /// Somebody else was in the store in between: an operator's command, say.
    missed: bool,
}

/// Has it let go of its store, which is here.
pub(super) async fn let_go(
    incumbent: Option<Incumbent>,
    store: &Path,
) -> Result<Option<Bereft>, TakeOverError> {
    let Some(mut incumbent) = incumbent else { return Ok(None) };
    let left = incumbent.let_go().await?;
    let missed = left != mark(store);
    Ok(Some(Bereft { incumbent, missed }))
}

/// What a store is known again by, if nobody was in it.
fn mark(store: &Path) -> String {
    Stamp::of(store).map(|stamp| format!("{stamp:?}")).unwrap_or_default()
}

/// Tells the one whose place was taken that somebody serves again, and then of each change, for as
/// long as anything is live there.
pub(super) async fn tell(bereft: Option<Bereft>, changes: Receiver<Bumped>) -> JoinSet<()> {
    let mut told = JoinSet::new();
    let Some(Bereft { mut incumbent, missed }) = bereft else { return told };
    match incumbent.serving().await {
        Ok(()) => {
            told.spawn(incumbent.keep_told(missed, changes));
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the process that was here has ended, with what was live there");
        }
    }
    told
}

impl Estate {
    /// What there is to take over from a gateway that is bound, and what welcomes those who come
    /// for it.
    pub(super) fn of(
        gateway: &Gateway,
    ) -> io::Result<(Self, impl Fn(UnixStream) + Send + Sync + 'static)> {
        let sockets = Arc::new(gateway.sockets()?);
        let (sender, asking) = mpsc::channel(1);
        // A gateway that ends has nothing to give, and must not keep its clients waiting.
        let left = Arc::downgrade(&sockets);
        let welcome = move |stream| {
            let (left, sender) = (Weak::clone(&left), sender.clone());
            tokio::spawn(offer(stream, left, sender));
        };
        Ok((Self { sockets, asking }, welcome))
    }

    /// Waits for a process that wants to go on here. Nobody gets to who could not be replaced by
    /// this process again: with these listeners, and the rest as the policy file has it.
    pub(super) async fn heir(&mut self, file: &PolicyFile, listeners: &[ListenerSettings]) -> Heir {
        while let Some(successor) = self.asking.recv().await {
            match file.load() {
                Ok(Checked { config, .. }) => {
                    let spare = Config { listen: listeners.to_vec(), ..config };
                    return Heir { successor, spare };
                }
                Err(error) => {
                    tracing::error!("not handed over, for there would be no way back:\n{error}");
                }
            }
        }
        std::future::pending().await
    }

    /// Leaves nothing to anybody: clients shall not wait where nobody accepts.
    pub(super) fn forgo(&mut self) {
        self.asking.close();
        self.sockets = Arc::default();
    }

    /// Those sockets as they would have been taken over.
    fn again(self, listeners: &[ListenerSettings]) -> anyhow::Result<Given> {
        let mut copies = Vec::new();
        for socket in self.sockets.iter() {
            copies.push(socket.try_clone()?);
        }
        Ok(Given::taken_over(copies, listeners)?)
    }
}

async fn offer(stream: UnixStream, left: Weak<Vec<OwnedFd>>, sender: mpsc::Sender<Successor>) {
    // One at a time: the others find the connection closed.
    let (Some(sockets), Ok(place)) = (left.upgrade(), sender.try_reserve()) else { return };
    match Successor::offer(stream, &sockets).await {
        Ok(successor) => place.send(successor),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a process asked for this one's place, and did not take it");
        }
    }
}

/// A gateway that gives way.
pub(super) struct Leaving {
    pub(super) lingering: Lingering,
    pub(super) estate: Estate,
    pub(super) heir: Heir,
    /// Those who gave way to this one, and hear of changes by it.
    pub(super) earlier: JoinSet<()>,
}

impl Leaving {
    /// Has the other process take over, and goes on with what is live here until nothing is, or a
    /// signal comes. Where the other one fails, what it needs to start again here.
    pub(super) async fn give_way(
        self,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<(Config, Given)>> {
        let Self { lingering, estate, heir, mut earlier } = self;
        let Heir { mut successor, spare } = heir;
        if let Err(error) = successor.take_over(mark(&spare.store)).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the other process does not serve: this one starts again");
            // Nobody would tell what was live here of changes. To end it takes a moment, which
            // nobody waits for.
            tokio::spawn(lingering.ended(std::future::ready(()), async || None));
            let given = estate.again(&spare.listen)?;
            return Ok(Some((spare, given)));
        }
        drop(estate);
        tracing::info!("another process has taken over; what is live here goes on");
        let others = async { while earlier.join_next().await.is_some() {} };
        lingering
            .ended(others, async || {
                tokio::select! {
                    change = successor.change() => told(change),
                    () = signals.terminated() => None,
                }
            })
            .await?;
        Ok(None)
    }
}

fn told(change: Option<Bumped>) -> Option<Bumped> {
    if change.is_none() {
        tracing::info!("the process that took over has ended, and so does what is live here");
    }
    change
}
