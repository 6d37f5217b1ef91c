//! An upstream as all workers see it: its servers, what they have to do, its limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use tokio::time::timeout;

use super::choice::{Candidate, Dice, choose};
use super::folder::Folder;
use super::gate::{Gate, Joined};
use super::resolver::Resolver;
use super::standing::{Change, Standing};
use super::{Address, Backend, Rejection, Target, UpstreamSettings};
use crate::clock::Clock;
use crate::metrics::Tally;

/// An upstream, shared by all workers.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    pub(super) servers: Vec<Server>,
    /// Instead of servers.
    pub(super) folder: Option<Folder>,
    pub(super) gate: Gate<Flight>,
    dice: Dice,
    /// How many do the health checks that the settings ask for.
    pub(super) checked: AtomicUsize,
    /// Requests without a response head, by their code.
    pub(super) failures: Tally,
}

/// One server of an upstream.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Address,
    /// `Host` for requests that come without one (HTTP/1.0).
    pub(super) host: HeaderValue,
    pub(super) resolver: Resolver,
    weight: u32,
    pub(super) in_flight: AtomicUsize,
    pub(super) standing: Standing,
}

/// A server that is tried, and what is learned of it. Dropped without news, it leaves all as it
/// was.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    upstream: &'a Upstream,
    clock: &'a dyn Clock,
    pub(super) number: usize,
    pub(super) server: &'a Server,
    /// It is to find out whether the server is back.
    is_probe: bool,
}

/// A request's place among those that an upstream may have at once, and at one of its servers;
/// given back when dropped.
#[derive(Debug)]
pub(super) struct Flight {
    upstream: Arc<Upstream>,
    /// `NOWHERE` before it was sent to a server.
    server: AtomicUsize,
    /// False where it turned out that there is no place to give back.
    has_place: bool,
}

/// A request in the line; it leaves it when dropped.
struct InLine<'a> {
    upstream: &'a Upstream,
    number: u64,
}

const NOWHERE: usize = usize::MAX;

impl Upstream {
    pub(super) fn new(settings: UpstreamSettings) -> Self {
        let (servers, folder) = match &settings.target {
            Target::Http(backends) => (backends.iter().cloned().map(Server::new).collect(), None),
            Target::Folder(folder) => (Vec::new(), Some(Folder::new(folder.clone()))),
            Target::Whoami | Target::Inner => (Vec::new(), None),
        };
        let gate = Gate::new(settings.in_flight, settings.queue);
        let checked = AtomicUsize::new(0);
        let (dice, failures) = (Dice::new(), Tally::default());
        Self { settings, servers, folder, gate, dice, checked, failures }
    }

    /// Takes a place; where all are taken, waits for one in the line, as long as the operator
    /// has patience. Dropping this gives all of it back.
    pub(super) async fn enter(self: &Arc<Self>) -> Result<Flight, Rejection> {
        if self.gate.enter() {
            return Ok(Flight::new(Arc::clone(self)));
        }
        match self.gate.join() {
            Joined::In => Ok(Flight::new(Arc::clone(self))),
            Joined::Refused => Err(Rejection::UpstreamFull),
            // Boxed, so that those who need not wait carry no timer along.
            Joined::Waiting(number, place) => {
                Box::pin(async move {
                    let _in_line = InLine { upstream: self, number };
                    let came = timeout(self.settings.queue_wait, place).await;
                    came.ok().and_then(Result::ok).ok_or(Rejection::UpstreamFull)
                })
                .await
            }
        }
    }

    /// The server to be tried next, of those that were not `tried`: one that may be back, with
    /// this request as its probe; else one in good standing; else, for want of any, the one that
    /// has been passed over longest. Where health checks run, no request is a probe, and what
    /// they say is down has none at all.
    pub(super) fn next<'a>(&'a self, tried: &[usize], clock: &'a dyn Clock) -> Option<Trial<'a>> {
        if let [server] = &self.servers[..] {
            let alone = Trial { upstream: self, clock, number: 0, server, is_probe: false };
            return (tried.is_empty() && !server.standing.is_down()).then_some(alone);
        }
        let probe = self.due(tried, clock);
        let number = probe
            .or_else(|| choose(self.candidates(tried), &self.dice))
            .or_else(|| self.longest_out(tried))?;
        let server = self.servers.get(number)?;
        Some(Trial { upstream: self, clock, number, server, is_probe: probe.is_some() })
    }

