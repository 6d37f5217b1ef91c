//! Who asks, and whether they may.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use http::request::Parts;

use super::throttle::Throttle;
use super::{Known, Proxy, RefusedCredential, Rejection, ticket};
use crate::policy::{Route, Verdict, authorize};
use crate::session::{AuthError, Authenticated};
use crate::tls::ClientCertificate;
use crate::web::{Authorization, SessionCookie};

/// Tickets of one request that are used up at most.
const TICKETS: usize = 4;

impl Proxy {
    /// Whether a request of somebody who forwards it may use its route. What becomes `known` is set
    /// at once.
    ///
    /// # Errors
    ///
    /// A [`Rejection`].
    pub async fn permit(
        &self,
        route: &Route,
        client: IpAddr,
        parts: &mut Parts,
        known: &mut Known<'_>,
    ) -> Result<(), Rejection> {
        // Nobody knows whether its browser would get the cookie that takes the place of another.
        self.admit(route, client, None, None, parts, known).await.map(drop)
    }

    /// Where it comes from, how often, who asks, and whether they may.
    pub(super) async fn admit<'r>(
        &'r self,
        route: &'r Route,
        client: IpAddr,
        certificate: Option<&ClientCertificate>,
        cookie: Option<SessionCookie>,
        parts: &mut Parts,
        known: &mut Known<'_>,
    ) -> Result<Throttle<'r>, Rejection> {
        if !route.admits(client) {
            return Err(Rejection::AddressForbidden);
        }
        let (rates, clock) = (route.rates.as_ref(), &*self.clock);
        let among = self.sessions.gateways();
        let mut throttle = Throttle { rates, client, among, clock, told: String::new() };
        throttle.by_address()?;
        known.caller = self.authenticate(route, cookie, parts, known).await?;
        judge(route, known, certificate)?;
        let caller = known.caller.as_deref();
        self.recent(route, caller)?;
        throttle.by_user(caller)?;
        drop(known.undecided.take());
        Ok(throttle)
    }

    /// A credential of ours must be good wherever it is sent: on a route for anyone, a caller
    /// with a broken one would be taken for somebody else than it believes to be.
    async fn authenticate(
        &self,
        route: &Route,
        cookie: Option<SessionCookie>,
        parts: &mut Parts,
        known: &mut Known<'_>,
    ) -> Result<Option<Arc<Authenticated>>, Rejection> {
        if route.tickets {
            let tickets = ticket::take(&mut parts.uri)?;
            if !tickets.is_empty() {
                return self.redeem(route, parts, &tickets).await.map(Some);
            }
        }
        if let Some(cookie) = cookie
            && let Some(visitor) = self.visitor(cookie, route, parts, known).await?
        {
            return Ok(Some(visitor));
        }
        let known = self.sessions.authenticate(&parts.headers).await;
        known.map_err(|error| self.refused(error))
    }

    /// Whom the ticket of a request speaks for. All that it brought are used up, unless they are a flood.
    async fn redeem(
        &self,
        route: &Route,
        parts: &Parts,
        tickets: &[Vec<u8>],
    ) -> Result<Arc<Authenticated>, Rejection> {
        // Each is a call of a shared store: for more than anybody sends by mistake none is made.
        if tickets.len() > TICKETS {
            return Err(Rejection::AmbiguousTicket);
        }
        let scope = route.key.to_string();
        let mut redeemed = Err(AuthError::Ticket);
        for ticket in tickets {
            redeemed = self.sessions.redeem_ticket(ticket, &scope).await;
        }
        if tickets.len() > 1 || Authorization::of(&parts.headers) != Authorization::Absent {
            return Err(Rejection::AmbiguousTicket);
        }
        if ![Method::GET, Method::HEAD].contains(&parts.method) {
            redeemed = Err(AuthError::Ticket);
        }
        redeemed.map_err(|error| self.refused(error))
    }

    /// Whether the caller's login is as recent as the route asks.
    fn recent(&self, route: &Route, caller: Option<&Authenticated>) -> Result<(), Rejection> {
        let Some(within) = route.fresh else { return Ok(()) };
        let now = self.clock.now();
        let is_recent = caller.is_some_and(|caller| caller.logged_in_within(within, now));
        if is_recent { Ok(()) } else { Err(Rejection::StaleLogin(within)) }
    }

    pub(super) fn refused(&self, error: AuthError) -> Rejection {
        RefusedCredential { error, presented: self.sessions.in_header() }.into()
    }
}

/// Whether the route may be used by a caller, or by nobody in particular. What its rule on trial
/// would have done becomes known either way.
fn judge(
    route: &Route,
    known: &mut Known<'_>,
    certificate: Option<&ClientCertificate>,
) -> Result<(), Rejection> {
    let identity = known.caller.as_ref().map(|caller| &caller.identity);
    let verdict = authorize(&route.allow, identity, certificate);
    if let Some(shadow) = &route.shadow {
        known.would = shadow.judge(verdict, identity, certificate);
    }
    permit(verdict)
}

/// What a verdict means to a request.
pub(super) const fn permit(verdict: Verdict) -> Result<(), Rejection> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::NeedsIdentity => Err(Rejection::NoCredentials),
        Verdict::NeedsFactor => Err(Rejection::NeedsFactor),
        Verdict::Forbidden => Err(Rejection::Forbidden),
    }
}
