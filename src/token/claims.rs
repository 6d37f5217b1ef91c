//! What a token whose signature is good says, read claim by claim.

use std::time::Duration;

use serde_json::{Map, Value};

use super::TokenError;
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};

/// What a token of ours is for (`token_type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenKind {
    /// Opens routes for a short time.
    Access,
    /// Buys access tokens.
    Refresh,
    /// Both in one; off by default.
    Sliding,
}

impl TokenKind {
    /// The `token_type` claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Sliding => "sliding",
        }
    }
}

/// The claims of a token whose signature and times are good.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(super) const fn new(payload: Map<String, Value>) -> Self {
        Self(payload)
    }

    /// A claim as it stands.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// When the token ends.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoExpiry`]: a token without an end is not taken.
    pub fn expires(&self) -> Result<Timestamp, TokenError> {
        numeric_date(&self.0, "exp")?.map(NumericDate::as_timestamp).ok_or(TokenError::NoExpiry)
    }

    /// When the token was issued; the epoch if it does not say, which is before every mark.
    pub fn issued(&self) -> Timestamp {
        numeric_date(&self.0, "iat")
            .ok()
            .flatten()
            .map_or_else(Timestamp::default, NumericDate::as_timestamp)
    }

    /// The token's id.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoId`].
    pub fn id(&self) -> Result<&str, TokenError> {
        self.text("jti").ok_or(TokenError::NoId)
    }

    /// Checks that the token is one of `kinds`, and says which.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoType`] or [`TokenError::WrongType`].
    pub fn kind(&self, kinds: &[TokenKind]) -> Result<TokenKind, TokenError> {
        let found = self.0.get("token_type").ok_or(TokenError::NoType)?.as_str();
        let known = kinds.iter().find(|kind| Some(kind.as_str()) == found);
        known.copied().ok_or(TokenError::WrongType)
    }

    /// Whose token it is. Text as we write it, or a number as older issuers did.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoUser`] if the claim names nobody, [`TokenError::UnknownUser`] if it is a
    /// name that no user of ours can have.
    pub fn user(&self) -> Result<UserId, TokenError> {
        match self.0.get("user_id") {
            Some(Value::String(text)) if !text.is_empty() => {
                text.parse().map_err(|_| TokenError::UnknownUser)
            }
            Some(Value::Number(number)) => {
                number.as_u64().map(UserId).ok_or(TokenError::UnknownUser)
            }
            _ => Err(TokenError::NoUser),
        }
    }

    /// The session, if the token says one.
    ///
    /// # Errors
    ///
    /// [`TokenError::Invalid`] if the claim is there and is no session id.
    pub fn session(&self) -> Result<Option<SessionId>, TokenError> {
        match self.0.get("sid") {
            None => Ok(None),
            Some(Value::String(text)) => text.parse().map(Some).map_err(|_| TokenError::Invalid),
            Some(_) => Err(TokenError::Invalid),
        }
    }

    /// The moment until which a sliding token may be renewed.
    ///
    /// # Errors
    ///
    /// [`TokenError::NoRefreshExpiry`] if there is none.
    pub fn refresh_expires(&self) -> Result<Timestamp, TokenError> {
        let date = numeric_date(&self.0, "refresh_exp")?;
        date.map(NumericDate::as_timestamp).ok_or(TokenError::NoRefreshExpiry)
    }

    /// The moment of the login behind this token, if it says one.
    pub fn authenticated(&self) -> Option<Timestamp> {
        numeric_date(&self.0, "auth_time").ok().flatten().map(NumericDate::as_timestamp)
    }

    /// How the caller was authenticated, if the token says so (RFC 8176 section 1). A list with
    /// anything but texts in it says nothing.
    pub fn methods(&self) -> Vec<String> {
        let items = self.0.get("amr").and_then(Value::as_array);
        let texts = items.map(|items| items.iter().map(|item| item.as_str().map(str::to_owned)));
        texts.and_then(Iterator::collect::<Option<_>>).unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

/// A `NumericDate` of RFC 7519 section 2: seconds, with a fraction where the issuer likes one.
#[derive(Clone, Copy, Debug)]
struct NumericDate(f64);

impl NumericDate {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float casts saturate: before 1970 is 1970, the far future the last moment"
    )]
    fn as_timestamp(self) -> Timestamp {
        Timestamp::from_millis((self.0 * 1000.0) as u64)
    }
}

fn numeric_date(
    payload: &Map<String, Value>,
    name: &str,
) -> Result<Option<NumericDate>, TokenError> {
    match payload.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(NumericDate).map(Some).ok_or(TokenError::Invalid),
    }
}

/// Checks types and values of the registered claims (RFC 7519 section 4.1), each only where it
/// is there: what must be there is for the caller to say, since the order of complaints is part
/// of the wire contract.
pub(super) fn check_registered(
    payload: &Map<String, Value>,
    now: Timestamp,
    leeway: Duration,
) -> Result<(), TokenError> {
    let text_or_absent = |name| match payload.get(name) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(TokenError::Invalid),
    };
    if let Some(expires) = numeric_date(payload, "exp")?
        && expires.as_timestamp().plus(leeway) <= now
    {
        return Err(TokenError::Expired);
    }
    for name in ["nbf", "iat"] {
        if let Some(from) = numeric_date(payload, name)?
            && from.as_timestamp() > now.plus(leeway)
        {
            return Err(TokenError::Invalid);
        }
    }
    text_or_absent("jti")?;
    text_or_absent("sub")
}

/// Whether `aud` names `audience`: as the text itself, or in a list of texts.
pub(super) fn has_audience(payload: &Map<String, Value>, audience: &str) -> bool {
    match payload.get("aud") {
        Some(Value::String(text)) => text == audience,
        Some(Value::Array(items)) => {
            items.iter().all(Value::is_string) && items.iter().any(|item| item == audience)
        }
        _ => false,
    }
}
