//! Why a credential is refused, and what its owner is told.
//!
//! The texts are those of DRF and `SimpleJWT`, to the letter: clients compare them.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::keys::KeyError;
use crate::store::StoreError;
use crate::token::{TokenError, VerifyError};

/// `{"detail": ...}`, made when this is compiled: refusing must cost less than letting in.
macro_rules! plain {
    ($detail:literal) => {
        concat!(r#"{"detail":""#, $detail, r#""}"#)
    };
}

/// The same with a `code`.
macro_rules! coded {
    ($detail:literal, $code:literal) => {
        concat!(r#"{"detail":""#, $detail, r#"","code":""#, $code, r#""}"#)
    };
}

/// A refused token, in the form for the place where it was presented.
macro_rules! refused {
    ($message:literal, $presented:expr) => {
        match $presented {
            Presented::Body => coded!($message, "token_not_valid"),
            Presented::Header { sliding: false } => {
                concat!(refused!(@start $message), "]}")
            }
            Presented::Header { sliding: true } => concat!(
                refused!(@start $message),
                r#",{"token_class":"SlidingToken","token_type":"sliding","message":""#,
                $message,
                r#""}]}"#
            ),
        }
    };
    (@start $message:literal) => {
        concat!(
            r#"{"detail":"Given token not valid for any token type","code":"token_not_valid","#,
            r#""messages":[{"token_class":"AccessToken","token_type":"access","message":""#,
            $message,
            r#""}"#
        )
    };
}

/// Why a credential opens nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// `Bearer` without a token, or with several words.
    #[error("malformed Authorization header")]
    BrokenHeader,
    /// `Token` without a key.
    #[error("empty Token credential")]
    EmptyKey,
    /// `Token` with several words.
    #[error("Token credential with spaces")]
    SpacedKey,
    /// Two `Authorization` fields.
    #[error("more than one Authorization header")]
    Several,
    /// The token itself is not good.
    #[error("token refused: {0}")]
    Token(#[from] TokenError),
    /// The token's user does not exist (any more).
    #[error("user not found")]
    UserNotFound,
    /// The token's user is disabled.
    #[error("user is inactive")]
    UserInactive,
    /// The token is from before the last password change.
    #[error("password changed since the token was issued")]
    PasswordChanged,
    /// The session of the token was ended.
    #[error("session ended")]
    Revoked,
    /// A spent refresh token came back: its session was ended now.
    #[error("refresh token used again")]
    Reused,
    /// No user has that API key.
    #[error("unknown API key")]
    UnknownKey,
    /// The API key's user is disabled.
    #[error("user of the API key is inactive")]
    KeyUserInactive,
    /// Not a key that a user made, or one that was revoked.
    #[error("unknown or revoked key")]
    BadUserKey,
    /// A key that a user made, too long ago.
    #[error("key expired")]
    UserKeyExpired,
    /// A ticket that is unknown, used, too old, or for another route.
    #[error("ticket unknown, used, expired or for another route")]
    Ticket,
    /// The store could not answer: nothing is known about the caller.
    #[error("store failed during authentication")]
    Store(#[from] StoreError),
    /// The store is shared, and nothing was heard for too long of what others have changed in it.
    #[error("nothing is known of what other gateways have changed lately")]
    Stale,
    /// The keys could not be used.
    #[error("keys failed during authentication")]
    Keys(#[from] KeyError),
}

impl From<VerifyError> for AuthError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => Self::Token(error),
            VerifyError::Keys(error) => Self::Keys(error),
        }
    }
}

/// Where a refused token was presented: the wording differs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presented {
    /// In the `Authorization` header; the flag of sliding tokens names their class as well.
    Header {
        /// Whether sliding tokens are accepted.
        sliding: bool,
    },
    /// In the body of a request to a token endpoint.
    Body,
}

/// A status and the JSON that goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// `Retry-After`, for 503.
    pub retry_after: Option<Duration>,
}

