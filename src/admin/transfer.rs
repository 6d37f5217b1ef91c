//! Users that move in or out through the door.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::UserRecord;
use super::{Door, Refusal, Reply};
use crate::identity::UserId;
use crate::printable::Printable;
use crate::store::{Arrival, Numbers, Trial};

/// Most users of one reply.
const PAGE: usize = 200;

/// Bytes after which a reply is long enough, however many users it has.
const LONG: usize = 4 * 1024 * 1024;

/// `[import]`: what becomes of what makes a user more than a user elsewhere.
#[derive(Clone, Debug, Default)]
pub struct ImportRoles {
    /// The roles of Django's `is_staff`.
    pub staff: Vec<String>,
    /// The roles of Django's `is_superuser`.
    pub superuser: Vec<String>,
    /// The roles of the members of a group, by its name.
    pub groups: BTreeMap<String, Vec<String>>,
}

/// What became of a user that came in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It is new here.
    Stored {
        /// Its id; 0 in a dry run where it would get the next.
        id: u64,
    },
    /// It was there; what it lacked of keys and ended tokens was added.
    Present {
        /// Its id.
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

impl Door {
    pub(super) async fn import(
        &self,
        records: Vec<UserRecord>,
        dry_run: bool,
    ) -> Result<Reply, Refusal> {
        let keys = self.keys.clone();
        // Sealing keys and reading hashes of thousands is too long for this thread.
        let checked = tokio::task::spawn_blocking(move || {
            let keys = keys.as_deref();
            records.into_iter().map(|record| record.into_whole(keys)).collect::<Vec<_>>()
        });
        let checked = checked.await.map_err(|_panicked| unavailable())?;
        let (mut users, mut outcomes) = (Vec::new(), Vec::new());
        for record in checked {
            match record {
                Ok(user) => {
                    users.push(user);
                    outcomes.push(None);
                }
                Err(reason) => outcomes.push(Some(Outcome::Refused { reason })),
            }
        }
        let trial = if dry_run { Trial::Dry } else { Trial::Real };
        let count = users.len();
        let mut arrivals = self.accounts.take(users, trial).await?.into_iter();
        if !dry_run {
            tracing::info!(users = count, "users imported by an operator");
        }
        let outcomes = outcomes.into_iter().map(|refused| {
            refused.map_or_else(|| arrivals.next().map(Into::into).ok_or_else(unavailable), Ok)
        });
        Ok(Reply::Imported { outcomes: outcomes.collect::<Result<_, _>>()? })
    }

    pub(super) async fn export(&self, after: Option<u64>, limit: usize) -> Result<Reply, Refusal> {
        let limit = limit.clamp(1, PAGE);
        let found = self.accounts.whole(after.map(UserId), limit).await?;
        let full = found.len() == limit;
        let (mut users, mut long, mut cut) = (Vec::new(), 0, false);
        for whole in found {
            if long >= LONG {
                cut = true;
                break;
            }
            let record = UserRecord::from(whole);
            long += serde_json::to_vec(&record).map_or(0, |text| text.len());
            users.push(record);
        }
        let next = users.last().filter(|_| full || cut).map(|user: &UserRecord| user.id);
        Ok(Reply::Exported { users, next })
    }

    pub(super) async fn numbers(&self, users: u64, sessions: u64) -> Result<Reply, Refusal> {
        let Numbers { users, sessions } =
            self.accounts.numbers(Numbers { users, sessions }).await?;
        Ok(Reply::Numbers { users, sessions })
    }
}

fn unavailable() -> Refusal {
    Refusal::new(super::RefusalKind::Unavailable, "the users could not be read")
}

impl From<Arrival> for Outcome {
    fn from(arrival: Arrival) -> Self {
        let reason = match arrival {
            Arrival::Stored(id) => return Self::Stored { id: id.0 },
            Arrival::Present { id, completed, differs } => {
                let differs = differs.into_iter().map(str::to_owned).collect();
                return Self::Present { id: id.0, completed, differs };
            }
            Arrival::NameTaken(id) => format!("the name is that of user {id}"),
            Arrival::IdTaken(name) => format!("the id is that of `{}`", Printable(&name)),
            Arrival::IdGone => "the id was that of a user who was deleted here".to_owned(),
            Arrival::KeyTaken => "the API key is another user's".to_owned(),
            Arrival::SessionTaken(number) => format!("there is another session {number}"),
        };
        Self::Refused { reason }
    }
}
