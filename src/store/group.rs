//! Groups as the store keeps them, free of any backend.

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
