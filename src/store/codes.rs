//! The numbers by which backends write down what is one of a few. They are for ever: never reuse
//! one, never change what it means.

use super::mail::{LetterKind, Purpose};
use super::record::EndReason;

impl EndReason {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Operator => 0,
            Self::LoggedOut => 1,
            Self::Reused => 2,
        }
    }

    /// A reason of a newer version counts as the operator's: the session is over all the same.
    pub(super) const fn of_code(code: u8) -> Self {
        match code {
            1 => Self::LoggedOut,
            2 => Self::Reused,
            _ => Self::Operator,
        }
    }
}

impl LetterKind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Reset => 0,
            Self::Verify => 1,
            Self::NewEmail => 2,
            Self::EmailChanged => 3,
            Self::PasswordChanged => 4,
        }
    }

    /// `None` for a letter of a kind that a newer binary knows.
    pub(super) const fn of_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Reset,
            1 => Self::Verify,
            2 => Self::NewEmail,
            3 => Self::EmailChanged,
            4 => Self::PasswordChanged,
            _ => return None,
        })
    }
}

impl Purpose {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Password => 0,
            Self::Email => 1,
        }
    }
}
