//! Logins: a session begins, and its first tokens are made.

use std::sync::Arc;
use std::time::Duration;

use super::authenticate::hash_of_key;
use super::settle::{Sequel, letter, settle};
use super::{AuthError, Sessions, factors};
use crate::audit::{Event, Kind};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::keys::{KeyError, KeyRing};
use crate::mail::Notice;
use crate::secret::unseen;
use crate::store::{
    ApiKey, NewSession, PasswordHash, RefreshGrant, SecondFactor, Session, SessionRef, User,
    UserChange,
};
use crate::token::new_id;

/// Longest text of a device that is kept.
const DEVICE_LENGTH: usize = 200;

/// What logs in, for the list of sessions.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `User-Agent`, as sent.
    pub device: String,
    /// The client address.
    pub address: String,
}

/// The two tokens of a login. `Debug` shows neither.
#[derive(Clone)]
pub struct Pair {
    /// Opens routes.
    pub access: String,
    /// Buys more of them.
    pub refresh: String,
}

/// What a new session is opened with. `Debug` shows no token.
#[derive(Clone)]
pub enum Opened {
    /// An access and a refresh token.
    Pair(Pair),
    /// A sliding token.
    Sliding(String),
}

unseen! { Opened Pair }

impl Sessions {
    /// Starts a session for a user whose password was right, and whose `second` factor, where the
    /// user [has to show one](Self::challenge).
    ///
    /// # Errors
    ///
    /// [`AuthError`]; no session was started, or nobody will hear of it.
    pub async fn log_in(
        &self,
        user: &User,
        client: Client,
        second: Option<SecondFactor>,
    ) -> Result<Pair, AuthError> {
        self.pair(user, client, None, second).await
    }

    /// Starts a session whose one token both opens routes and renews itself.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; no session was started, or nobody will hear of it.
    pub async fn log_in_sliding(
        &self,
        user: &User,
        client: Client,
        second: Option<SecondFactor>,
    ) -> Result<String, AuthError> {
        self.sliding_session(user, client, None, second).await
    }

    /// Changes the password of a user who knew the one before, and goes on in a new session:
    /// every other one is over, and so is every token from before. Its tokens are of the kind
    /// that the caller's session has. `second` is what was shown for it beside the password.
    ///
    /// # Errors
    ///
    /// [`AuthError::PasswordChanged`] if somebody else was faster; otherwise nothing was changed,
    /// or nobody will hear of it.
    pub async fn change_password(
        &self,
        user: &User,
        hash: PasswordHash,
        client: Client,
        before: Option<SessionId>,
        second: Option<SecondFactor>,
    ) -> Result<Opened, AuthError> {
        let before = match before {
            Some(id) => self.store.standing(user.id, SessionRef::Own(id)).await?.session,
            None => None,
        };
        if self.sliding() && before.is_some_and(|session| session.refresh.is_none()) {
            let opened = self.sliding_session(user, client, Some(hash), second).await;
            return opened.map(Opened::Sliding);
        }
        self.pair(user, client, Some(hash), second).await.map(Opened::Pair)
    }

    async fn pair(
        &self,
        user: &User,
        client: Client,
        password: Option<PasswordHash>,
        second: Option<SecondFactor>,
    ) -> Result<Pair, AuthError> {
        let now = self.clock.now();
        let tokens = self.signer.settings();
        let grant = self.refresh_grant(now, now.plus(self.settings.lifetime))?;
        let expires = grant.expires.plus(tokens.access);
        let new = self.new_session(user, client, now, expires, Some(grant.clone()))?;
        let new = NewSession { second, ..new };
        let session = self.start(user, new, password).await?;
        self.record_login(user, "token", Some(&session));
        Ok(Pair {
            access: self.access_token(user, &session, now)?,
            refresh: self.refresh_token(&session, &grant)?,
        })
    }

    async fn sliding_session(
        &self,
        user: &User,
        client: Client,
        password: Option<PasswordHash>,
        second: Option<SecondFactor>,
    ) -> Result<String, AuthError> {
        let now = self.clock.now();
        let ends = now.plus(self.signer.settings().refresh.min(self.settings.lifetime));
        let new = self.new_session(user, client, now, ends, None)?;
        let new = NewSession { second, ..new };
        let session = self.start(user, new, password).await?;
        self.record_login(user, "sliding", Some(&session));
        self.sliding_token(user, &session, &new_id()?, now, ends)
    }

