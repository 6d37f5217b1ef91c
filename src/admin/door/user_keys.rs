//! API keys of users: made, listed, revoked.

use std::time::Duration;

use super::Door;
use super::users::{PAGE, unknown};
use crate::admin::{ApiKeyAdd, ApiKeyList, Refusal, RefusalKind, Reply, UserKeyView, checks};
use crate::printable::Printable;
use crate::session::{KeyMade, NewKey, check_key_name};
use crate::store::UserKey;

impl Door {
    pub(super) async fn make_key(&self, new: ApiKeyAdd) -> Result<Reply, Refusal> {
        let ApiKeyAdd { user, name, scopes, life } = new;
        let name = check_key_name(&name);
        let name = name.map_err(|fault| Refusal::invalid(format!("the key's name: {fault}")))?;
        scopes.iter().flatten().try_for_each(|scope| checks::role(scope))?;
        let owner = self.find(&user).await?;
        let life = life.map(|seconds| Duration::from_secs(seconds.get().into()));
        let owners = Printable(&owner.username);
        let refused = match self.accounts.make_key(&owner, NewKey { name, scopes, life }).await? {
            KeyMade::Made(made) => {
                tracing::info!(user = %owner.id, key = made.key.id, "API key made by an operator");
                let now = self.clock.now();
                return Ok(Reply::ApiKeyMade(UserKeyView::made(made, owner.username, now)));
            }
            KeyMade::NoUser => return Err(unknown(&user)),
            KeyMade::Off => {
                "there are no API keys here; add [auth.keys] to the policy file".to_owned()
            }
            KeyMade::NotTheirs(role) => format!("`{owners}` does not have the role `{role}`"),
            KeyMade::TooLong(most) => {
                format!("a key lives for {} at most, as [auth.keys] life says", plain(most))
            }
            KeyMade::TooMany(most) => {
                format!("`{owners}` has {most} API keys already; revoke one first")
            }
        };
        Err(Refusal::invalid(refused))
    }

    /// Those of a user, or a page of all.
    pub(super) async fn list_keys(&self, asked: ApiKeyList) -> Result<Reply, Refusal> {
        let ApiKeyList { user, after, limit } = asked;
        let (found, next) = if let Some(name) = user {
            (self.accounts.keys_of(self.find(&name).await?.id).await?, None)
        } else {
            let limit = limit.clamp(1, PAGE);
            let found = self.accounts.user_keys(after, limit).await?;
            let next = found.last().filter(|_| found.len() == limit).map(|last| last.id);
            (found, next)
        };
        let mut keys = Vec::new();
        for key in found {
            keys.push(self.view(key).await?);
        }
        Ok(Reply::ApiKeys { keys, next })
    }

    pub(super) async fn revoke_key(&self, id: u64) -> Result<Reply, Refusal> {
        let gone = || Refusal::new(RefusalKind::NotFound, format!("there is no API key {id}"));
        let key = self.accounts.user_key(id).await?.ok_or_else(gone)?;
        if !self.accounts.revoke_key(key.user, id).await? {
            return Err(gone());
        }
        tracing::info!(user = %key.user, key = id, "API key revoked by an operator");
        Ok(Reply::ApiKeyRevoked { id })
    }

    async fn view(&self, key: UserKey) -> Result<UserKeyView, Refusal> {
        // Gone, if an older gateway removed it, which knew nothing of keys.
        let owner = self.accounts.get(key.user).await?;
        let username = owner.map(|owner| owner.username).unwrap_or_default();
        Ok(UserKeyView::new(key, username, self.clock.now()))
    }
}

/// In days where they are whole: months and years are none.
fn plain(life: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = life.as_secs();
    if seconds.is_multiple_of(DAY) { format!("{}d", seconds / DAY) } else { format!("{seconds}s") }
}
