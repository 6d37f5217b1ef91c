//! Refusals that are about a second factor.

use http::StatusCode;
use serde_json::{Value, json};

use super::fields::REQUIRED;
use crate::session::{CHALLENGE_LIFE, Challenge, NotAdded};

/// What is said of a code that is not good, whatever the reason.
const WRONG_CODE: &str = "This code is wrong, or was used before.";

/// What is said of a password that is not the caller's.
const WRONG_PASSWORD: &str = "Your password was entered incorrectly. Please enter it again.";

const FORBIDS: &str = "This account has a second factor, which a key of this kind would pass by. \
                       Log in for tokens instead.";

/// Why a second factor is no help, or is still due.
#[derive(Debug, thiserror::Error)]
pub(super) enum FactorError {
    /// Name and password are right, and a second factor is due.
    #[error("second factor due")]
    Due(Challenge),
    /// Name and password are right, and not enough for what they were shown for.
    #[error("not for an account with a second factor")]
    Forbids,
    /// What the second factor comes with is not good (any more).
    #[error("challenge refused")]
    BadChallenge,
    /// The code is not good, or was used before.
    #[error("code refused")]
    WrongCode,
    /// The caller has a second factor, and has not shown it.
    #[error("no code")]
    CodeMissing,
    /// The caller does not know its own password.
    #[error("password refused")]
    WrongPassword,
    /// The caller has an authenticator app already.
    #[error("there is a second factor already")]
    Exists,
    /// The caller has no second factor.
    #[error("no second factor is there")]
    Missing,
    /// The caller has no authenticator app.
    #[error("no authenticator app is there")]
    NoApp,
    /// Nobody is let in by that passkey, whatever the reason.
    #[error("passkey refused")]
    WrongPasskey,
    /// The caller may not have that passkey.
    #[error("passkey not added: {0:?}")]
    NotAdded(NotAdded),
    /// The caller has no passkey that is called so.
    #[error("no such passkey")]
    NoSuchPasskey,
}

impl FactorError {
    /// The status and the stable code of each.
    pub(super) const fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Due(_) => (StatusCode::UNAUTHORIZED, "second_factor_required"),
            Self::Forbids => (StatusCode::BAD_REQUEST, "second_factor_forbids"),
            Self::BadChallenge => (StatusCode::UNAUTHORIZED, "challenge_not_valid"),
            Self::WrongCode => (StatusCode::BAD_REQUEST, "factor_refused"),
            Self::CodeMissing => (StatusCode::BAD_REQUEST, "factor_required"),
            Self::WrongPassword => (StatusCode::BAD_REQUEST, "login_refused"),
            Self::Exists => (StatusCode::BAD_REQUEST, "factor_exists"),
            Self::Missing | Self::NoApp => (StatusCode::BAD_REQUEST, "no_factor"),
            Self::WrongPasskey => (StatusCode::BAD_REQUEST, "passkey_refused"),
            Self::NotAdded(NotAdded::Refused) => (StatusCode::BAD_REQUEST, "passkey_not_valid"),
            Self::NotAdded(NotAdded::Taken) => (StatusCode::BAD_REQUEST, "passkey_exists"),
            Self::NotAdded(NotAdded::TooMany) => (StatusCode::BAD_REQUEST, "too_many_passkeys"),
            Self::NoSuchPasskey => (StatusCode::NOT_FOUND, "not_found"),
        }
    }

    /// Whether somebody has tried what was not so.
    pub(super) const fn is_guess(&self) -> bool {
        match self {
            Self::BadChallenge | Self::WrongCode | Self::WrongPassword | Self::WrongPasskey => true,
            Self::Due(_)
            | Self::Forbids
            | Self::CodeMissing
            | Self::Exists
            | Self::Missing
            | Self::NoApp
            | Self::NotAdded(_)
            | Self::NoSuchPasskey => false,
        }
    }

    /// What the client is told.
    pub(super) fn body(&self) -> Value {
        let non_field = |text: &str| json!({ "non_field_errors": [text] });
        match self {
            Self::Due(challenge) => due(challenge, self.class().1),
            Self::Forbids => non_field(FORBIDS),
            Self::BadChallenge => json!({
                "detail": "Challenge is invalid, used or expired",
                "code": self.class().1,
            }),
            Self::WrongCode => json!({ "otp": [WRONG_CODE] }),
            Self::CodeMissing => json!({ "otp": [REQUIRED] }),
            Self::WrongPassword => json!({ "password": [WRONG_PASSWORD] }),
            Self::Exists => non_field("You have an authenticator app already. Remove it first."),
            Self::Missing => non_field("You have no second factor."),
            Self::NoApp => non_field("You have no authenticator app."),
            Self::WrongPasskey => {
                non_field("Nobody can sign in with this passkey here, or not any more.")
            }
            Self::NotAdded(why) => json!({ "credential": [not_added(*why)] }),
            Self::NoSuchPasskey => json!({ "detail": "Not found." }),
        }
    }
}

/// What is asked for, and what answers it.
fn due(challenge: &Challenge, code: &str) -> Value {
    let methods = [
        ("totp", challenge.totp),
        ("passkey", challenge.passkey.is_some()),
        ("recovery_code", challenge.recovery),
    ];
    let methods = methods.into_iter().filter_map(|(name, is_there)| is_there.then_some(name));
    let mut body = json!({
        "detail": "A second factor is required.",
        "code": code,
        "challenge": *challenge.text,
        "methods": methods.collect::<Vec<_>>(),
        "expires_in": CHALLENGE_LIFE.as_secs(),
    });
    if let (Some(passkey), Some(members)) = (&challenge.passkey, body.as_object_mut()) {
        members.insert("publicKey".to_owned(), passkey.0.clone());
    }
    body
}

const fn not_added(why: NotAdded) -> &'static str {
    match why {
        NotAdded::Refused => "This passkey could not be verified, or came too late.",
        NotAdded::Taken => "This passkey was added before.",
        NotAdded::TooMany => "You have as many passkeys as there may be. Remove one first.",
    }
}
