//! The key ring: one key that signs, all that still verify.

mod opening;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk;
use tokio::sync::watch;

use super::held::Keys;
use super::home::{Home, Kept, from_when};
use super::ring_file::{alive, insert_current};
use super::seal::Seal;
use super::{Algorithm, KeyError, KeySettings, KeySource};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// What `key list` shows of one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyInfo {
    /// Its name in token headers.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it was made; `None` for keys from the configuration.
    pub created: Option<Timestamp>,
    /// Since when it only verifies; `None` for the current one.
    pub retired: Option<Timestamp>,
    /// From when on it signs, where that is yet to come.
    pub signs_from: Option<Timestamp>,
}

/// How often a ring is read anew that somebody else has replaced meanwhile.
const TRIES: u32 = 8;

/// The keys of our own tokens.
#[derive(Debug)]
pub struct KeyRing {
    settings: KeySettings,
    home: Home,
    /// How long after retiring a key may still have living tokens.
    outlived_by: Mutex<Duration>,
    seal: Seal,
    rotating: Mutex<()>,
    keys: RwLock<Arc<Keys>>,
    /// Moved when they are others.
    changes: watch::Sender<()>,
    /// The latest moment that a token says it was issued at, in milliseconds since 1970.
    issued: AtomicU64,
}

impl KeyRing {
    fn keys(&self) -> Arc<Keys> {
        // A reader cannot leave the Arc half written, so a poisoned lock is still good.
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The signature of the current key under `message`, in base64url.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; answer 503.
    pub fn sign(
        &self,
        message: impl FnOnce(&str, Algorithm) -> String,
    ) -> Result<String, KeyError> {
        let keys = self.keys();
        let current = &keys.signing.verifying;
        let mut token = message(&current.kid, current.algorithm);
        let signature = keys.signing.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }

    /// Whether one of our keys that goes by `kid` made `signature` under `message` with
    /// `algorithm`. A token without `kid` may be signed with any of our keys.
    pub fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &str,
    ) -> bool {
        self.keys()
            .verifying
            .iter()
            .filter(|key| key.algorithm == algorithm && kid.is_none_or(|kid| key.kid == kid))
            .any(|key| key.verify(message, signature))
    }

    /// The public keys, as `/.well-known/jwks.json` shows them. Shared secrets are not in it.
    pub fn jwks(&self) -> jwk::JwkSet {
        jwk::JwkSet { keys: self.keys().verifying.iter().filter_map(|k| k.jwk.clone()).collect() }
    }

    /// Hears from now on when there are other keys.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Notes that a token says it was issued at that moment.
    pub(crate) fn note_issued(&self, at: Timestamp) {
        self.issued.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// The latest moment that a token of this process says it was issued at, whatever became of the
    /// clock since.
    pub(crate) fn last_issued(&self) -> Timestamp {
        Timestamp::from_millis(self.issued.load(Ordering::Relaxed))
    }

    /// Every key, the current one first.
    pub fn list(&self) -> Vec<KeyInfo> {
        self.keys().infos.clone()
    }

    /// Tokens may live that long from now on: a key that is retired later is kept for it, as it is
    /// for those that were made to live longer before.
    pub fn serve_tokens_of(&self, life: Duration) {
        let mut longest = self.outlived_by.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = life.max(*longest);
    }

    /// Makes a new signing key; the old one goes on verifying until its last token is dead. Where many
    /// gateways have the ring, the new one is known to all of them before it signs. It blocks.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotOurs`] if the key is the operator's; otherwise nothing was changed.
    pub fn rotate(&self, now: Timestamp) -> Result<KeyInfo, KeyError> {
        if !matches!(self.settings.source, KeySource::Made) {
            return Err(KeyError::NotOurs);
        }
        // Held over the write, so that two rotations cannot lose each other's key; nobody who
        // signs or verifies waits for it.
        let _alone = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = self.longest();
        for _ in 0..TRIES {
            let kept = self.home.read(&self.settings)?;
            let kept = kept.ok_or_else(|| self.home.missing(&self.settings))?;
            let Kept { mut file, version } = kept;
            file.keys.retain(|key| alive(key, longest, now));
            let at = from_when(now, self.home.lead());
            insert_current(&mut file.keys, self.settings.algorithm, at)?;
            // Before it is written: one that cannot be used is kept nowhere.
            let mut fresh =
                Keys::assemble(&self.settings, file.keys.clone(), version, longest, now)?;
            let info = fresh.newest().cloned().ok_or(KeyError::Damaged)?;
            if let Some(version) = self.home.write(&self.settings, &file, version)? {
                fresh.version = version;
                self.replace(fresh);
                return Ok(info);
            }
        }
        Err(KeyError::Contended)
    }

    /// Takes up the ring as it is in a store that others have as well. It blocks.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; the keys are those that they were. Try again.
    pub fn reload(&self, now: Timestamp) -> Result<(), KeyError> {
        if !self.is_shared() {
            return Ok(());
        }
        let _alone = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.home.read(&self.settings)?;
        let Kept { file, version } = kept.ok_or_else(|| self.home.missing(&self.settings))?;
        if version == self.keys().version {
            return Ok(());
        }
        if !self.seal.is_of(&file.seal) {
            return Err(KeyError::Damaged);
        }
        let longest = self.longest();
        self.replace(Keys::assemble(&self.settings, file.keys, version, longest, now)?);
        Ok(())
    }

    /// Has the key sign whose time has come. Costs a look at the clock's hand.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; the keys are those that they were.
    pub fn tend(&self, now: Timestamp) -> Result<(), KeyError> {
        if !self.keys().is_due(now) {
            return Ok(());
        }
        let _alone = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = self.keys();
        let (made, longest) = (keys.made.clone(), self.longest());
        self.replace(Keys::assemble(&self.settings, made, keys.version, longest, now)?);
        Ok(())
    }

    /// Whether others may put another ring in the place of this one.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self.home, Home::Shared(_))
    }

    /// Whether a key of ours goes by that name.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.keys().verifying.iter().any(|key| key.kid == kid)
    }

    fn longest(&self) -> Duration {
        *self.outlived_by.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.changes.send_replace(());
    }

    /// The key file as it is now, for a backup; `None` where the keys are in memory only.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn file(&self) -> Result<Option<Secret>, KeyError> {
        // Not while another one is written.
        let _alone = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.home.read(&self.settings)?.map(|kept| kept.file.to_secret()))
    }

    /// A key of the ring's own for `purpose`, always the same, also after a rotation.
    pub fn derive(&self, purpose: &str) -> Secret {
        self.seal.derive(purpose)
    }

    /// Encrypts a secret that the store keeps and shows again. `context` says what it is.
    ///
    /// # Errors
    ///
    /// [`KeyError::NoRandomness`]; answer 503.
    pub fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, KeyError> {
        self.seal.seal(plain, context)
    }

    /// Decrypts what [`KeyRing::seal`] made; `None` if it is damaged or of another ring.
    pub fn unseal(&self, sealed: &[u8], context: &str) -> Option<Secret> {
        self.seal.open(sealed, context)
    }
}
