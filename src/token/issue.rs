//! Makes tokens.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::{TokenKind, TokenSettings};
use crate::clock::Timestamp;
use crate::identity::{MFA, PASSWORD_AND_CODE, SessionId, UserId};
use crate::keys::{KeyError, KeyRing};
use crate::store::SecondFactor;

/// What goes into a token beside the settings.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// What it is for.
    pub kind: TokenKind,
    /// Its id; see [`new_id`].
    pub id: &'a str,
    /// Whose it is.
    pub user: UserId,
    /// The login it comes from.
    pub session: SessionId,
    /// When that login was; `None` where nobody showed a password here.
    pub authenticated: Option<Timestamp>,
    /// `iat`.
    pub issued: Timestamp,
    /// `exp`.
    pub expires: Timestamp,
    /// `refresh_exp` of a sliding token.
    pub refresh_expires: Option<Timestamp>,
    /// What was shown beside the password at that login, if anything was.
    pub second: Option<SecondFactor>,
    /// The account's facts, for those who verify tokens elsewhere. Refresh tokens have none.
    pub profile: Option<Profile<'a>>,
}

/// What an access token says of its user.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// The login name.
    pub username: &'a str,
    /// The address; may be empty.
    pub email: &'a str,
    /// Role names.
    pub roles: &'a [String],
}

/// The claims in the order in which the original has them, ours behind.
#[derive(Serialize)]
struct Payload<'a> {
    token_type: &'static str,
    exp: u64,
    iat: u64,
    jti: &'a str,
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_exp: Option<u64>,
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'static str>,
}

/// A passkey beside the password: a key is theirs. In which hardware it is, if in any, nobody was asked.
const PASSWORD_AND_PASSKEY: [&str; 3] = ["pwd", "pop", MFA];

/// A passkey alone: a key is theirs, and they have shown to whatever keeps it that they may use it.
const PASSKEY_ALONE: [&str; 3] = ["pop", "user", MFA];

/// How somebody was authenticated who has shown that beside the password, or in its place (RFC 8176
/// section 2).
pub const fn methods(second: SecondFactor) -> &'static [&'static str] {
    match second {
        SecondFactor::Totp | SecondFactor::RecoveryCode => &PASSWORD_AND_CODE,
        SecondFactor::Passkey => &PASSWORD_AND_PASSKEY,
        SecondFactor::PasskeyAlone => &PASSKEY_ALONE,
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// Signs tokens with the current key.
#[derive(Debug)]
pub struct Signer {
    keys: Arc<KeyRing>,
    settings: TokenSettings,
}

impl Signer {
    /// A signer that writes `iss` and `aud` as `settings` say.
    pub const fn new(keys: Arc<KeyRing>, settings: TokenSettings) -> Self {
        Self { keys, settings }
    }

    /// How long tokens live.
    pub const fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    pub(super) fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The signed token.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; answer 503.
    pub fn sign(&self, grant: &Grant<'_>) -> Result<String, KeyError> {
        let payload = Payload {
            token_type: grant.kind.as_str(),
            exp: grant.expires.as_secs(),
            iat: grant.issued.as_secs(),
            jti: grant.id,
            user_id: grant.user.to_string(),
            refresh_exp: grant.refresh_expires.map(Timestamp::as_secs),
            sid: grant.session.to_string(),
            auth_time: grant.authenticated.map(Timestamp::as_secs),
            username: grant.profile.map(|profile| profile.username),
            email: grant.profile.map(|profile| profile.email),
            roles: grant.profile.map(|profile| profile.roles),
            iss: self.settings.issuer.as_deref(),
            aud: self.settings.audience.as_deref(),
            amr: grant.second.map(methods),
            acr: grant.second.map(|_| MFA),
        };
        self.keys.note_issued(grant.issued);
        self.keys.sign(|kid, algorithm| {
            let header = Header { alg: algorithm.as_str(), typ: "JWT", kid };
            format!("{}.{}", part(&header), part(&payload))
        })
    }
}

pub(super) fn part(value: &impl Serialize) -> String {
    // Plain structs of numbers and texts: nothing in them can fail to become JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// A fresh token id: 128 random bits in hex.
///
/// # Errors
///
/// [`KeyError::NoRandomness`]; answer 503.
pub fn new_id() -> Result<String, KeyError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|_| KeyError::NoRandomness)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}
