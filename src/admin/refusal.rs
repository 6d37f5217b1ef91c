//! Why an operator's command was not carried out.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::audit::AuditError;
use crate::causes::chain;
use crate::keys::KeyError;
use crate::mail::MailError;
use crate::password::PasswordError;
use crate::session::AccountError;

/// A command that was not carried out. `Display` is for the operator.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What happened, and what to do.
    pub detail: String,
    /// Which sort of refusal it is.
    #[serde(rename = "code")]
    pub kind: RefusalKind,
}

/// The sorts of refusal; each has its status on the socket.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// What was asked for is not possible; ask for something else.
    Invalid,
    /// No such user, or whatever was named.
    NotFound,
    /// Somebody has that name.
    NameTaken,
    /// Somebody has that address, and may have it alone.
    EmailTaken,
    /// The keys are the configuration's; change them there.
    NotOurs,
    /// The request to the socket is none.
    BadRequest,
    /// The request shows no token, or another one.
    Unauthorized,
    /// It is not for whoever asks.
    Forbidden,
    /// Not now: the same command may succeed later.
    Unavailable,
}

impl RefusalKind {
    /// Its name on the socket and in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::NameTaken => "name_taken",
            Self::EmailTaken => "email_taken",
            Self::NotOurs => "not_ours",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
        }
    }

    /// The status on the socket.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NameTaken | Self::EmailTaken | Self::NotOurs => StatusCode::CONFLICT,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Refusal {
    /// One of that sort.
    pub fn new(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), kind }
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, detail)
    }
}

/// Nothing was done: an act that leaves no trace is none for operators.
impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        Self::new(RefusalKind::Unavailable, format!("{error}; nothing was changed"))
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        if let AccountError::Password(PasswordError::Busy(_)) = error {
            let detail = "too many passwords are being hashed now; try again";
            return Self::new(RefusalKind::Unavailable, detail);
        }
        Self::new(RefusalKind::Unavailable, chain(&error))
    }
}

impl From<MailError> for Refusal {
    fn from(error: MailError) -> Self {
        Self::new(RefusalKind::Unavailable, chain(&error))
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        let kind = match error {
            KeyError::NotOurs => RefusalKind::NotOurs,
            KeyError::NotPem
            | KeyError::WrongKind(_)
            | KeyError::ShortSecret
            | KeyError::NoRandomness
            | KeyError::NotFetched
            | KeyError::Missing(_)
            | KeyError::Foreign(_)
            | KeyError::Newer(_)
            | KeyError::Exposed(_)
            | KeyError::Damaged
            | KeyError::NotShared
            | KeyError::NoneShared
            | KeyError::Sealed
            | KeyError::Store(_)
            | KeyError::Contended
            | KeyError::Apart(_)
            | KeyError::Io { .. } => RefusalKind::Unavailable,
        };
        Self::new(kind, chain(&error))
    }
}
