//! Why a token is not taken elsewhere.

use std::time::Duration;

use http::StatusCode;

use crate::token::TokenError;

/// Why a token is not taken.
///
/// ```
/// use portcullis::verifier::{TokenError, VerifyError};
///
/// /// Fails closed, as a caller does that does not want to decide.
/// fn status(error: &VerifyError) -> u16 {
///     error.status().as_u16()
/// }
///
/// assert_eq!(status(&VerifyError::Token(TokenError::Expired)), 401);
/// assert_eq!(status(&VerifyError::Revoked), 401);
/// assert_eq!(status(&VerifyError::Silent(None)), 503);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// It is none of ours, or its time is over; answer 401.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It was good and is so no more: its session has ended, or its user is shut out; answer 401.
    #[error("token taken back")]
    Revoked,
    /// The feed has been silent for this long, or from the beginning, so that nobody knows what was
    /// taken back meanwhile. Answer 503, or let in by the signature alone whom you can afford to
    /// ([`Verifier::verify_signature`](super::Verifier::verify_signature)).
    #[error("nothing heard from the gateway's feed{}", since(*.0))]
    Silent(Option<Duration>),
    /// The keys are not there, and cannot be fetched; answer 503.
    #[error("no keys to verify with")]
    NoKeys,
    /// Something has changed about the user since the token was issued, and the gateway cannot be
    /// asked what; answer 503.
    #[error("the gateway cannot be asked about the token")]
    Unasked,
}

fn since(silent: Option<Duration>) -> String {
    silent.map(|time| format!(" for {} s", time.as_secs())).unwrap_or_default()
}

impl VerifyError {
    /// What to answer, where nothing else is decided: 401 or 503.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Token(_) | Self::Revoked => StatusCode::UNAUTHORIZED,
            Self::Silent(_) | Self::NoKeys | Self::Unasked => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}
