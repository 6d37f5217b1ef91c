//! Accounts: made, found and changed; whoever remembers them hears of it.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::normalize_username;
use super::recorded;
use super::rules::Rules;
use super::settle::{Sequel, letter, see_through, settle};
use crate::audit::{Audit, Event, Kind};
use crate::clock::Clock;
use crate::identity::UserId;
use crate::mail::{Mailer, Notice};
use crate::password::{PasswordError, Passwords};
use crate::secret::Secret;
use crate::store::{Admission, ChargeStore, NewUser, Store, StoreError, Terms, User, UserChange};
use crate::token::Revisions;

/// Why an account operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The store failed: nothing was changed, or nothing is known about it.
    #[error("store failed")]
    Store(#[from] StoreError),
    /// The password could not be hashed now.
    #[error("password could not be hashed")]
    Password(#[from] PasswordError),
}

/// An account to be made, checked by [`super::check_username`] and [`super::check_email`].
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// In NFKC.
    pub username: String,
    /// Empty if none was given.
    pub email: String,
    /// `None`: no login by password.
    pub password: Option<Secret>,
    /// Checked role names.
    pub roles: Vec<String>,
}

/// What became of a [`NewAccount`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once an account, and taken apart at once")]
pub enum Registered {
    /// It is stored, durably.
    Created(User),
    /// Somebody has that name, or nobody but an operator may take it.
    NameTaken,
    /// Somebody has a name that looks like it.
    NameAlike,
    /// Somebody has that address.
    EmailTaken,
    /// Not with that invitation, whatever the reason.
    NotInvited,
}

/// The users of the store, for everything that changes them.
///
/// Every change goes through here, because here the counters are bumped that make the next
/// request of the user look at the store again.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::store::{RedbStore, UserChange};
/// use portcullis::{AccountError, Accounts, Config, Gateway, NewAccount, Registered, Secret};
///
/// /// Makes an editor, where the name is free.
/// async fn hire(accounts: &Accounts, name: &str, password: Secret) -> Result<bool, AccountError> {
///     let account = NewAccount {
///         username: name.to_owned(),
///         email: String::new(),
///         password: Some(password),
///         roles: vec!["editor".to_owned()],
///     };
///     Ok(matches!(accounts.create(account).await?, Registered::Created(_)))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::built_in(Path::new("."))?.config;
/// let builder = Gateway::builder(config).store(Arc::new(RedbStore::in_memory()?));
/// let gateway = builder.ephemeral_keys().build()?;
/// let accounts = gateway.accounts();
/// let password = || Secret::from("Tr1cky-phrase-77".to_owned());
/// assert!(hire(accounts, "alice", password()).await?);
/// assert!(!hire(accounts, "alice", password()).await?);
///
/// // From the next request on.
/// let alice = accounts.find("alice").await?.ok_or("nobody")?;
/// accounts.change(alice.id, UserChange::Active(false)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Accounts {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    passwords: Arc<Passwords>,
    pub(super) revisions: Arc<Revisions>,
    rules: ArcSwap<Rules>,
    audit: Audit,
    pub(super) mailer: Option<Arc<Mailer>>,
}

