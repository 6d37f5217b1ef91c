//! One process goes on where another one was: asking for its place, and giving way.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use tokio::net::UnixStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::policy_file::PolicyText;
use super::serve::Start;
use super::signals::Signals;
use crate::admin::{Incumbent, Successor, TakeOverError};
use crate::config::Config;
use crate::gateway::{Gateway, Lingering};
use crate::server::{Given, ListenerSettings};
use crate::small_file::Stamp;
use crate::store::StoreSettings;
use crate::token::Bumped;

/// The listening sockets of a gateway, for a process that takes its place.
#[derive(Debug)]
pub(super) struct Estate {
    sockets: Arc<Vec<OwnedFd>>,
    asking: mpsc::Receiver<Successor>,
}

/// What a gateway goes by: some of it was read at the start, and the rest of the policy may be
/// another by now.
#[derive(Clone)]
pub(super) struct Policies {
    pub(super) at_start: PolicyText,
    pub(super) in_force: PolicyText,
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
    /// Somebody else was in the store in between, an operator's command, say; or another policy is
    /// in force from now on.
    missed: bool,
}

/// Has it let go of its store, which is here.
pub(super) async fn let_go(
    incumbent: Option<Incumbent>,
    config: &Config,
) -> Result<Option<Bereft>, TakeOverError> {
    let Some(mut incumbent) = incumbent else { return Ok(None) };
    let left = incumbent.let_go().await?;
    // Whoever shares a database may have been in it.
    let shared = config.store.file().is_none();
    let missed = shared || left != mark(&config.store, &config.fingerprint);
    Ok(Some(Bereft { incumbent, missed }))
}

/// What a store is known again by, if nobody was in it, with the policy.
fn mark(store: &StoreSettings, policy: &str) -> String {
    let store =
        store.file().and_then(Stamp::of).map(|stamp| format!("{stamp:?}")).unwrap_or_default();
    format!("{store} {policy}")
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

impl Policies {
    /// What to start again from: what was read at the start, as it was then, and the rest as it is.
    fn spare(&self, listen: Vec<ListenerSettings>) -> anyhow::Result<Config> {
        let at_start = self.at_start.parse()?.config;
        let in_force = self.in_force.parse()?.config;
        Ok(Config {
            listen,
            workers: at_start.workers,
            tls: at_start.tls,
            acme: at_start.acme,
            store: at_start.store,
            connections: at_start.connections,
            keys: at_start.keys,
            shared_keys: at_start.shared_keys,
            freshness: at_start.freshness,
            passwords: at_start.passwords,
            admin: at_start.admin,
            audit: at_start.audit,
            log: at_start.log,
            traces: at_start.traces,
            mail: at_start.mail,
            ..in_force
        })
    }
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

    /// Waits for a process that wants to go on here. Those who come later are sent away.
    pub(super) async fn heir(&mut self) -> Successor {
        match self.asking.recv().await {
            Some(successor) => {
                self.asking.close();
                successor
            }
            None => std::future::pending().await,
        }
    }

    /// Leaves nothing to anybody: clients shall not wait where nobody accepts, nor somebody who has
    /// just asked.
    pub(super) fn forgo(&mut self) {
        self.asking.close();
        while self.asking.try_recv().is_ok() {}
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
    let offered = Successor::offer(stream, &sockets).await;
    // While somebody thinks about it, they are no reason to keep clients waiting.
    drop(sockets);
    let wanted = match offered {
        Ok(successor) => successor.wants_it().await,
        Err(error) => Err(error),
    };
    match wanted {
        Ok(successor) => place.send(successor),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a process asked for this one's place, and did not take it");
        }
    }
}

/// A gateway that gives way.
pub(super) struct Leaving {
    pub(super) estate: Estate,
    /// Those who gave way to this one, and hear of changes by it.
    pub(super) earlier: JoinSet<()>,
    pub(super) store: StoreSettings,
    pub(super) listeners: Vec<ListenerSettings>,
    pub(super) policies: Policies,
    /// Of the one in force.
    pub(super) fingerprint: String,
}

impl Leaving {
    /// Has the other process take over, and goes on with what is live here until nothing is, or a
    /// signal comes. Where the other one fails, what it needs to start again here.
    pub(super) async fn give_way(
        self,
        lingering: Lingering,
        mut heir: Successor,
        signals: &mut Signals,
    ) -> anyhow::Result<Option<Start>> {
        let Self { estate, mut earlier, store, listeners, policies, fingerprint } = self;
        // Made now: what is read from files may be missing by the time that it is needed.
        let spare = policies.spare(listeners);
        let taken = tokio::select! {
            taken = heir.take_over(mark(&store, &fingerprint)) => taken,
            () = signals.terminated() => return Ok(None),
        };
        if let Err(error) = taken {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the other process does not serve: this one starts again");
            // Nobody would tell what was live here of changes. To end it takes a moment, which
            // nobody waits for.
            tokio::spawn(lingering.ended(std::future::ready(()), async || None));
            let spare = spare?;
            let given = estate.again(&spare.listen)?;
            return Ok(Some(Start { policies, config: spare, given, incumbent: None }));
        }
        drop(estate);
        tracing::info!("another process has taken over; what is live here goes on");
        let others = async { while earlier.join_next().await.is_some() {} };
        lingering
            .ended(others, async || {
                tokio::select! {
                    change = heir.change() => told(change),
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
