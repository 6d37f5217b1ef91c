//! What became of what came in, as it is told.

use serde::{Deserialize, Serialize};

use crate::identity::UserId;
use crate::printable::Printable;
use crate::store::{Arrival, GroupArrival, InvitationArrival};

/// What became of a record that came in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is new here.
    Stored {
        /// The id of a user; 0 of one that would get the next in a dry run, and of all else.
        id: u64,
    },
    /// It was there; what a user lacked of keys and ended tokens was added.
    Present {
        /// The id of a user, or 0.
        id: u64,
        /// Whether something was added.
        completed: bool,
        /// What is otherwise here, and stays so.
        differs: Vec<String>,
    },
    /// It was not taken.
    Refused {
        /// Why not.
        reason: String,
    },
}

impl Outcome {
    fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }

    /// Something that is no user was there.
    fn present(differs: Vec<&'static str>) -> Self {
        let differs = differs.into_iter().map(str::to_owned).collect();
        Self::Present { id: 0, completed: false, differs }
    }
}

impl From<Arrival> for Outcome {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::Stored(id) => Self::Stored { id: id.0 },
            Arrival::Present { id, completed, differs } => {
                let differs = differs.into_iter().map(str::to_owned).collect();
                Self::Present { id: id.0, completed, differs }
            }
            Arrival::NameTaken(id) => Self::refused(format!("the name is that of user {id}")),
            Arrival::IdTaken(name) => {
                Self::refused(format!("the id is that of `{}`", Printable(&name)))
            }
            Arrival::IdGone => Self::refused("the id was that of a user who was deleted here"),
            Arrival::KeyTaken => Self::refused("the API key is another user's"),
            Arrival::SessionTaken(number) => {
                Self::refused(format!("there is another session {number}"))
            }
        }
    }
}

impl From<GroupArrival> for Outcome {
    fn from(arrival: GroupArrival) -> Self {
        match arrival {
            GroupArrival::Stored => Self::Stored { id: 0 },
            GroupArrival::Present { differs } => {
                Self::present(if differs { vec!["set of roles"] } else { Vec::new() })
            }
        }
    }
}

impl From<InvitationArrival> for Outcome {
    fn from(arrival: InvitationArrival) -> Self {
        match arrival {
            InvitationArrival::Stored => Self::Stored { id: 0 },
            InvitationArrival::Present { differs } => Self::present(differs),
            InvitationArrival::NumberTaken => Self::refused(
                "the number is that of another one, or it was used up or taken back here",
            ),
            InvitationArrival::HashTaken(id) => {
                Self::refused(format!("it is here as invitation {id}"))
            }
        }
    }
}

/// Of ids of deleted users: those that are users here.
impl From<Vec<UserId>> for Outcome {
    fn from(alive: Vec<UserId>) -> Self {
        let Some(first) = alive.first() else { return Self::Stored { id: 0 } };
        let more = match alive.len() - 1 {
            0 => String::new(),
            more => format!(", as are {more} more of them"),
        };
        Self::refused(format!("{first} is the id of a user here{more}; the others are noted"))
    }
}
