//! Second factors of users: looked at, and taken away from who has lost them.

use super::Door;
use crate::admin::{FactorsView, Refusal, Reply};
use crate::store::User;

impl Door {
    pub(super) async fn factors(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        self.factors_of(user).await
    }

    pub(super) async fn reset_factors(&self, name: &str) -> Result<Reply, Refusal> {
        let user = self.find(name).await?;
        if self.accounts.remove_factors(user.id).await? {
            tracing::info!(user = %user.id, "second factors removed by an operator");
        }
        self.factors_of(user).await
    }

    async fn factors_of(&self, user: User) -> Result<Reply, Refusal> {
        let factors = self.accounts.factors(user.id).await?;
        let since = factors.as_ref().and_then(|factors| factors.confirmed_totp()?.confirmed);
        Ok(Reply::Factors(FactorsView {
            username: user.username,
            totp: since.map(|at| at.to_string()),
            recovery_codes: factors.as_ref().map_or(0, |factors| factors.recovery.len()),
            passkeys: factors.map_or(0, |factors| factors.passkeys.len()),
        }))
    }
}