    /// The user's API key: always the same.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; answer as it says.
    pub async fn api_key(&self, user: &User) -> Result<String, AuthError> {
        let mut bits = [0; 20];
        getrandom::fill(&mut bits).map_err(|_| KeyError::NoRandomness)?;
        let fresh = hex(&bits);
        let candidate = seal_api_key(&self.keys, user.id, &fresh)?;
        let kept = self.store.api_key(user.id, candidate).await?.ok_or(AuthError::UserNotFound)?;
        let opened =
            self.keys.unseal(&kept.sealed, &key_context(user.id)).ok_or(KeyError::Damaged)?;
        // Not a fact that anything is decided by, so no counter is bumped for it.
        self.store.change_user(user.id, UserChange::LoggedIn(self.clock.now())).await?;
        self.record_login(user, "api-token-auth", None);
        String::from_utf8(opened.expose().to_vec()).map_err(|_| KeyError::Damaged.into())
    }

    fn record_login(&self, user: &User, got: &str, session: Option<&Session>) {
        let event = Event::new(Kind::LoggedIn).to_user(user).with("got", got);
        self.audit.record(match session {
            Some(session) => {
                let event = event.with("session", session.id.to_string());
                let event = event.with("device", &session.device);
                match session.second {
                    None => event,
                    Some(second) => event.with("factor", factors::name(second)),
                }
            }
            None => event,
        });
    }

    /// Starts a session, and with a new password it is the only one that is left.
    async fn start(
        &self,
        user: &User,
        new: NewSession,
        password: Option<PasswordHash>,
    ) -> Result<Session, AuthError> {
        let started = match password {
            None => self.store.start_session(new).await?,
            Some(hash) => {
                let (store, mailer) = (Arc::clone(&self.store), self.mailer.clone());
                let note = self.audit.note(Event::new(Kind::PasswordChanged).to_user(user));
                let (id, user) = (user.id, user.clone());
                let change = async move { store.change_password(hash, new).await };
                let follows = move |started: &Option<Session>| {
                    let letter = || letter(mailer, Notice::PasswordChanged, user);
                    let sequel = || Sequel { note: Some(note), letter: letter() };
                    started.as_ref().map(|_| sequel()).unwrap_or_default()
                };
                settle(&self.revisions, id, change, follows).await?
            }
        };
        started.ok_or(AuthError::PasswordChanged)
    }

    pub(super) fn new_session(
        &self,
        user: &User,
        client: Client,
        now: Timestamp,
        expires: Timestamp,
        refresh: Option<RefreshGrant>,
    ) -> Result<NewSession, KeyError> {
        let tag = getrandom::u64().map_err(|_| KeyError::NoRandomness)?;
        Ok(NewSession {
            user: user.id,
            password_mark: user.password_mark,
            logout_mark: user.logout_mark,
            tag,
            started: now,
            expires,
            ends: now.plus(self.settings.lifetime),
            refresh,
            device: client.device.chars().take(DEVICE_LENGTH).collect(),
            address: client.address,
            second: None,
        })
    }

    /// Removes the records of sessions whose last token is dead, and returns how many.
    ///
    /// # Errors
    ///
    /// The store's; try again later.
    pub async fn sweep(&self) -> Result<usize, AuthError> {
        let tokens = self.signer.settings();
        // A record outlives its tokens by their leeway, and by the access tokens that were
        // bought at the very end.
        let slack: Duration = tokens.access + tokens.leeway;
        let now = self.clock.now();
        let before = Timestamp::default().plus(now.since(Timestamp::default().plus(slack)));
        Ok(self.store.sweep(before).await?)
    }
}

/// An API key as the store keeps it: found by its hash, shown again from its sealed form.
///
/// # Errors
///
/// [`KeyError::NoRandomness`]; the key could not be sealed.
pub fn seal_api_key(keys: &KeyRing, user: UserId, key: &str) -> Result<ApiKey, KeyError> {
    let sealed = keys.seal(key.as_bytes(), &key_context(user))?;
    Ok(ApiKey { hash: hash_of_key(key.as_bytes()), sealed })
}

/// What a sealed API key is, so that it cannot be passed off as another user's.
fn key_context(user: UserId) -> String {
    format!("api key of user {user}")
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail; were it to, the key would be too short to be found.
        if write!(text, "{byte:02x}").is_err() {
            text.clear();
        }
        text
    })
}
