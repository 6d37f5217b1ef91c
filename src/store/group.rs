//! Groups as the store keeps them, free of any backend.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use super::record::User;
use crate::identity::UserId;

/// Roles that are given to many users at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Unique.
    pub name: String,
    /// Role names, sorted, without repeats.
    pub roles: Vec<String>,
}

/// One atomic change of one group, in force for all its members.
#[derive(Clone, Debug)]
pub enum GroupChange {
    /// Gives a role; no change if it is there.
    AddRole(String),
    /// Takes a role; no change if it is not there.
    RemoveRole(String),
}

/// What a [`super::Store`] does for groups. The rules are the same: every method is atomic, and
/// durable when it returns.
#[async_trait]
pub trait GroupStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a group without roles and members; `None` if there is one of that name.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn create_group(&self, name: &str) -> Result<Option<Group>, StoreError>;

    /// The group of exactly that name.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn group(&self, name: &str) -> Result<Option<Group>, StoreError>;

    /// All groups, by name.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn groups(&self) -> Result<Vec<Group>, StoreError>;

    /// At most `limit` members of a group with ids above `after`, in order of their ids. It may
    /// look at all users.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn group_members(
        &self,
        name: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, StoreError>;

    /// Applies one change, and returns the group as it is afterwards.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn change_group(
        &self,
        name: &str,
        change: GroupChange,
    ) -> Result<Option<Group>, StoreError>;

    /// Removes a group; `false` if there was none. Its members lose what it gave, and are not in
    /// a later one of its name.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn delete_group(&self, name: &str) -> Result<bool, StoreError>;
}
