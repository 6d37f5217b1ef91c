//! The path of a proxied request, one module a step; [`Proxy::answer`] is the stack.

mod aside;
mod caller;
mod choice;
mod connect;
mod dial;
mod exchange;
mod folder;
mod frames;
mod gate;
mod grpc;
mod health;
mod http1;
mod http2;
mod inner;
mod lease;
mod pool;
mod prepare;
mod progress;
mod rejection;
mod resolver;
mod respond;
mod send;
mod settings;
mod signed;
mod silence;
mod standing;
mod throttle;
mod ticket;
mod tries;
mod tunnel;
mod turn;
mod upgrade;
mod upstream;
mod upstreams;
mod vigil;
mod visitor;
mod watch;
mod watched;
mod whoami;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{Response, Version};
use http_body::Body as _;

use upstream::Upstream;
use vigil::Vigil;
use watch::Watch;
use watched::watched;

use crate::clock::Clock;
use crate::metrics::{Durations, Spread};
use crate::policy::Route;
use crate::session::Sessions;
use crate::web::{Body, MessageLimits, RequestBody};

pub use exchange::{Exchange, Known};
pub use grpc::{is_call, refuse_call};
pub use inner::{Answering, Inner, InnerService};
pub use prepare::{X_REQUEST_ID, strip_identity};
pub use rejection::{RefusedCredential, Rejection};
pub use settings::{Address, Backend, FolderSettings, HealthSettings, Target, UpstreamSettings};
pub use upstreams::{ServerState, UpstreamState, Upstreams};
pub use vigil::InForce;

/// A proxy of one worker: the shared upstreams, and connections of its own.
#[derive(Debug)]
pub struct Proxy {
    sessions: Arc<Sessions>,
    upstreams: Upstreams,
    pool: Arc<pool::Pool>,
    /// By upstream and server; empty for upstreams in HTTP/1.1.
    channels: Vec<Vec<Arc<http2::Channels>>>,
    limits: MessageLimits,
    clock: Arc<dyn Clock>,
    vigil: Arc<Vigil>,
    /// The program's own handlers, if it has any.
    inner: Option<Inner>,
    /// How long each upstream took to its response heads.
    heads: Vec<Arc<Durations>>,
}

impl Proxy {
    /// A proxy for the current worker. `in_force` is what live connections are held to, and has
    /// the sessions of this one.
    pub fn new(
        sessions: Arc<Sessions>,
        upstreams: Upstreams,
        limits: MessageLimits,
        clock: Arc<dyn Clock>,
        in_force: Arc<ArcSwap<InForce>>,
    ) -> Self {
        let pool = Arc::new(pool::Pool::new(&upstreams.0, |_| None));
        let channels = upstreams.0.iter().map(http2::channels).collect();
        let vigil = Arc::new(Vigil::new(in_force, Arc::clone(&clock)));
        let heads = upstreams.0.iter().map(|_| Arc::default()).collect();
        Self { sessions, upstreams, pool, channels, limits, clock, vigil, inner: None, heads }
    }

    /// The same before handlers of the program that it is a part of.
    #[must_use]
    pub fn before(self, inner: Option<Inner>) -> Self {
        Self { inner, ..self }
    }

    /// The proxy of the same worker under another configuration. Connections to upstreams that
    /// both have go on.
    #[must_use]
    pub fn successor(
        &self,
        sessions: Arc<Sessions>,
        upstreams: Upstreams,
        limits: MessageLimits,
    ) -> Self {
        let known = |upstream: &_| self.upstreams.position(upstream);
        let shelves = |upstream: &_| self.pool.shelves(known(upstream)?);
        let pool = Arc::new(pool::Pool::new(&upstreams.0, shelves));
        let channels = upstreams.0.iter().map(|upstream| {
            let open = known(upstream).and_then(|at| self.channels.get(at)).cloned();
            open.unwrap_or_else(|| http2::channels(upstream))
        });
        let channels = channels.collect();
        // By name: a server more is no reason to begin anew.
        let heads = upstreams.0.iter().map(|upstream| {
            let name = |known: &Arc<Upstream>| known.settings.name == upstream.settings.name;
            let at = self.upstreams.0.iter().position(name);
            at.and_then(|at| self.heads.get(at)).cloned().unwrap_or_default()
        });
        let heads = heads.collect();
        let (clock, vigil) = (Arc::clone(&self.clock), Arc::clone(&self.vigil));
        let inner = self.inner.clone();
        Self { sessions, upstreams, pool, channels, limits, clock, vigil, inner, heads }
    }

    /// How long each upstream took to its response heads, by its name.
    pub fn heads(&self) -> impl Iterator<Item = (&str, Spread)> {
        let names = self.upstreams.0.iter().map(|upstream| upstream.settings.name.as_str());
        names.zip(&self.heads).map(|(name, heads)| (name, heads.so_far()))
    }

    /// Closes upstream connections that waited too long. To be called every few seconds.
    pub fn sweep(&self) {
        self.pool.sweep();
    }

