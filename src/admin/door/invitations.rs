//! Invitations: made, listed, taken back.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Door;
use super::users::PAGE;
use crate::admin::{InvitationView, Refusal, RefusalKind, Reply, checks};
use crate::session::Leave;

impl Door {
    pub(super) async fn invite(
        &self,
        email: &str,
        roles: Vec<String>,
        uses: NonZeroU32,
        life: NonZeroU32,
    ) -> Result<Reply, Refusal> {
        let email = checks::email(email)?;
        roles.iter().try_for_each(|role| checks::role(role))?;
        let life = Duration::from_secs(life.get().into());
        let made = self.accounts.invite(Leave { email, roles, uses, life }).await?;
        tracing::info!(invitation = made.invitation.id, "invitation made by an operator");
        Ok(Reply::Invited(InvitationView::made(made, self.clock.now())))
    }

    pub(super) async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Reply, Refusal> {
        let limit = limit.clamp(1, PAGE);
        let found = self.accounts.invitations(after, limit).await?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.id);
        let now = self.clock.now();
        let invitations = found.into_iter().map(|one| InvitationView::new(one, now)).collect();
        Ok(Reply::Invitations { invitations, next })
    }

    pub(super) async fn revoke(&self, id: u64) -> Result<Reply, Refusal> {
        if self.accounts.revoke_invitation(id).await? {
            tracing::info!(invitation = id, "invitation taken back by an operator");
            return Ok(Reply::Revoked { id });
        }
        let detail = format!("there is no invitation {id}; it may be used up");
        Err(Refusal::new(RefusalKind::NotFound, detail))
    }
}
