//! From the name of a server to its addresses, again and again: names move.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// How long an answer is believed. A look-up a connection would be a burden.
pub(super) const BELIEVED: Duration = Duration::from_secs(5);
/// How long the last good answer stands in for one that does not come.
const KEPT: Duration = Duration::from_secs(60);
/// How long a connection waits for a new answer while there is an older one.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a failure is believed, where nothing else is known.
const FAILURE: Duration = Duration::from_secs(1);

type LookUp = dyn Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The addresses of one server, shared by all workers.
#[derive(Debug)]
pub(super) enum Resolver {
    /// An IP address, or no address at all (a unix socket).
    Fixed(Vec<SocketAddr>),
    /// A name.
    Named(Arc<Name>),
}

/// A name, and what is known of it.
///
/// The system's resolver blocks, for half a minute where nobody answers it. It has a thread of
/// its own for that time: on the threads that read the store, a dead name server would keep
/// people from logging in. There is one such thread a name, however many wait for it.
pub(super) struct Name {
    look_up: Box<LookUp>,
    known: Mutex<Known>,
    /// Counts the answers.
    answered: watch::Sender<u64>,
    /// Which of the addresses is first the next time.
    turn: AtomicUsize,
    /// Whether anybody cared since the last look-up.
    used: AtomicBool,
    /// How often the addresses were others than before.
    moves: AtomicU64,
}

/// Where a connection leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    address: SocketAddr,
    /// The moves of the name after which it still meant that address.
    moves: Option<u64>,
}

#[derive(Default)]
struct Known {
    /// Of the last answer that was good. Never empty once there was one.
    addresses: Vec<SocketAddr>,
    /// When that was.
    good: Option<Instant>,
    /// When the last answer came, and what was wrong with it.
    last: Option<(Instant, Option<(io::ErrorKind, String)>)>,
    /// A look-up is under way.
    asking: bool,
}

impl Resolver {
    /// For a host and a port.
    pub(super) fn new(host: &str, port: u16) -> Self {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self::Fixed(vec![SocketAddr::new(ip, port)]);
        }
        let host = host.to_owned();
        Self::by(move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
    }

    /// For what looks up.
    pub(super) fn by(
        look_up: impl Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self::Named(Arc::new(Name {
            look_up: Box::new(look_up),
            known: Mutex::default(),
            answered: watch::Sender::new(0),
            turn: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            moves: AtomicU64::new(0),
        }))
    }

    /// The addresses, in the order in which they are to be tried: another one first each time.
    ///
    /// # Errors
    ///
    /// The name has no address, or had none for a while.
    pub(super) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Fixed(addresses) => Ok(addresses.clone()),
            Self::Named(name) => name.resolve().await,
        }
    }

    /// Whether a connection still leads where the name leads, as far as is known. Costs a read
    /// while the name does not move.
    pub(super) fn still_means(&self, peer: &mut Peer) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Named(name) => name.still_means(peer),
        }
    }

    /// Looks up whatever is believed, and waits for the answer.
    #[cfg(test)]
    pub(super) async fn look_up_now(&self) {
        if let Self::Named(name) = self {
            let mut answers = name.answered.subscribe();
            name.ask();
            answers.changed().await.unwrap();
        }
    }

    /// Looks up once more, if the name was used since the last time: connections that are used
    /// over and over would never ask. Does not wait for the answer.
    pub(super) fn refresh(&self) {
        if let Self::Named(name) = self
            && name.used.swap(false, Ordering::Relaxed)
        {
            name.ask();
        }
    }
}

impl Name {
    async fn resolve(self: &Arc<Self>) -> io::Result<Vec<SocketAddr>> {
        self.used.store(true, Ordering::Relaxed);
        let mut answers = self.answered.subscribe();
        let (is_fresh, is_known) = {
            let known = self.lock();
            let is_fresh = known.last.as_ref().is_some_and(|(at, problem)| {
                at.elapsed() < if problem.is_some() { FAILURE } else { BELIEVED }
            });
            (is_fresh, known.usable())
        };
        if !is_fresh {
            self.ask();
            if is_known {
                // Late or wrong: the last good answer will do.
                drop(timeout(PATIENCE, answers.changed()).await);
            } else {
                answers.changed().await.map_err(io::Error::other)?;
            }
        }
        let known = self.lock();
        if known.usable() {
            return Ok(self.in_turn(&known.addresses));
        }
        Err(match &known.last {
            Some((_, Some((kind, text)))) => io::Error::new(*kind, text.clone()),
            _ => io::ErrorKind::NotFound.into(),
        })
    }

    fn still_means(&self, peer: &mut Peer) -> bool {
        // Written only when it changes, so that workers do not fight for the line.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        let moves = self.moves.load(Ordering::Acquire);
        if peer.moves == Some(moves) {
            return true;
        }
        let known = self.lock();
        let means = !known.usable() || known.addresses.contains(&peer.address);
        if means {
            peer.moves = Some(moves);
        }
        means
    }

    /// Begins a look-up, unless one is under way.
    fn ask(self: &Arc<Self>) {
        if std::mem::replace(&mut self.lock().asking, true) {
            return;
        }
        let name = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("resolver".to_owned())
            .spawn(move || name.learn((name.look_up)()));
        if let Err(error) = spawned {
            self.learn(Err(error));
        }
    }

    fn learn(&self, answer: io::Result<Vec<SocketAddr>>) {
        let now = Instant::now();
        let answer = answer.and_then(|found| {
            if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
        });
        let mut known = self.lock();
        known.asking = false;
        let problem = match answer {
            Ok(found) => {
                // Name servers shuffle their answers, which is no move.
                let same = found.len() == known.addresses.len()
                    && found.iter().all(|one| known.addresses.contains(one));
                (known.addresses, known.good) = (found, Some(now));
                if !same {
                    self.moves.fetch_add(1, Ordering::Release);
                }
                None
            }
            Err(error) => Some((error.kind(), error.to_string())),
        };
        known.last = Some((now, problem));
        drop(known);
        self.answered.send_modify(|count| *count += 1);
    }

    /// Another one first each time, among those of the kind that the system prefers (RFC 6724);
    /// the others stand behind them.
    fn in_turn(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        let is_six = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let (mut first, others): (Vec<_>, Vec<_>) =
            addresses.iter().partition(|address| address.is_ipv6() == is_six);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(first.len()).unwrap_or_default();
        first.rotate_left(at);
        first.extend(others);
        first
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self { address, moves: None }
    }
}

impl Known {
    /// Whether the last good answer may still be gone by.
    fn usable(&self) -> bool {
        self.good.is_some_and(|good| good.elapsed() < KEPT)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Name").field("addresses", &self.lock().addresses).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
