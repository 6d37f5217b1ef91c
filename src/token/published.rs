//! An access token of ours, seen by somebody who has our public keys and nothing else.

use std::time::Duration;

use serde_json::Value;

use super::claims::{Claims, check_registered, has_audience};
use super::compact::Compact;
use super::{TokenError, TokenKind};
use crate::clock::Timestamp;
use crate::identity::{Identity, UserId};
use crate::keys::JwkSet;

/// What is asked of a token beyond its signature.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// What `iss` has to be, if anything.
    pub issuer: Option<String>,
    /// What `aud` has to name, if anything.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
}

/// A token whose signature nobody has looked at yet.
#[derive(Debug)]
pub struct PublishedToken<'t>(Compact<'t>);

impl<'t> PublishedToken<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// [`TokenError::Invalid`].
    pub fn parse(token: &'t [u8]) -> Result<Self, TokenError> {
        Compact::parse(token).map(Self)
    }

    /// The key that it names.
    pub fn key(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// Whether one of these keys has signed it.
    pub fn is_signed_by(&self, keys: &JwkSet) -> bool {
        let Compact { algorithm, kid, message, signature, .. } = &self.0;
        keys.verify(kid.as_deref(), *algorithm, message, signature)
    }

    /// What it says, if it is an access token in its time, as is demanded.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn claims(&self, demands: &Demands, now: Timestamp) -> Result<Claims, TokenError> {
        let payload = self.0.payload()?;
        check_registered(&payload, now, demands.leeway)?;
        let is = |ours: &String| payload.get("iss").and_then(Value::as_str) == Some(ours);
        if !demands.issuer.as_ref().is_none_or(is)
            || !demands.audience.as_ref().is_none_or(|ours| has_audience(&payload, ours))
        {
            return Err(TokenError::Invalid);
        }
        let claims = Claims::new(payload);
        claims.expires()?;
        claims.id()?;
        claims.kind(&[TokenKind::Access])?;
        claims.user()?;
        claims.session()?;
        Ok(claims)
    }
}

impl Claims {
    /// Who the token speaks for, as it says itself. It does not say whether an address is verified,
    /// nor what claims the store has.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: it does not say.
    pub fn identity(&self) -> Result<Identity, TokenError> {
        let UserId(number) = self.user()?;
        let text = |name| self.get(name).and_then(Value::as_str).map(str::to_owned);
        let roles = self.get("roles").and_then(Value::as_array);
        let roles = roles.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let session = self.session()?;
        Ok(Identity {
            user_id: number.to_string(),
            username: text("username").unwrap_or_default(),
            email: text("email").filter(|email| !email.is_empty()),
            email_verified: false,
            roles: roles.collect(),
            claims: std::collections::BTreeMap::new(),
            // Others may sign with our key; only what has a session was authenticated here.
            amr: if session.is_some() { self.methods() } else { Vec::new() },
            session,
            issuer: None,
        })
    }
}
