//! The connections of one worker to one server, shared by its requests.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection;
use crate::proxy::Rejection;
use crate::proxy::connect::is_ours;
use crate::proxy::resolver::Peer;
use crate::proxy::upstream::Upstream;

/// Most connections to one server. One is enough unless the server allows few requests on each;
/// past these, requests wait for one another.
const MOST: usize = 16;

/// Why no connection was made; told to all that waited for it.
type Failed = Arc<dyn Error + Send + Sync>;
type Dialed = Option<Result<(), Failed>>;

/// The connections to one server.
pub(in crate::proxy) struct Channels {
    upstream: Arc<Upstream>,
    server: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Vec<Channel>,
    /// The connection that is being made, for all who need one.
    dialing: Option<watch::Receiver<Dialed>>,
}

/// One connection.
#[derive(Clone)]
struct Channel {
    sender: SendRequest<Bytes>,
    load: Arc<Load>,
    /// Where it leads: no new requests go to an address that the server's name has lost.
    peer: Option<Peer>,
}

/// What a connection has to do.
pub(super) struct Load {
    requests: AtomicUsize,
    closed: AtomicBool,
    /// When it had its last request.
    rested: Mutex<Instant>,
}

/// A request's place on a connection; given back when dropped.
pub(super) struct Seat {
    pub(super) load: Arc<Load>,
}

/// A connection that takes a request.
pub(super) struct Ready {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) seat: Seat,
    /// Whether it was there before, so that its end says little about the server.
    pub(super) waited: bool,
}

enum Pick {
    Channel(SendRequest<Bytes>, Seat),
    Wait(watch::Receiver<Dialed>),
}

/// The connections to each server of an upstream; none where it does not speak HTTP/2.
pub(in crate::proxy) fn channels(upstream: &Arc<Upstream>) -> Vec<Arc<Channels>> {
    let count = if upstream.settings.h2 { upstream.servers.len() } else { 0 };
    let one = |server| {
        let upstream = Arc::clone(upstream);
        Arc::new(Channels { upstream, server, state: Mutex::default() })
    };
    (0..count).map(one).collect()
}

impl Channels {
    /// A connection with room for a request, made if there is none.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<Ready, Rejection> {
        let mut waited = true;
        loop {
            let mut dialed = match self.pick() {
                Pick::Channel(sender, seat) => match sender.ready().await {
                    Ok(sender) => return Ok(Ready { sender, seat, waited }),
                    Err(_gone) => {
                        seat.load.close();
                        continue;
                    }
                },
                Pick::Wait(dialed) => dialed,
            };
            waited = false;
            let dialed = dialed.wait_for(Option::is_some).await.map(|result| result.clone());
            let unreachable = |error| Rejection::UpstreamUnreachable(Some(error));
            match dialed {
                Ok(Some(Err(failed))) if is_ours(&*failed) => {
                    return Err(Rejection::OutOfFiles(Box::new(failed)));
                }
                Ok(Some(Err(failed))) => return Err(unreachable(Box::new(failed))),
                Ok(_made) => {}
                Err(lost) => return Err(unreachable(Box::new(lost))),
            }
        }
    }

    fn pick(self: &Arc<Self>) -> Pick {
        let mut state = self.state();
        let resolver = self.upstream.servers.get(self.server).map(|server| &server.resolver);
        let leads_there = |peer: &mut Option<Peer>| {
            let peer = peer.as_mut().zip(resolver);
            peer.is_none_or(|(peer, resolver)| resolver.still_means(peer))
        };
        state
            .open
            .retain_mut(|channel| !channel.load.is_closed() && leads_there(&mut channel.peer));
        let least = state.open.iter().min_by_key(|channel| channel.load.requests());
        if let Some(channel) = least {
            let room = channel.load.requests() < channel.sender.current_max_send_streams();
            if room || state.open.len() >= MOST {
                return channel.take();
            }
        }
        let dialing = state.dialing.get_or_insert_with(|| self.dial());
        Pick::Wait(dialing.clone())
    }

    /// Makes a connection, whoever may still want it when it is there.
    fn dial(self: &Arc<Self>) -> watch::Receiver<Dialed> {
        let (tell, dialed) = watch::channel(None);
        let channels = Arc::clone(self);
        tokio::spawn(async move {
            let made = channels.connect().await;
            let mut state = channels.state();
            state.dialing = None;
            let outcome = made.map(|channel| state.open.push(channel));
            drop(state);
            tell.send_replace(Some(outcome));
        });
        dialed
    }

    async fn connect(self: &Arc<Self>) -> Result<Channel, Failed> {
        let settings = &self.upstream.settings;
        let server = self.upstream.servers.get(self.server);
        let server = server.ok_or_else(|| text("no such server"))?;
        let opening = connection::open(settings, server);
        let late = || text(format!("no connection in HTTP/2 in {:?}", settings.connect));
        let opened = tokio::time::timeout(settings.connect, opening).await.map_err(|_| late())?;
        let opened = opened.map_err(|error| Arc::new(error) as Failed)?;
        let connection::Opened { sender, connection, peer } = opened;
        let load = Arc::new(Load {
            requests: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            rested: Mutex::new(Instant::now()),
        });
        let watched = connection::Watched {
            channels: Arc::downgrade(self),
            load: Arc::clone(&load),
            idle: settings.idle,
        };
        tokio::spawn(watched.drive(connection));
        Ok(Channel { sender, load, peer })
    }

    /// Gives a connection up if it has had nothing to do for so long; it then closes by itself.
    pub(super) fn retire(&self, load: &Arc<Load>, idle: Duration) {
        let mut state = self.state();
        let over = |channel: &Channel| {
            Arc::ptr_eq(&channel.load, load) && load.requests() == 0 && load.rested() >= idle
        };
        state.open.retain(|channel| !over(channel));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn take(&self) -> Pick {
        self.load.requests.fetch_add(1, Ordering::Relaxed);
        Pick::Channel(self.sender.clone(), Seat { load: Arc::clone(&self.load) })
    }
}

impl Load {
    /// It takes no more requests.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn rested(&self) -> Duration {
        self.rested.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.load.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.load.rested.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

fn text(what: impl Into<Box<dyn Error + Send + Sync>>) -> Failed {
    Arc::from(what.into())
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels").field("server", &self.server).finish_non_exhaustive()
    }
}
