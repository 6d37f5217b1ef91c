//! Passwords: hashed on a bounded pool, judged by a policy.

mod common;
mod foreign;
mod policy;
mod pool;
mod settings;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};

use crate::secret::Secret;
use crate::store::PasswordHash;
use foreign::Cost;

pub use foreign::{HashFault, recognize};
pub(crate) use policy::is_word_sign;
pub use policy::{Attribute, Weakness};
pub use pool::{Load, Turn};
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

/// What a login is checked against.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// The account's hash; `None` where there is no account, or none with a password.
    pub stored: Option<PasswordHash>,
    /// Whether the right password would let its owner in.
    pub entitled: bool,
    /// What the hashes of the store cost, see [`PasswordHash::recipe`].
    pub recipes: Vec<String>,
}

/// Hashes passwords with Argon2id (RFC 9106), and checks these hashes and imported ones.
#[derive(Debug)]
pub struct Passwords {
    settings: PasswordSettings,
    hasher: Arc<Argon2<'static>>,
    pool: pool::Pool,
    /// What our own hashes are like now.
    recipe: String,
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
        // As a hash would have it, without the time that one takes.
        let recipe = format!("$argon2id$v=19$m={memory},t={passes},p={}", settings.lanes);
        let pool = pool::Pool::start(&settings).map_err(|_| PasswordError::Failed)?;
        Ok(Self { settings, hasher: Arc::new(hasher), pool, recipe })
    }

    /// Everything that is wrong with a new password; nothing if it may be used.
    pub fn weaknesses(&self, password: &str, username: &str, email: &str) -> Vec<Weakness> {
        policy::weaknesses(&self.settings, password, username, email)
    }

    /// Most characters of a password at registration.
    pub const fn longest(&self) -> usize {
        self.settings.max
    }

    /// What the hashing threads have to do.
    pub const fn load(&self) -> &Arc<Load> {
        self.pool.load()
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

    /// Checks the password of a login.
    ///
    /// Whoever is not let in has cost the same: unknown or known, wrong password or disabled
    /// account, whatever the account's hash is and whatever other kinds of hashes there are.
    ///
    /// Keep the turn until all is done that a login brings with it. There is one where the hashing
    /// thread `rests` meanwhile, which is asked when it has hashed.
    ///
    /// # Errors
    ///
    /// [`PasswordError`]; the password is neither right nor wrong.
    pub async fn check(
        &self,
        password: Secret,
        login: Candidate,
        rests: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<(bool, Option<Turn>), PasswordError> {
        let own = self.recipe.clone();
        let look = move || {
            let password = password.expose();
            judge(password, &login, &own, |work| drop(black_box(foreign::perform(password, work))))
        };
        self.pool.run_and_keep(look, rests).await
    }

    /// Checks a password of somebody who is known to have an account. Without a hash it takes
    /// as long as with one of ours, and is wrong.
    ///
    /// # Errors
    ///
    /// [`PasswordError`]; the password is neither right nor wrong.
    pub async fn verify(
        &self,
        password: Secret,
        stored: Option<PasswordHash>,
    ) -> Result<bool, PasswordError> {
        let login = Candidate { stored, entitled: true, recipes: Vec::new() };
        self.check(password, login, || false).await.map(|(right, _turn)| right)
    }

    /// Whether a hash is of another format than ours, or made with other parameters than now.
    pub fn is_outdated(&self, stored: &PasswordHash) -> bool {
        stored.recipe() != self.recipe
    }
}

/// Whether the password is right. `spend` is to do the work that is missing where it lets nobody in:
/// see [`Passwords::check`]. `own` is the recipe of our own hashes.
fn judge(password: &[u8], login: &Candidate, own: &str, mut spend: impl FnMut(Cost)) -> bool {
    let Candidate { stored, entitled, recipes } = login;
    let right = stored.as_ref().is_some_and(|hash| foreign::matches(password, hash));
    if !(right && *entitled) {
        let paid = stored.as_ref().and_then(|hash| Cost::of(&hash.recipe()));
        let all = recipes.iter().map(String::as_str).chain([own]).filter_map(Cost::of);
        for work in foreign::missing(paid, all) {
            spend(work);
        }
    }
    right
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
    async fn what_a_hash_costs_is_known_before_there_is_one() {
        let passwords = passwords();
        let hash = passwords.hash(secret("Tr1cky-Phrase-77")).await.unwrap();
        assert_eq!(hash.recipe(), passwords.recipe);
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
    async fn a_hash_is_outdated_when_the_parameters_change() {
        let stored = passwords().hash(secret("Tr1cky")).await.unwrap();
        assert!(!passwords().is_outdated(&stored));
        let (memory, passes) = (NonZeroU32::new(64).unwrap(), NonZeroU32::new(3).unwrap());
        let settings = PasswordSettings { memory, passes, ..PasswordSettings::default() };
        let later = Passwords::start(settings).unwrap();
        assert!(later.is_outdated(&stored));
        assert!(later.verify(secret("Tr1cky"), Some(stored)).await.unwrap());
        let foreign = PasswordHash::new("md5$seasalt$3f86d0d3d465b7b458c231bf3555c0e3".to_owned());
        assert!(later.is_outdated(&foreign));
    }

    /// Whoever is let in has paid for the own hash alone; all others for one of each kind.
    #[test]
    fn whoever_is_not_let_in_costs_a_hash_of_each_kind() {
        let (sha, pbkdf2) = ("$5$rounds=1000", "pbkdf2_sha256$9");
        let own = "$argon2id$v=19$m=64,t=2,p=1";
        let others = [Cost::of(pbkdf2).unwrap(), Cost::of(own).unwrap()];
        let whole = [others.as_slice(), &[Cost::of(sha).unwrap()]].concat();
        let hash = format!("{sha}$salt$JsHY.SBVZJuTe3P9WfPgXGZart.h/POoXaxBoY4l8A1");
        let stored = Some(PasswordHash::new(hash));
        for (password, stored, entitled, lets_in, spent) in [
            ("password123", &stored, true, true, &[][..]),
            // Disabled.
            ("password123", &stored, false, true, &others),
            ("password124", &stored, true, false, &others),
            ("password124", &stored, false, false, &others),
            // Unknown.
            ("password123", &None, false, false, &whole),
            ("password123", &None, true, false, &whole),
        ] {
            let recipes = vec![sha.to_owned(), pbkdf2.to_owned()];
            let login = Candidate { stored: stored.clone(), entitled, recipes };
            let mut done = Vec::new();
            let right = judge(password.as_bytes(), &login, own, |work| done.push(work));
            assert_eq!(right, lets_in, "{password} {entitled}");
            let sorted = |mut work: Vec<Cost>| {
                work.sort_unstable();
                work
            };
            assert_eq!(sorted(done), sorted(spent.to_vec()), "{password} {entitled}");
        }
    }

    #[tokio::test]
    async fn hashes_of_ours_may_cost_what_nobody_elses_may() {
        let (memory, passes) = (NonZeroU32::new(520).unwrap(), NonZeroU32::MIN);
        let lanes = NonZeroU32::new(65).unwrap();
        let settings = PasswordSettings { memory, passes, lanes, ..PasswordSettings::default() };
        let passwords = Passwords::start(settings).unwrap();
        let stored = passwords.hash(secret("Tr1cky")).await.unwrap();
        assert_eq!(recognize(stored.expose()), Err(HashFault::Costly));
        assert!(passwords.verify(secret("Tr1cky"), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_is_never_let_in() {
        let passwords = passwords();
        assert!(!passwords.verify(secret("nobody has this password"), None).await.unwrap());
        let broken = PasswordHash::new("!unusable".to_owned());
        assert!(!passwords.verify(secret(""), Some(broken)).await.unwrap());
    }
}
