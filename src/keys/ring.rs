//! The key ring: one key that signs, all that still verify.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk;
use tokio::sync::watch;

use super::pair::{SigningKey, VerifyingKey};
use super::ring_file::{MadeKey, RingFile, alive, ensure_current, insert_current};
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
}

/// The keys of our own tokens.
#[derive(Debug)]
pub struct KeyRing {
    settings: KeySettings,
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

#[derive(Debug)]
struct Keys {
    signing: SigningKey,
    /// The signing key's own half first.
    verifying: Vec<VerifyingKey>,
    infos: Vec<KeyInfo>,
}

impl KeyRing {
    /// Reads the keys, and makes those that are missing and ours to make.
    ///
    /// `longest` is the longest life of a token: a retired key is kept for that long.
    ///
    /// # Errors
    ///
    /// [`KeyError`]; nothing was overwritten.
    pub fn open(
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let mut file = RingFile::read(&settings.ring)?.map_or_else(RingFile::generate, Ok)?;
        let before = file.keys.len();
        let fresh = before == 0 && !settings.ring.exists();
        if matches!(settings.source, KeySource::Made) {
            ensure_current(&mut file.keys, settings.algorithm, now)?;
        }
        if fresh || file.keys.len() != before {
            file.write(&settings.ring)?;
        }
        Self::assemble(settings, file, longest, now)
    }

    /// Reads the keys and makes none: for the command line while no gateway runs.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] where [`KeyRing::open`] would make a file.
    pub fn open_existing(
        settings: KeySettings,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let file = RingFile::read(&settings.ring)?;
        let file = file.ok_or_else(|| KeyError::Missing(settings.ring.clone()))?;
        Self::assemble(settings, file, longest, now)
    }

    /// Keys in memory only, for tests and embedders that keep none.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `settings` do not fit each other.
    pub fn ephemeral(settings: KeySettings, now: Timestamp) -> Result<Self, KeyError> {
        Self::in_memory(settings, RingFile::generate()?, now)
    }

    /// The keys that [`open`](Self::open) would have, did it find that file.
    pub(super) fn in_memory(
        settings: KeySettings,
        mut file: RingFile,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        if matches!(settings.source, KeySource::Made) {
            ensure_current(&mut file.keys, settings.algorithm, now)?;
        }
        Self::assemble(settings, file, Duration::MAX, now)
    }

    fn assemble(
        settings: KeySettings,
        file: RingFile,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let keys = Keys::assemble(&settings, &file.keys, longest, now)?;
        let seal = Seal::from_material(file.seal)?;
        let keys = RwLock::new(Arc::new(keys));
        let outlived_by = Mutex::new(longest);
        let (rotating, issued) = (Mutex::default(), AtomicU64::new(0));
        let changes = watch::Sender::new(());
        Ok(Self { settings, outlived_by, seal, rotating, keys, changes, issued })
    }

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

    /// Makes a new signing key; the old one goes on verifying until its last token is dead.
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
        let path = &self.settings.ring;
        let mut file = RingFile::read(path)?.ok_or_else(|| KeyError::Missing(path.clone()))?;
        let longest = *self.outlived_by.lock().unwrap_or_else(PoisonError::into_inner);
        file.keys.retain(|key| alive(key, longest, now));
        insert_current(&mut file.keys, self.settings.algorithm, now)?;
        let fresh = Keys::assemble(&self.settings, &file.keys, longest, now)?;
        let info = fresh.infos.first().cloned().ok_or(KeyError::Damaged)?;
        file.write(path)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        self.changes.send_replace(());
        Ok(info)
    }

    /// The key file as it is now, for a backup; `None` where the keys are in memory only.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn file(&self) -> Result<Option<Secret>, KeyError> {
        // Not while another one is written.
        let _alone = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(RingFile::read(&self.settings.ring)?.map(|file| file.to_secret()))
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

impl Keys {
    fn assemble(
        settings: &KeySettings,
        made: &[MadeKey],
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let algorithm = settings.algorithm;
        let mut infos = Vec::new();
        let mut verifying = Vec::new();
        let signing = match &settings.source {
            KeySource::Pem(pem) => SigningKey::from_pem(algorithm, pem.expose())?,
            KeySource::Shared(secret) => SigningKey::shared(algorithm, secret)?,
            KeySource::Made => {
                let current = made.iter().find(|key| key.retired.is_none());
                let current = current.ok_or(KeyError::Damaged)?;
                SigningKey::from_pkcs8(current.algorithm, current.pkcs8.expose())?
            }
        };
        let mut add = |key: VerifyingKey, created, retired| {
            let algorithm = key.algorithm;
            infos.push(KeyInfo { kid: key.kid.clone(), algorithm, created, retired });
            verifying.push(key);
        };
        let current_made = made.iter().find(|key| key.retired.is_none()).map(|key| key.created);
        let ours = matches!(settings.source, KeySource::Made);
        add(signing.verifying.clone(), current_made.filter(|_| ours), None);
        for older in &settings.previous {
            add(VerifyingKey::read(algorithm, older)?, None, Some(now));
        }
        for key in made.iter().filter(|key| key.retired.is_some() && alive(key, longest, now)) {
            let signing = SigningKey::from_pkcs8(key.algorithm, key.pkcs8.expose())?;
            add(signing.verifying, Some(key.created), key.retired);
        }
        Ok(Self { signing, verifying, infos })
    }
}