impl AuthError {
    /// The stable code of a refusal, for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BrokenHeader => "bad_authorization_header",
            Self::EmptyKey | Self::SpacedKey | Self::UnknownKey => "bad_api_key",
            Self::BadUserKey => "api_key_not_valid",
            Self::UserKeyExpired => "api_key_expired",
            Self::Several => "several_credentials",
            Self::Token(TokenError::UnknownUser) | Self::UserNotFound => "user_not_found",
            Self::Token(TokenError::Expired) => "token_expired",
            Self::Token(_) => "token_not_valid",
            Self::UserInactive | Self::KeyUserInactive => "user_inactive",
            Self::PasswordChanged => "password_changed",
            Self::Revoked => "session_ended",
            Self::Reused => "refresh_token_reused",
            Self::Ticket => "ticket_not_valid",
            Self::Store(_) => "store_unavailable",
            Self::Stale => "store_stale",
            Self::Keys(_) => "keys_unavailable",
        }
    }

    /// The status of the refusal.
    pub const fn status(&self) -> StatusCode {
        match self {
            // Trying again will not mend a record that cannot be read.
            Self::Store(StoreError::Corrupt { .. }) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Store(StoreError::Unavailable(_) | StoreError::HandedOver)
            | Self::Stale
            | Self::Keys(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::BrokenHeader
            | Self::EmptyKey
            | Self::SpacedKey
            | Self::Several
            | Self::Token(_)
            | Self::UserNotFound
            | Self::UserInactive
            | Self::PasswordChanged
            | Self::Revoked
            | Self::Reused
            | Self::UnknownKey
            | Self::KeyUserInactive
            | Self::BadUserKey
            | Self::UserKeyExpired
            | Self::Ticket => StatusCode::UNAUTHORIZED,
        }
    }

    /// What the client is told, in JSON. Nothing of the cause beyond the fixed texts.
    pub fn body(&self, presented: Presented) -> &'static str {
        match self {
            Self::BrokenHeader => coded!(
                "Authorization header must contain two space-delimited values",
                "bad_authorization_header"
            ),
            Self::EmptyKey => plain!("Invalid token header. No credentials provided."),
            Self::SpacedKey => {
                plain!("Invalid token header. Token string should not contain spaces.")
            }
            Self::Several => {
                coded!("There must be only one Authorization header", "bad_authorization_header")
            }
            Self::Token(TokenError::UnknownUser) | Self::UserNotFound => {
                coded!("User not found", "user_not_found")
            }
            Self::Token(error) => token_refused(*error, presented),
            Self::UserInactive => match presented {
                Presented::Header { .. } => coded!("User is inactive", "user_inactive"),
                Presented::Body => plain!("No active account found for the given token."),
            },
            Self::PasswordChanged => {
                coded!("The user's password has been changed.", "password_changed")
            }
            Self::Revoked | Self::Reused => refused!("Token is blacklisted", presented),
            Self::UnknownKey => plain!("Invalid token."),
            Self::KeyUserInactive => plain!("User inactive or deleted."),
            Self::BadUserKey => coded!("API key is invalid or revoked", "api_key_not_valid"),
            Self::UserKeyExpired => coded!("API key has expired", "api_key_expired"),
            Self::Ticket => coded!("Ticket is invalid, used or expired", "ticket_not_valid"),
            Self::Store(StoreError::Corrupt { .. }) => coded!("A server error occurred.", "error"),
            Self::Store(StoreError::Unavailable(_) | StoreError::HandedOver)
            | Self::Stale
            | Self::Keys(_) => UNAVAILABLE,
        }
    }

    /// Status, body and waiting time in one.
    pub fn answer(&self, presented: Presented) -> Answer {
        let status = self.status();
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(LATER);
        Answer { status, body: value(self.body(presented)), retry_after }
    }
}

impl Answer {
    /// 503 for what may work again in a moment.
    pub fn unavailable() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, body: value(UNAVAILABLE), retry_after: Some(LATER) }
    }
}

const LATER: Duration = Duration::from_secs(1);
const UNAVAILABLE: &str =
    coded!("Service temporarily unavailable, try again later.", "unavailable");

fn value(json: &str) -> Value {
    // Every text here is JSON, as a test says.
    serde_json::from_str(json).unwrap_or_default()
}

/// The texts of [`TokenError`]'s `Display`.
const fn token_refused(error: TokenError, presented: Presented) -> &'static str {
    match error {
        TokenError::Invalid => refused!("Token is invalid", presented),
        TokenError::Expired => refused!("Token is expired", presented),
        TokenError::NoExpiry => refused!("Token has no 'exp' claim", presented),
        TokenError::NoId => refused!("Token has no id", presented),
        TokenError::NoType => refused!("Token has no type", presented),
        TokenError::WrongType => refused!("Token has wrong type", presented),
        TokenError::NoUser => {
            coded!("Token contained no recognizable user identification", "token_not_valid")
        }
        TokenError::UnknownUser => coded!("User not found", "user_not_found"),
        TokenError::NoRefreshExpiry => refused!("Token has no 'refresh_exp' claim", presented),
        TokenError::RefreshExpired => refused!("Token 'refresh_exp' claim has expired", presented),
    }
}

#[cfg(test)]
mod tests;