    fn untried(&self, tried: &[usize]) -> impl Iterator<Item = (usize, &Server)> + Clone {
        self.servers.iter().enumerate().filter(|(number, _)| !tried.contains(number))
    }

    fn candidates(&self, tried: &[usize]) -> impl Iterator<Item = Candidate> + Clone {
        let sound = self.untried(tried).filter(|(_, server)| server.standing.is_in());
        sound.map(|(number, server)| Candidate {
            number,
            weight: server.weight,
            in_flight: server.in_flight.load(Ordering::Relaxed),
        })
    }

    /// A server whose probe this request has become.
    fn due(&self, tried: &[usize], clock: &dyn Clock) -> Option<usize> {
        let mut out = self.untried(tried).filter(|(_, server)| !server.standing.is_in()).peekable();
        // Nobody looks at the clock while nothing is wrong.
        out.peek()?;
        if self.checked.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let now = clock.now();
        out.find(|(_, server)| server.standing.claim_probe(now)).map(|(number, _)| number)
    }

    fn longest_out(&self, tried: &[usize]) -> Option<usize> {
        let up = self.untried(tried).filter(|(_, server)| !server.standing.is_down());
        let longest = up.min_by_key(|(_, server)| server.standing.since());
        longest.map(|(number, _)| number)
    }
}

impl Trial<'_> {
    /// A response head came.
    pub(super) fn succeeded(&self) {
        if self.server.standing.succeeded() == Change::In {
            let (upstream, server) = (&self.upstream.settings.name, &self.server.address);
            tracing::info!(%upstream, %server, "server of an upstream is back");
        }
    }

    /// The server took no connection, broke off before its response head, or was late with it.
    pub(super) fn failed(&self) {
        // There is nobody to turn to instead of the only one.
        if self.upstream.servers.len() > 1
            && self.server.standing.failed(self.is_probe, || self.clock.now()) == Change::Out
        {
            let (upstream, server) = (&self.upstream.settings.name, &self.server.address);
            tracing::warn!(%upstream, %server, "server of an upstream fails and is passed over");
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.server.standing.release_probe();
        }
    }
}

impl Flight {
    /// For a place that was taken.
    const fn new(upstream: Arc<Upstream>) -> Self {
        Self { upstream, server: AtomicUsize::new(NOWHERE), has_place: true }
    }

    /// The name of the upstream.
    pub(super) fn upstream(&self) -> &str {
        &self.upstream.settings.name
    }

    /// From here on it is that server that has the request.
    pub(super) fn go_to(&self, server: usize) {
        let before = self.server.swap(server, Ordering::Relaxed);
        if let Some(left) = self.upstream.servers.get(before) {
            left.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(entered) = self.upstream.servers.get(server) {
            entered.in_flight.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Server {
    fn new(Backend { address, weight }: Backend) -> Self {
        let host = address.host();
        let resolver = match &address {
            Address::Tcp { host, port } | Address::Tls { host, port } => Resolver::new(host, *port),
            Address::Unix(_) => Resolver::Fixed(Vec::new()),
        };
        Self {
            address,
            host,
            resolver,
            weight: weight.get(),
            in_flight: AtomicUsize::new(0),
            standing: Standing::default(),
        }
    }
}

impl Address {
    /// `Host` for what nobody has named one for.
    pub(super) fn host(&self) -> HeaderValue {
        let text = match self {
            Self::Tcp { host, port } | Self::Tls { host, port } if host.contains(':') => {
                format!("[{host}]:{port}")
            }
            Self::Tcp { host, port: 80 } | Self::Tls { host, port: 443 } => host.clone(),
            Self::Tcp { host, port } | Self::Tls { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        };
        let host = HeaderValue::from_str(&text);
        host.unwrap_or_else(|_| HeaderValue::from_static("upstream"))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.go_to(NOWHERE);
        if !self.has_place {
            return;
        }
        while let Some(next) = self.upstream.gate.leave() {
            match next.send(Self::new(Arc::clone(&self.upstream))) {
                Ok(()) => return,
                // They went away: the place is still ours to give back, and not theirs too.
                Err(mut untaken) => untaken.has_place = false,
            }
        }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.upstream.gate.abandon(self.number);
    }
}

#[cfg(test)]
mod tests;