impl Accounts {
    /// Accounts on these foundations.
    #[doc(hidden)]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        passwords: Arc<Passwords>,
        revisions: Arc<Revisions>,
        rules: Rules,
    ) -> Self {
        let (rules, audit) = (ArcSwap::from_pointee(rules), Audit::off());
        Self { store, clock, passwords, revisions, rules, audit, mailer: None }
    }

    /// What the operator has decided, as it is now.
    pub(super) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Goes on under other rules, and returns those until now.
    #[doc(hidden)]
    pub fn set_rules(&self, rules: Arc<Rules>) -> Arc<Rules> {
        if let (Some(mailer), Some(links)) = (&self.mailer, rules.links()) {
            mailer.set_links(links.clone());
        }
        self.rules.swap(rules)
    }

    /// Where limits are counted that several gateways share.
    #[doc(hidden)]
    pub fn charges(&self) -> Option<&dyn ChargeStore> {
        self.store.charges()
    }

    /// Records what happens to accounts.
    #[doc(hidden)]
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    /// The record of what happens.
    #[doc(hidden)]
    pub const fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Hashing and password policy.
    #[doc(hidden)]
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Makes an account for an operator: reserved names are free to them, and names that look
    /// like others.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed.
    pub async fn create(&self, account: NewAccount) -> Result<Registered, AccountError> {
        let terms = Terms { distinct_looks: false, ..self.rules().terms() };
        self.make(account, terms, Kind::UserAdded).await
    }

    pub(super) async fn make(
        &self,
        account: NewAccount,
        terms: Terms,
        kind: Kind,
    ) -> Result<Registered, AccountError> {
        let password = match account.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let created = self.clock.now();
        let NewAccount { username, email, roles, .. } = account;
        let event = if roles.is_empty() {
            Event::new(kind)
        } else {
            Event::new(kind).with("roles", roles.join(","))
        };
        let new = NewUser { username, email, password, roles, created };
        let (store, note) = (Arc::clone(&self.store), self.audit.note(event));
        let admit = async move { store.admit_user(new, terms).await };
        let made = see_through(admit, |made| match made {
            Admission::Created(user) => Some(note.to_user(user)),
            Admission::NameTaken
            | Admission::NameAlike
            | Admission::EmailTaken
            | Admission::NotInvited => None,
        });
        Ok(match made.await? {
            Admission::Created(user) => Registered::Created(user),
            Admission::NameTaken => Registered::NameTaken,
            Admission::NameAlike => Registered::NameAlike,
            Admission::EmailTaken => Registered::EmailTaken,
            Admission::NotInvited => Registered::NotInvited,
        })
    }

    /// The user of that name in any spelling that NFKC makes one.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn find(&self, username: &str) -> Result<Option<User>, AccountError> {
        Ok(self.store.user_by_name(&normalize_username(username)).await?)
    }

    /// The user of that id, as it is now.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn get(&self, user: UserId) -> Result<Option<User>, AccountError> {
        Ok(self.store.user(user).await?)
    }

    /// Sets a password; every session of the user is over. `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed.
    pub async fn set_password(&self, user: UserId, password: Secret) -> Result<bool, AccountError> {
        let hash = self.passwords.hash(password).await?;
        let at = self.clock.now();
        Ok(self.change(user, UserChange::Password { hash, at }).await?.is_some())
    }

    /// Changes a user; in force from the next request on.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn change(
        &self,
        user: UserId,
        change: UserChange,
    ) -> Result<Option<User>, AccountError> {
        let note = recorded::change(&change).map(|event| self.audit.note(event.to_id(user)));
        let store = Arc::clone(&self.store);
        let password = matches!(change, UserChange::Password { .. });
        let mailer = self.mailer.clone().filter(|_| password);
        let change = async move { store.change_user(user, change).await };
        let follows = move |changed: &Option<User>| {
            let Some(changed) = changed else { return Sequel::default() };
            let note = note.map(|note| note.to_user(changed));
            Sequel { note, letter: letter(mailer, Notice::PasswordChanged, changed.clone()) }
        };
        Ok(settle(&self.revisions, user, change, follows).await?)
    }

    /// Deletes a user; its tokens are over. `false` if there was none.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn delete(&self, user: UserId) -> Result<bool, AccountError> {
        let note = self.audit.note(Event::new(Kind::UserDeleted).to_id(user));
        let store = Arc::clone(&self.store);
        let delete = async move { store.delete_user(user).await };
        Ok(settle(&self.revisions, user, delete, |gone| gone.then_some(note)).await?)
    }

    /// At most `limit` users after that id, in order of their ids.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn list(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, AccountError> {
        Ok(self.store.users(after, limit).await?)
    }
}
