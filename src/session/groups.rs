//! Groups, for whoever changes them: all members hear of it.

use std::sync::Arc;

use super::settle::{see_through, settle_all};
use super::{AccountError, Accounts};
use crate::audit::{Event, Kind};
use crate::identity::UserId;
use crate::store::{Group, GroupChange, User};

impl Accounts {
    /// Makes a group; `None` if there is one of that name.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn create_group(&self, name: &str) -> Result<Option<Group>, AccountError> {
        let note = self.audit().note(Event::new(Kind::GroupAdded).to_name(name));
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let create = async move { store.create_group(&name).await };
        let made = see_through(create, |made| made.is_some().then_some(note));
        Ok(made.await?)
    }

    /// The group of that name.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, AccountError> {
        Ok(self.store.group(name).await?)
    }

    /// All groups, by name.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn groups(&self) -> Result<Vec<Group>, AccountError> {
        Ok(self.store.groups().await?)
    }

    /// At most `limit` members of a group after that id, in order of their ids.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn group_members(
        &self,
        name: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, AccountError> {
        Ok(self.store.group_members(name, after, limit).await?)
    }

    /// Changes a group; in force for all its members from the next request on.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn change_group(
        &self,
        name: &str,
        change: GroupChange,
    ) -> Result<Option<Group>, AccountError> {
        let (kind, role) = match &change {
            GroupChange::AddRole(role) => (Kind::GroupRoleAdded, role),
            GroupChange::RemoveRole(role) => (Kind::GroupRoleRemoved, role),
        };
        let note = self.audit().note(Event::new(kind).to_name(name).with("role", role));
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let change = async move { store.change_group(&name, change).await };
        let noted = |changed: &Option<Group>| changed.is_some().then_some(note);
        Ok(settle_all(&self.revisions, change, noted).await?)
    }

    /// Removes a group; its members lose what it gave. `false` if there was none.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn delete_group(&self, name: &str) -> Result<bool, AccountError> {
        let note = self.audit().note(Event::new(Kind::GroupDeleted).to_name(name));
        let (store, name) = (Arc::clone(&self.store), name.to_owned());
        let delete = async move { store.delete_group(&name).await };
        Ok(settle_all(&self.revisions, delete, |gone| gone.then_some(note)).await?)
    }
}
