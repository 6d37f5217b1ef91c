//! Passwords: hashed on a bounded pool, judged by a policy.

mod policy;
mod pool;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::secret::Secret;
use crate::store::PasswordHash;

pub use policy::{Attribute, Weakness};
pub use settings::PasswordSettings;

/// Why a password could not be hashed or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Too many at once. Answer 503 with this as `Retry-After`.
    #[error("hashing queue full")]
    Busy(Duration),
    /// The hashing threads are gone, or the parameters are impossible. Answer 503.
    #[error("hashing failed")]
    Failed,
}

/// Hashes and checks passwords, with Argon2id (RFC 9106).
#[derive(Debug)]
pub struct Passwords {
    settings: PasswordSettings,
    hasher: Arc<Argon2<'static>>,
    pool: pool::Pool,
    /// Checked where there is no hash, so that an unknown user takes the time of a known one.
    nobody: PasswordHash,
}

impl Passwords {
    /// Starts the hashing threads.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Failed`] if the parameters are impossible or no thread can be had.
    pub fn start(settings: PasswordSettings) -> Result<Self, PasswordError> {
        let (memory, passes) = (settings.memory.get(), settings.passes.get());
        let params = Params::new(memory, passes, settings.lanes.get(), None)
            .map_err(|_| PasswordError::Failed)?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash(&hasher, b"nobody has this password")?;
        let pool = pool::Pool::start(&settings).map_err(|_| PasswordError::Failed)?;
        Ok(Self { settings, hasher: Arc::new(hasher), pool, nobody })
    }

    /// Everything that is wrong with a new password; nothing if it may be used.
    pub fn weaknesses(&self, password: &str, username: &str, email: &str) -> Vec<Weakness> {
        policy::weaknesses(&self.settings, password, username, email)
    }

    /// Most characters of a password at registration.
    pub const fn longest(&self) -> usize {
        self.settings.max
    }

    /// Hashes a new password.
    ///
    /// # Errors
    ///
    /// [`PasswordError`]; nothing was stored.
    pub async fn hash(&self, password: Secret) -> Result<PasswordHash, PasswordError> {
        let hasher = Arc::clone(&self.hasher);
        self.pool.run(move || hash(&hasher, password.expose())).await?
    }

    /// Checks a password. Without a hash it takes as long, and is wrong.
    ///
    /// # Errors
    ///
    /// [`PasswordError`]; the password is neither right nor wrong.
    pub async fn verify(
        &self,
        password: Secret,
        stored: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let hasher = Arc::clone(&self.hasher);
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let right = self
            .pool
            .run(move || {
                Phc::new(stored.expose())
                    .is_ok_and(|phc| hasher.verify_password(password.expose(), &phc).is_ok())
            })
            .await?;
        Ok(known && right)
    }
}

fn hash(hasher: &Argon2<'_>, password: &[u8]) -> Result<PasswordHash, PasswordError> {
    let phc = hasher.hash_password(password).map_err(|_| PasswordError::Failed)?;
    Ok(PasswordHash::new(phc.to_string()))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn passwords() -> Passwords {
        let memory = NonZeroU32::new(64).unwrap();
        Passwords::start(PasswordSettings { memory, ..PasswordSettings::default() }).unwrap()
    }

    fn secret(text: &str) -> Secret {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = passwords();
        let stored = passwords.hash(secret("Tr1cky")).await.unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        assert!(passwords.verify(secret("Tr1cky"), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify(secret("tr1cky"), Some(stored.clone())).await.unwrap());
        assert_ne!(stored, passwords.hash(secret("Tr1cky")).await.unwrap(), "salted");
    }

    #[tokio::test]
    async fn nobody_is_never_let_in() {
        let passwords = passwords();
        assert!(!passwords.verify(secret("nobody has this password"), None).await.unwrap());
        let broken = PasswordHash::new("!unusable".to_owned());
        assert!(!passwords.verify(secret(""), Some(broken)).await.unwrap());
    }
}