    /// The way of a proxied request, from its route to its response. What becomes `known` is set
    /// at once, for the access log.
    ///
    /// # Errors
    ///
    /// A [`Rejection`]; nothing reached an upstream unless it says so.
    pub async fn answer(
        &self,
        exchange: Exchange<'_>,
        known: &mut Known<'_>,
    ) -> Result<Response<Body>, Rejection> {
        let Exchange { route, path, peer, origin, request_id, trace, mut parts, mut body } =
            exchange;
        let certificate = peer.certificate();
        let cookie = self.sessions.cookie().filter(|_| route.browser);
        let admitted =
            self.admit(route, origin.client, certificate, cookie, &mut parts, known).await?;
        body.limit(route.body.unwrap_or(self.limits.body))?;
        let caller = known.caller.as_ref();
        let opening = self.is_inner(route).then(|| inner::Opening::of(route, &mut parts));
        let opening = opening.transpose()?;
        let way = self.http2(route, &parts, &mut body);
        let http2 = way.is_some();
        let handshake = upgrade::Handshake::of(route, http2, &mut parts, &body)?;
        let outfit = prepare::Outfit {
            route,
            path,
            peer,
            origin,
            caller: caller.map(Arc::as_ref),
            request_id,
            trace,
            host: parts.headers.get(http::header::HOST).cloned(),
            http2,
            table: self.sessions.headers(),
            signed: OnceLock::new(),
        };
        outfit.put_on(&mut parts)?;
        if let Some(handshake) = &handshake {
            handshake.ask(&mut parts.headers);
        }
        let watch = || self.vigil.over(caller, route, peer.certificate());
        let uploading = if body.is_end_stream() { None } else { watch() };
        let is_inner = opening.is_some();
        let send::Reply { mut response, switched } = if let Some(opening) = opening {
            let passing = || Box::pin(self.pass(&outfit, parts, body, opening, watch()));
            watch::while_allowed(uploading, passing).await?
        } else {
            let asks = handshake.is_some();
            let sending = || self.forward(&outfit, parts, body, asks, way, watch());
            watch::while_allowed(uploading, sending).await?
        };
        let opened = match (handshake, switched) {
            (Some(handshake), Some(lease)) => {
                Some(handshake.answered(watch(), &mut response, lease)?)
            }
            (Some(handshake), None) => handshake.refused(&response).map(|()| None)?,
            _ => None,
        };
        let known = caller.is_some() || peer.certificate().is_some();
        respond::finish(route, known, admitted.report(), &mut response);
        if let Some(opened) = opened {
            opened.announce(&mut response);
        }
        if is_inner {
            inner::announce(&mut response);
        }
        Ok(response)
    }

    /// How the route's upstream is spoken to in HTTP/2, if it is.
    fn http2<'a>(
        &'a self,
        route: &Route,
        parts: &Parts,
        body: &mut RequestBody,
    ) -> Option<http2::Way<'a>> {
        let channels = self.channels.get(route.upstream).filter(|some| !some.is_empty())?;
        let client_takes_trailers = parts.version == Version::HTTP_2;
        if client_takes_trailers {
            body.keep_trailers();
        }
        // Either side of a call may have nothing to say for long.
        let pulse = is_call(&parts.headers).then(|| body.converse(route.idle)).flatten();
        let trailers = Some(Arc::clone(&self.sessions));
        Some(http2::Way { channels, trailers, client_takes_trailers, pulse })
    }

    async fn forward(
        &self,
        outfit: &prepare::Outfit<'_>,
        mut parts: Parts,
        body: RequestBody,
        handshake: bool,
        http2: Option<http2::Way<'_>>,
        watch: Option<Watch>,
    ) -> Result<send::Reply, Rejection> {
        let prepare::Outfit { route, path, .. } = *outfit;
        let found = self.upstreams.0.get(route.upstream);
        let upstream = found.ok_or(Rejection::UpstreamUnreachable(None))?;
        let patience = route.timeout.unwrap_or(upstream.settings.timeout);
        if let Some(folder) = &upstream.folder {
            let asked = folder::Asked { path, parts: &parts, now: self.clock.now() };
            let response = Box::pin(asked.of(folder, upstream, patience)).await?;
            let (parts, body) = response.into_parts();
            let body = if body.is_stream() { watched(body, watch, &parts.headers) } else { body };
            return Ok(send::Reply { response: Response::from_parts(parts, body), switched: None });
        }
        // HTTP/1.0 may leave it out; HTTP/1.1 may not.
        if let Some(first) = upstream.servers.first() {
            parts.headers.entry(http::header::HOST).or_insert_with(|| first.host.clone());
        }
        self.sign(outfit, &parts, &upstream.settings.name)?;
        let Some(first) = upstream.servers.first() else {
            outfit.set_ours(&mut parts.headers);
            return Ok(send::Reply { response: whoami::answer(&parts), switched: None });
        };
        if http2.is_some() {
            outfit.set_ours(&mut parts.headers);
            http2::address(&mut parts, &first.address)?;
        }
        let number = route.upstream;
        let (pool, clock) = (&self.pool, &*self.clock);
        let ours = http2.is_none().then_some(outfit);
        let idle = route.idle;
        let sending = send::Sending {
            pool,
            number,
            upstream,
            patience,
            idle,
            handshake,
            clock,
            ours,
            trace: outfit.trace,
            http2,
        };
        let began = Instant::now();
        let sent = sending.send(parts, body, watch).await;
        match &sent {
            Ok(_) => {
                if let Some(heads) = self.heads.get(number) {
                    heads.note(began.elapsed());
                }
            }
            Err(why) => upstream.failures.count(why.code()),
        }
        sent
    }
}
