//! The numbers by which backends write down what is one of a few. They are for ever: never reuse
//! one, never change what it means.

use super::factor::SecondFactor;
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
            Self::FactorAdded => 5,
            Self::FactorRemoved => 6,
            Self::RecoveryCodesMade => 7,
            Self::PasskeyAdded => 8,
            Self::PasskeyRemoved => 9,
            Self::AppRemoved => 10,
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
            5 => Self::FactorAdded,
            6 => Self::FactorRemoved,
            7 => Self::RecoveryCodesMade,
            8 => Self::PasskeyAdded,
            9 => Self::PasskeyRemoved,
            10 => Self::AppRemoved,
            _ => return None,
        })
    }
}

impl Purpose {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Password => 0,
            Self::Email => 1,
            Self::Challenge => 2,
        }
    }
}

impl SecondFactor {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Totp => 1,
            Self::RecoveryCode => 2,
            Self::Passkey => 3,
            Self::PasskeyAlone => 4,
        }
    }

    /// `None` for one that a newer binary knows: what nobody knows is no second factor.
    pub(super) const fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Totp),
            2 => Some(Self::RecoveryCode),
            3 => Some(Self::Passkey),
            4 => Some(Self::PasskeyAlone),
            _ => None,
        }
    }
}
