//! Second factors, as they are written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Hidden;
use super::incoming::from_hex;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::session::{RECOVERY_CODES, hex};
use crate::store::{Factors, PASSKEYS, Passkey, SecondFactor, Totp};

/// Most bytes of a sealed secret.
const SEALED: usize = 256;

/// The second factors of a user, as written. Without the key ring nobody can make a code of them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FactorsRecord {
    /// The secret of the authenticator app, encrypted by the key ring, in base64; left out: there is
    /// no such app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp: Option<Hidden>,
    /// When it was made.
    #[serde(default)]
    pub created: u64,
    /// When a code confirmed it; left out: nobody is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<u64>,
    /// The last time step whose code was used.
    #[serde(default)]
    pub step: u64,
    /// SHA-256 of the recovery codes that were not used, in hex.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovery: Vec<String>,
    /// In the order in which they were added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passkeys: Vec<PasskeyRecord>,
}

/// A passkey, as written. Bytes are in base64.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PasskeyRecord {
    /// What the authenticator calls it.
    pub credential: String,
    /// The public key, in COSE's form.
    pub key: String,
    /// What the authenticator calls the user.
    pub handle: String,
    /// How often it has signed, as far as the authenticator counts.
    #[serde(default)]
    pub count: u32,
    /// Whether it may be on several devices.
    #[serde(default)]
    pub may_be_copied: bool,
    /// Whether it was.
    #[serde(default)]
    pub is_copied: bool,
    /// What the user calls it.
    #[serde(default)]
    pub name: String,
    /// When it was added.
    pub created: u64,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// What was shown beside a password, as written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondRecord {
    /// See [`SecondFactor::Totp`].
    Totp,
    /// See [`SecondFactor::RecoveryCode`].
    RecoveryCode,
    /// See [`SecondFactor::Passkey`].
    Passkey,
    /// See [`SecondFactor::PasskeyAlone`].
    PasskeyAlone,
}

impl FactorsRecord {
    /// The factors that are meant. They are sealed for the user of that id, and nobody else.
    pub(super) fn into_factors(self, user: UserId) -> Result<Factors, String> {
        if user.0 == 0 {
            return Err("second factors belong to a user with an id".to_owned());
        }
        let damaged = "the second factors are damaged";
        let sealed = |totp: Hidden| {
            STANDARD.decode(totp.0).ok().filter(|it| it.len() <= SEALED).ok_or(damaged)
        };
        let sealed = self.totp.map(sealed).transpose()?;
        let recovery = self.recovery.iter().map(|hash| from_hex(hash)).collect::<Option<Vec<_>>>();
        let recovery = recovery.filter(|codes| codes.len() <= RECOVERY_CODES);
        let passkeys = self.passkeys.into_iter().map(PasskeyRecord::into_passkey);
        let passkeys = passkeys.collect::<Option<Vec<_>>>();
        let passkeys = passkeys.filter(|passkeys| passkeys.len() <= PASSKEYS);
        let (recovery, passkeys) = recovery.zip(passkeys).ok_or(damaged)?;
        let at = Timestamp::from_millis;
        let (created, confirmed) = (at(self.created), self.confirmed.map(at));
        let totp = sealed.map(|sealed| Totp { sealed, created, confirmed, step: self.step });
        Ok(Factors { totp, recovery, passkeys })
    }
}

impl From<Factors> for FactorsRecord {
    fn from(Factors { totp, recovery, passkeys }: Factors) -> Self {
        let totp = totp.as_ref();
        Self {
            totp: totp.map(|totp| Hidden(STANDARD.encode(&totp.sealed))),
            created: totp.map_or(0, |totp| totp.created.as_millis()),
            confirmed: totp.and_then(|totp| totp.confirmed).map(Timestamp::as_millis),
            step: totp.map_or(0, |totp| totp.step),
            recovery: recovery.iter().map(|hash| hex(hash)).collect(),
            passkeys: passkeys.into_iter().map(Into::into).collect(),
        }
    }
}

impl PasskeyRecord {
    fn into_passkey(self) -> Option<Passkey> {
        let bytes = |text: &str, most| {
            let bytes = STANDARD.decode(text).ok();
            bytes.filter(|bytes| !bytes.is_empty() && bytes.len() <= most)
        };
        Some(Passkey {
            credential: bytes(&self.credential, Passkey::LONGEST_CREDENTIAL)?,
            key: bytes(&self.key, Passkey::LONGEST_KEY)?,
            handle: bytes(&self.handle, Passkey::LONGEST_HANDLE)?,
            count: self.count,
            may_be_copied: self.may_be_copied,
            is_copied: self.is_copied,
            name: self.name,
            created: Timestamp::from_millis(self.created),
            used: self.used.map(Timestamp::from_millis),
        })
    }
}

impl From<Passkey> for PasskeyRecord {
    fn from(passkey: Passkey) -> Self {
        Self {
            credential: STANDARD.encode(&passkey.credential),
            key: STANDARD.encode(&passkey.key),
            handle: STANDARD.encode(&passkey.handle),
            count: passkey.count,
            may_be_copied: passkey.may_be_copied,
            is_copied: passkey.is_copied,
            name: passkey.name,
            created: passkey.created.as_millis(),
            used: passkey.used.map(Timestamp::as_millis),
        }
    }
}

impl From<SecondFactor> for SecondRecord {
    fn from(second: SecondFactor) -> Self {
        match second {
            SecondFactor::Totp => Self::Totp,
            SecondFactor::RecoveryCode => Self::RecoveryCode,
            SecondFactor::Passkey => Self::Passkey,
            SecondFactor::PasskeyAlone => Self::PasskeyAlone,
        }
    }
}

impl From<SecondRecord> for SecondFactor {
    fn from(second: SecondRecord) -> Self {
        match second {
            SecondRecord::Totp => Self::Totp,
            SecondRecord::RecoveryCode => Self::RecoveryCode,
            SecondRecord::Passkey => Self::Passkey,
            SecondRecord::PasskeyAlone => Self::PasskeyAlone,
        }
    }
}
