//! What an upstream is told of one request in signed form (`"@signed"` in `[identity]`).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::issue::{Signer, part};
use crate::clock::Timestamp;
use crate::identity::Claim;
use crate::keys::KeyError;

/// The `token_type`: none of [`TokenKind`](super::TokenKind), so that it opens nothing here.
const KIND: &str = "identity";
/// The `typ` in its head (RFC 8725 section 3.11).
const TYPE: &str = "identity+jwt";
/// How long it is good: for the way to the upstream, and clocks that differ by a little.
const LIFE: Duration = Duration::from_secs(30);

/// The request that an identity token speaks of, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// The upstream's name: `aud`.
    pub upstream: &'a str,
    /// The method, as sent.
    pub method: &'a str,
    /// The `Host` field, as sent; empty if none is.
    pub host: &'a str,
    /// The path, as sent.
    pub path: &'a str,
    /// Its id.
    pub request_id: &'a str,
}

/// The claims that say what the token is; no claim of a user's takes their place.
#[derive(Serialize)]
struct Payload<'a> {
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    exp: u64,
    method: &'a str,
    host: &'a str,
    path: &'a str,
    request_id: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl Signer {
    /// A token for `upstream` alone, for this one request, that says who is calling.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; answer 503.
    pub fn sign_identity<'c>(
        &self,
        bound: &Bound<'_>,
        subject: &str,
        claims: impl IntoIterator<Item = (&'c str, Claim)>,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let settings = self.settings();
        let own = Payload {
            token_type: KIND,
            iss: settings.issuer.as_deref().or(settings.public.as_deref()),
            aud: bound.upstream,
            sub: subject,
            iat: now.as_secs(),
            exp: now.plus(LIFE).as_secs(),
            method: bound.method,
            host: bound.host,
            path: bound.path,
            request_id: bound.request_id,
        };
        let claims = claims.into_iter().map(|(name, claim)| (name.to_owned(), value(claim)));
        let mut payload: Map<String, Value> = claims.collect();
        if let Ok(Value::Object(own)) = serde_json::to_value(own) {
            payload.extend(own);
        }
        // The registered ones that the token does not have are not the user's to say either.
        for name in ["nbf", "jti"] {
            payload.remove(name);
        }
        if settings.issuer.is_none() && settings.public.is_none() {
            payload.remove("iss");
        }
        self.keys().sign(|kid, algorithm| {
            let header = Header { alg: algorithm.as_str(), typ: TYPE, kid };
            format!("{}.{}", part(&header), part(&payload))
        })
    }
}

fn value(claim: Claim) -> Value {
    match claim {
        Claim::Text(text) => text.into(),
        Claim::List(items) => items.into(),
    }
}
