//! The route's limits, as one request meets them.

use std::net::IpAddr;
use std::num::NonZeroU32;

use http::HeaderValue;

use super::Rejection;
use crate::clock::Clock;
use crate::policy::Rates;
use crate::session::Authenticated;

/// What one request takes of its route's limits. Costs nothing where there are none.
pub(super) struct Throttle<'a> {
    pub(super) rates: Option<&'a Rates>,
    pub(super) client: IpAddr,
    /// Gateways that the limits are divided among.
    pub(super) among: NonZeroU32,
    pub(super) clock: &'a dyn Clock,
    /// The items of `RateLimit` so far.
    pub(super) told: String,
}

impl Throttle<'_> {
    /// Before anybody knows whose the request is.
    pub(super) fn by_address(&mut self) -> Result<(), Rejection> {
        let Some(rates) = self.rates else { return Ok(()) };
        let taken =
            rates.take_by_address(self.client, self.among, self.clock.steady(), &mut self.told);
        taken.map_err(Rejection::Throttled)
    }

    /// After its caller was found to be allowed.
    pub(super) fn by_user(&mut self, caller: Option<&Authenticated>) -> Result<(), Rejection> {
        let Some(rates) = self.rates else { return Ok(()) };
        // The id of another issuer's user begins with the issuer's name.
        let user = caller.map(|caller| caller.identity.user_id.as_str());
        let now = self.clock.steady();
        let taken = rates.take_by_user(user, self.client, self.among, now, &mut self.told);
        taken.map_err(Rejection::Throttled)
    }

    /// `RateLimit-Policy` and `RateLimit`, for a request that passed.
    pub(super) fn report(self) -> Option<(HeaderValue, HeaderValue)> {
        let policy = self.rates?.policy().clone();
        Some((policy, HeaderValue::try_from(self.told).ok()?))
    }
}
