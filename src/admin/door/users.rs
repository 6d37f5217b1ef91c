//! What operators do with users.

use super::Door;
use crate::admin::{NewPassword, Refusal, RefusalKind, Reply, SecretLink, checks};
use crate::printable::Printable;
use crate::session::{NewAccount, Registered};
use crate::store::{User, UserChange};

/// Most users of one reply.
pub(super) const PAGE: usize = 500;

impl Door {
    pub(super) async fn add(
        &self,
        name: &str,
        email: &str,
        roles: Vec<String>,
        password: Option<NewPassword>,
        force: bool,
    ) -> Result<Reply, Refusal> {
        let username = checks::username(name)?;
        let email = checks::email(email)?;
        roles.iter().try_for_each(|role| checks::role(role))?;
        if let Some(password) = &password {
            checks::password(self.accounts.passwords(), password, (&username, &email), force)?;
        }
        let password = password.map(|password| password.0);
        let account = NewAccount { username, email, password, roles };
        match self.accounts.create(account).await? {
            Registered::Created(user) => {
                tracing::info!(user = %user.id, "user added by an operator");
                Ok(reply(user))
            }
            // Operators need no invitation, and may make names that look like others.
            Registered::NameTaken | Registered::NameAlike | Registered::NotInvited => {
                let detail = format!("there is a user `{}` already", Printable(name));
                Err(Refusal::new(RefusalKind::NameTaken, detail))
            }
            Registered::EmailTaken => Err(email_taken()),
        }
    }

    pub(in crate::admin) async fn find(&self, name: &str) -> Result<User, Refusal> {
        self.accounts.find(name).await?.ok_or_else(|| unknown(name))
    }

    pub(super) async fn set_password(
        &self,
        name: &str,
        password: NewPassword,
        force: bool,
    ) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        let facts = (user.username.as_str(), user.email.as_str());
        checks::password(self.accounts.passwords(), &password, facts, force)?;
        if !self.accounts.set_password(user.id, password.0).await? {
            return Err(unknown(name));
        }
        tracing::info!(user = %user.id, "password set by an operator");
        Ok(reply(self.find(name).await?))
    }

    pub(super) async fn set_email(
        &self,
        name: &str,
        email: &str,
        verified: bool,
    ) -> Result<Reply, Refusal> {
        let (user, email) = (self.find(name).await?, checks::email(email)?);
        if !email.is_empty() && self.accounts.is_email_taken(user.id, &email).await? {
            return Err(email_taken());
        }
        let verified = verified && !email.is_empty();
        self.change(name, UserChange::Email { email, verified }).await
    }

    pub(super) async fn set_claim(
        &self,
        name: &str,
        claim: String,
        value: String,
    ) -> Result<Reply, Refusal> {
        checks::claim(&claim, &value)?;
        let change = if value.is_empty() {
            UserChange::RemoveClaim(claim)
        } else {
            UserChange::SetClaim { name: claim, value }
        };
        self.change(name, change).await
    }

    pub(super) async fn add_role(&self, name: &str, role: String) -> Result<Reply, Refusal> {
        checks::role(&role)?;
        self.change(name, UserChange::AddRole(role)).await
    }

    pub(super) async fn change(&self, name: &str, change: UserChange) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        let changed = self.accounts.change(user.id, change).await?;
        tracing::info!(user = %user.id, "user changed by an operator");
        changed.map(reply).ok_or_else(|| unknown(name))
    }

    pub(super) async fn delete(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        if !self.accounts.delete(user.id).await? {
            return Err(unknown(name));
        }
        tracing::info!(user = %user.id, "user deleted by an operator");
        Ok(Reply::Deleted { username: user.username })
    }

    pub(super) async fn reset_link(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        if !self.accounts.makes_links() {
            let detail = "links are made from `public`, and the policy file has none; \
                          add public = \"https://app.example.com\"";
            return Err(Refusal::invalid(detail));
        }
        if !user.active {
            let detail = format!("`{}` is shut out; activate the user first", Printable(name));
            return Err(Refusal::invalid(detail));
        }
        let made = self.accounts.reset_link(&user).await?;
        let (link, expires) = made.ok_or_else(|| {
            let detail = format!("`{}` was changed just now; try again", Printable(name));
            Refusal::new(RefusalKind::Unavailable, detail)
        })?;
        tracing::info!(user = %user.id, "reset link made by an operator");
        let (username, expires) = (user.username, expires.to_string());
        Ok(Reply::Link { username, link: SecretLink(link), expires })
    }
}

fn email_taken() -> Refusal {
    let detail = "there is a user with that address already, and `unique_email` is set";
    Refusal::new(RefusalKind::EmailTaken, detail)
}

pub(super) fn reply(user: User) -> Reply {
    Reply::User(user.into())
}

pub(in crate::admin) fn unknown(name: &str) -> Refusal {
    let detail = format!("there is no user `{}`", Printable(name));
    Refusal::new(RefusalKind::NotFound, detail)
}
