//! Secrets that the store keeps encrypted: they are shown again, so a hash will not do.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;

use super::KeyError;
use crate::secret::Secret;

/// The key that seals what the store keeps: AES-256-GCM with random nonces.
pub(super) struct Seal {
    key: RandomizedNonceKey,
    material: Secret,
}

impl Seal {
    /// A fresh key.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let mut material = vec![0; 32];
        getrandom::fill(&mut material).map_err(|_| KeyError::NoRandomness)?;
        Self::from_material(material.into())
    }

    pub(super) fn from_material(material: Secret) -> Result<Self, KeyError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, material.expose());
        Ok(Self { key: key.map_err(|_| KeyError::Damaged)?, material })
    }

    pub(super) const fn material(&self) -> &Secret {
        &self.material
    }

    /// Whether it is the key of that material.
    pub(super) fn is_of(&self, material: &Secret) -> bool {
        self.material.matches(material.expose())
    }

    /// A key for something else, from which neither this one nor another can be told.
    pub(super) fn derive(&self, purpose: &str) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.material.expose());
        hmac::sign(&key, purpose.as_bytes()).as_ref().to_vec().into()
    }

    /// Encrypts `plain`. `context` says what it is and must be given again to open it, so that
    /// one record cannot be passed off as another.
    pub(super) fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, KeyError> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(context), &mut sealed)
            .map_err(|_| KeyError::NoRandomness)?;
        let mut whole = nonce.as_ref().to_vec();
        whole.extend_from_slice(&sealed);
        Ok(whole)
    }

    /// Decrypts what [`Seal::seal`] made; `None` if it is damaged or of another key or context.
    pub(super) fn open(&self, sealed: &[u8], context: &str) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(context), &mut buffer).ok()?;
        Some(plain.to_vec().into())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}
