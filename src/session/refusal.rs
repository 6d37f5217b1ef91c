//! Why a credential is refused, and what its owner is told.
//!
//! The texts are those of DRF and `SimpleJWT`, to the letter: clients compare them.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::keys::KeyError;
use crate::store::StoreError;
use crate::token::TokenError;

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
    /// A ticket that is unknown, used, too old, or for another route.
    #[error("ticket unknown, used, expired or for another route")]
    Ticket,
    /// The store could not answer: nothing is known about the caller.
    #[error("store failed during authentication")]
    Store(#[from] StoreError),
    /// The keys could not be used.
    #[error("keys failed during authentication")]
    Keys(#[from] KeyError),
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
            Self::Keys(_) => "keys_unavailable",
        }
    }

    /// What the client is told. Nothing of the cause beyond the fixed texts.
    pub fn answer(&self, presented: Presented) -> Answer {
        let body = match self {
            Self::BrokenHeader => coded(
                "Authorization header must contain two space-delimited values",
                "bad_authorization_header",
            ),
            Self::EmptyKey => plain("Invalid token header. No credentials provided."),
            Self::SpacedKey => {
                plain("Invalid token header. Token string should not contain spaces.")
            }
            Self::Several => {
                coded("There must be only one Authorization header", "bad_authorization_header")
            }
            Self::Token(TokenError::NoUser) => {
                coded(&TokenError::NoUser.to_string(), "token_not_valid")
            }
            Self::Token(TokenError::UnknownUser) | Self::UserNotFound => {
                coded("User not found", "user_not_found")
            }
            Self::Token(error) => token_refused(&error.to_string(), presented),
            Self::UserInactive => match presented {
                Presented::Header { .. } => coded("User is inactive", "user_inactive"),
                Presented::Body => plain("No active account found for the given token."),
            },
            Self::PasswordChanged => {
                coded("The user's password has been changed.", "password_changed")
            }
            Self::Revoked | Self::Reused => token_refused("Token is blacklisted", presented),
            Self::UnknownKey => plain("Invalid token."),
            Self::KeyUserInactive => plain("User inactive or deleted."),
            Self::Ticket => coded("Ticket is invalid, used or expired", "ticket_not_valid"),
            Self::Store(error) => return unavailable(error),
            Self::Keys(_) => return Answer::unavailable(),
        };
        Answer { status: StatusCode::UNAUTHORIZED, body, retry_after: None }
    }
}

impl Answer {
    /// 503 for what may work again in a moment.
    pub fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            body: coded("Service temporarily unavailable, try again later.", "unavailable"),
            retry_after: Some(Duration::from_secs(1)),
        }
    }
}

/// 503 while the store cannot answer, 500 for a record that cannot be read: trying again will
/// not mend that one.
fn unavailable(error: &StoreError) -> Answer {
    match error {
        StoreError::Corrupt { .. } => Answer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            body: coded("A server error occurred.", "error"),
            retry_after: None,
        },
        StoreError::Unavailable(_) => Answer::unavailable(),
    }
}

fn plain(detail: &str) -> Value {
    json!({ "detail": detail })
}

fn coded(detail: &str, code: &str) -> Value {
    json!({ "detail": detail, "code": code })
}

fn token_refused(message: &str, presented: Presented) -> Value {
    let Presented::Header { sliding } = presented else {
        return coded(message, "token_not_valid");
    };
    let mut messages =
        vec![json!({"token_class": "AccessToken", "token_type": "access", "message": message})];
    if sliding {
        messages.push(
            json!({"token_class": "SlidingToken", "token_type": "sliding", "message": message}),
        );
    }
    json!({
        "detail": "Given token not valid for any token type",
        "code": "token_not_valid",
        "messages": messages,
    })
}
