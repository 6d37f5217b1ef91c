//! Asking for letters.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{Links, MailSettings};
use crate::clock::Clock;
use crate::store::{LetterKind, NewLetter, Posted, Redeemed, Store, StoreError, User};

/// What a user is told of the account's security, whoever did it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The password is another.
    PasswordChanged,
    /// Logins ask for a second factor.
    FactorAdded,
    /// They ask for none any more.
    FactorRemoved,
    /// The recovery codes are others.
    RecoveryCodesMade,
    /// There is a passkey more that lets the user in.
    PasskeyAdded,
    /// There is one less.
    PasskeyRemoved,
    /// There is no authenticator app any more, but passkeys.
    AppRemoved,
}

impl Notice {
    const fn letter(self) -> LetterKind {
        match self {
            Self::PasswordChanged => LetterKind::PasswordChanged,
            Self::FactorAdded => LetterKind::FactorAdded,
            Self::FactorRemoved => LetterKind::FactorRemoved,
            Self::RecoveryCodesMade => LetterKind::RecoveryCodesMade,
            Self::PasskeyAdded => LetterKind::PasskeyAdded,
            Self::PasskeyRemoved => LetterKind::PasskeyRemoved,
            Self::AppRemoved => LetterKind::AppRemoved,
        }
    }
}

/// Takes letters, and sends them where [`Mailer::work`] runs.
///
/// A letter that does not fit the queue is dropped with a warning: whoever asked for it is told
/// nothing of it, for the answer would tell how many others asked.
#[derive(Debug)]
pub struct Mailer {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: MailSettings,
    /// Where links lead, as it is now.
    pub(super) links: ArcSwap<Links>,
    pub(super) posted: Notify,
}

impl Mailer {
    /// A mailer on these foundations.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: MailSettings,
        links: Links,
    ) -> Self {
        let links = ArcSwap::from_pointee(links);
        Self { store, clock, settings, links, posted: Notify::new() }
    }

    /// Has links lead elsewhere from the next letter on, those that wait too.
    pub fn set_links(&self, links: Links) {
        self.links.store(Arc::new(links));
    }

    /// Asks for a link to each active account with a password and that address. It takes as long
    /// whether there is one or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was queued.
    pub async fn ask_reset(&self, email: &str) -> Result<(), StoreError> {
        let limits = self.settings.limits;
        let posted = self.store.post_resets(email, self.clock.now(), limits).await?;
        self.note(posted);
        Ok(())
    }

    /// Asks for a link that shows that the user's address is theirs.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was queued.
    pub async fn ask_verify(&self, user: &User) -> Result<(), StoreError> {
        self.post(LetterKind::Verify, user, &user.email).await
    }

    /// Asks for a link that makes `email` the user's address.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing was queued.
    pub async fn ask_new_email(&self, user: &User, email: &str) -> Result<(), StoreError> {
        self.post(LetterKind::NewEmail, user, email).await
    }

    /// Tells the user what was done to the account, at an address that is known to be theirs. A failure
    /// is logged: what was done is done.
    pub async fn tell(&self, notice: Notice, user: &User) {
        if !self.settings.notices || !user.email_verified || user.email.is_empty() {
            return;
        }
        let told = self.post(notice.letter(), user, &user.email).await;
        self.failed(told);
    }

    /// Tells the address from before that another has taken its place. A failure is logged.
    pub async fn tell_email_changed(&self, change: &Redeemed) {
        let Redeemed { before, after } = change;
        if before.email.is_empty() || before.email == after.email {
            return;
        }
        let told = self.post(LetterKind::EmailChanged, after, &before.email).await;
        self.failed(told);
    }

    async fn post(&self, kind: LetterKind, user: &User, to: &str) -> Result<(), StoreError> {
        let letter = NewLetter {
            kind,
            user: user.id,
            to: to.to_owned(),
            basis: user.basis(),
            at: self.clock.now(),
        };
        let posted = self.store.post(letter, self.settings.limits).await?;
        self.note(posted);
        Ok(())
    }

    fn note(&self, posted: Posted) {
        if posted.refused > 0 {
            tracing::warn!(letters = posted.refused, "mail queue full; letters dropped");
        }
        if posted.queued > 0 {
            self.posted.notify_one();
        }
    }

    #[expect(clippy::unused_self, reason = "part of telling, which is the mailer's")]
    fn failed(&self, told: Result<(), StoreError>) {
        if let Err(error) = told {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "a notice could not be queued");
        }
    }
}
