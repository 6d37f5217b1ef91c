//! Ways back into an account, and addresses that are shown to be somebody's: by one-time tokens.

use std::sync::Arc;

use super::settle::{Letter, Sequel, letter, settle};
use super::{AccountError, Accounts};
use crate::audit::{Event, Kind};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::mail::{MailError, Mailer, Notice, token_hash};
use crate::secret::Secret;
use crate::store::{Confirmation, Purpose, Redeemed, TokenRef, User};

#[doc(hidden)]
impl Accounts {
    /// Sends letters by that mailer.
    #[must_use]
    pub fn with_mail(mut self, mailer: Option<Arc<Mailer>>) -> Self {
        self.mailer = mailer;
        self
    }

    /// Who sends letters, if anybody does.
    pub const fn mailer(&self) -> Option<&Arc<Mailer>> {
        self.mailer.as_ref()
    }

    /// Whether links can be made: there is a name to make them from.
    pub fn makes_links(&self) -> bool {
        self.rules().links().is_some()
    }

    /// A link with which the user may choose a new password, and when it ends; `None` if the
    /// user is gone, disabled or just being changed, or no links are made.
    ///
    /// # Errors
    ///
    /// [`MailError`]; there is no link.
    pub async fn reset_link(&self, user: &User) -> Result<Option<(String, Timestamp)>, MailError> {
        let rules = self.rules();
        let Some(links) = rules.links() else { return Ok(None) };
        links.reset_link(self.store.as_ref(), user, self.clock.now()).await
    }

    /// The user for whom a token would choose a new password, if it is good now.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn of_reset_token(
        &self,
        user: UserId,
        token: &str,
    ) -> Result<Option<User>, AccountError> {
        Ok(self.store.token_user(self.presented(user, Purpose::Password, token)).await?)
    }

    /// Sets a password by a token: every session of the user is over. `None` if the token is not
    /// good (any more).
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn reset_password(
        &self,
        user: UserId,
        token: &str,
        password: Secret,
    ) -> Result<Option<User>, AccountError> {
        let hash = self.passwords().hash(password).await?;
        let token = self.presented(user, Purpose::Password, token);
        let (store, mailer) = (Arc::clone(&self.store), self.mailer.clone());
        let redeem = async move {
            Ok(store.redeem_password(token, hash).await?.map(|redeemed| redeemed.after))
        };
        let note = self.audit().note(Event::new(Kind::PasswordChanged).to_id(user));
        let follows = |changed: &Option<User>| {
            let Some(changed) = changed else { return Sequel::default() };
            let letter = letter(mailer, Notice::PasswordChanged, changed.clone());
            Sequel { note: Some(note.to_user(changed)), letter }
        };
        Ok(settle(&self.revisions, user, redeem, follows).await?)
    }

    /// Makes the address that a token was sent to the user's verified one, unless it has to be
    /// unique and somebody else has it.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn confirm_email(
        &self,
        user: UserId,
        token: &str,
    ) -> Result<Confirmation, AccountError> {
        let token = self.presented(user, Purpose::Email, token);
        let (store, mailer) = (Arc::clone(&self.store), self.mailer.clone());
        let unique = self.has_unique_emails();
        let redeem = async move { store.redeem_email(token, unique).await };
        let note = self.audit().note(Event::new(Kind::EmailChanged).to_id(user));
        let follows = |confirmation: &Confirmation| match confirmation {
            Confirmation::Confirmed(redeemed) => {
                let Redeemed { after, .. } = redeemed;
                let note = note.to_user(after).with("email", &after.email).with("verified", "yes");
                Sequel { note: Some(note), letter: letter_of_move(mailer, redeemed.clone()) }
            }
            Confirmation::EmailTaken | Confirmation::BadToken => Sequel::default(),
        };
        Ok(settle(&self.revisions, user, redeem, follows).await?)
    }

    /// Whether that cannot be made the user's address, because addresses have to be unique and
    /// somebody else has it.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn is_email_taken(&self, user: UserId, email: &str) -> Result<bool, AccountError> {
        let holders = self.store.users_by_email(email).await?;
        Ok(self.has_unique_emails() && holders.iter().any(|holder| holder.id != user))
    }

    /// Whether two accounts may not have one address.
    pub fn has_unique_emails(&self) -> bool {
        self.rules().terms().unique_email
    }

    fn presented(&self, user: UserId, purpose: Purpose, token: &str) -> TokenRef {
        TokenRef { user, purpose, hash: token_hash(token), at: self.clock.now() }
    }
}

/// A letter to the address from before, where letters are sent.
fn letter_of_move(mailer: Option<Arc<Mailer>>, moved: Redeemed) -> Option<Letter> {
    let mailer = mailer?;
    Some(Box::pin(async move { mailer.tell_email_changed(&moved).await }))
}
