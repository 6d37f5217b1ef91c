//! `"@signed"` in `[identity]`: who calls, signed for one request.

use http::header::{HOST, HeaderValue};
use http::request::Parts;

use super::prepare::Outfit;
use super::{Proxy, Rejection};
use crate::token::Bound;

impl Proxy {
    /// Adds who the caller is, signed for the request as it goes out, where the policy wants that.
    pub(super) fn sign(
        &self,
        outfit: &Outfit<'_>,
        parts: &Parts,
        upstream: &str,
    ) -> Result<(), Rejection> {
        let names = self.sessions.headers().signed();
        let Some(caller) = outfit.caller.filter(|_| !names.is_empty()) else {
            return Ok(());
        };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let bound = Bound {
            upstream,
            method: parts.method.as_str(),
            host: &parts.headers.get(HOST).map(text).unwrap_or_default(),
            path: parts.uri.path(),
            request_id: &text(outfit.request_id),
        };
        let token = self.sessions.sign_identity(caller, &bound);
        let token = token.map_err(|error| self.refused(error))?;
        let value = HeaderValue::try_from(token).map_err(|_| Rejection::BadTarget)?;
        outfit
            .signed
            .get_or_init(|| names.iter().map(|name| (name.clone(), value.clone())).collect());
        Ok(())
    }
}
