//! What the callers of a log may do now: asked of the running gateway, or of the store.

use std::collections::HashMap;

use crate::admin::{ApiKeyList, Command, Reply, UserFilter, UserKeyView, UserView};
use crate::cli::reach::{Reach, another_reply};
use crate::identity::{Claim, Identity};

/// Callers of our own, each looked up once.
#[derive(Debug)]
pub(super) struct People {
    reach: Option<Reach>,
    users: HashMap<u64, Option<Identity>>,
    /// What an API key leaves of its owner's roles; by number.
    keys: HashMap<u64, Option<Scopes>>,
}

/// The roles that a key may use; `None` is all.
type Scopes = Option<Vec<String>>;

impl People {
    pub(super) fn new(reach: Option<Reach>) -> Self {
        Self { reach, users: HashMap::new(), keys: HashMap::new() }
    }

    /// Whether anybody can be asked.
    pub(super) const fn are_known(&self) -> bool {
        self.reach.is_some()
    }

    /// The user as it is now, by the key if it used one; `None` where nobody knows.
    pub(super) async fn user(
        &mut self,
        id: u64,
        key: Option<u64>,
    ) -> anyhow::Result<Option<Identity>> {
        let Some(identity) = self.look_up(id).await? else { return Ok(None) };
        let Some(key) = key else { return Ok(Some(identity)) };
        let Some(scopes) = self.scopes(&identity.username, key).await? else { return Ok(None) };
        Ok(Some(identity.narrowed(scopes.as_deref())))
    }

    async fn look_up(&mut self, id: u64) -> anyhow::Result<Option<Identity>> {
        if let Some(known) = self.users.get(&id) {
            return Ok(known.clone());
        }
        let Some(reach) = &self.reach else { return Ok(None) };
        let list =
            Command::UserList { after: id.checked_sub(1), limit: 1, filter: UserFilter::default() };
        let Reply::Users { users, .. } = reach.send(list).await? else {
            return Err(another_reply());
        };
        let found = users.into_iter().find(|user| user.id == id).map(identity);
        self.users.insert(id, found.clone());
        Ok(found)
    }

    /// What a key of that user leaves; `None` if it has none of that number.
    async fn scopes(&mut self, owner: &str, key: u64) -> anyhow::Result<Option<Scopes>> {
        if let Some(known) = self.keys.get(&key) {
            return Ok(known.clone());
        }
        let Some(reach) = &self.reach else { return Ok(None) };
        let asked = ApiKeyList { user: Some(owner.to_owned()), after: None, limit: 1000 };
        let Reply::ApiKeys { keys, .. } = reach.send(Command::ApiKeyList(asked)).await? else {
            return Err(another_reply());
        };
        self.keys.insert(key, None);
        self.keys.extend(keys.into_iter().map(|UserKeyView { id, scopes, .. }| (id, Some(scopes))));
        Ok(self.keys.get(&key).cloned().flatten())
    }
}

fn identity(user: UserView) -> Identity {
    let claims = user.claims.into_iter();
    Identity {
        user_id: user.id.to_string(),
        username: user.username,
        email: (!user.email.is_empty()).then_some(user.email),
        email_verified: user.email_verified,
        roles: user.roles,
        claims: claims.map(|(name, value)| (name, Claim::Text(value))).collect(),
        session: None,
        issuer: None,
        amr: Vec::new(),
    }
}
