//! What moves in or out through the door: users, and what stands beside them.

mod arrival;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{DeletedRecord, GroupRecord, InvitationRecord, Record, UserRecord};
use super::{Door, Refusal, Reply};
use crate::identity::UserId;
use crate::session::AccountError;
use crate::store::{Numbers, Trial};

pub use arrival::Outcome;

/// Most users, and most invitations, of one reply.
const PAGE: usize = 200;

/// Most ids of deleted users in one record.
const IDS: usize = 1000;

/// Bytes after which a reply is long enough, however many users it has.
const LONG: usize = 4 * 1024 * 1024;

/// `[import]`: what becomes of what makes a user more than a user elsewhere.
#[derive(Clone, Debug, Default)]
pub struct ImportRoles {
    /// The roles of Django's `is_staff`.
    pub staff: Vec<String>,
    /// The roles of Django's `is_superuser`.
    pub superuser: Vec<String>,
    /// The roles of a group, by its name there.
    pub groups: BTreeMap<String, Vec<String>>,
}

/// How far an export has come. The parts come in this order, so that whoever reads them finds a
/// group before its members.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "part", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// At the ids of deleted users.
    Deleted {
        /// The last one of the page before.
        after: Option<u64>,
    },
    /// At the groups, which are one page.
    Groups,
    /// At the users.
    Users {
        /// The last id of the page before.
        after: Option<u64>,
    },
    /// At the invitations.
    Invitations {
        /// The last number of the page before.
        after: Option<u64>,
    },
}

impl Default for Place {
    fn default() -> Self {
        Self::Deleted { after: None }
    }
}

/// Records by their kind, each with its place among all.
#[derive(Default)]
struct Sorted {
    users: Vec<(usize, UserRecord)>,
    groups: Vec<(usize, GroupRecord)>,
    invitations: Vec<(usize, InvitationRecord)>,
    deleted: Vec<(usize, DeletedRecord)>,
}

impl From<Vec<Record>> for Sorted {
    fn from(records: Vec<Record>) -> Self {
        let mut sorted = Self::default();
        for (at, record) in records.into_iter().enumerate() {
            match record {
                Record::User(user) => sorted.users.push((at, *user)),
                Record::Group(group) => sorted.groups.push((at, group)),
                Record::Invitation(invitation) => sorted.invitations.push((at, invitation)),
                Record::Deleted(deleted) => sorted.deleted.push((at, deleted)),
            }
        }
        sorted
    }
}

/// What became of some of the records, each with its place among all.
type Told = Vec<(usize, Outcome)>;

impl Door {
    pub(super) async fn import(
        &self,
        records: Vec<Record>,
        dry_run: bool,
    ) -> Result<Reply, Refusal> {
        let trial = if dry_run { Trial::Dry } else { Trial::Real };
        let Sorted { users, groups, invitations, deleted } = records.into();
        let count = users.len();
        // In the order of an export.
        let mut told = self.import_deleted(deleted, trial).await?;
        let groups = groups.into_iter().map(|(at, record)| (at, record.into_group())).collect();
        told.extend(taken(groups, |all| self.accounts.take_groups(all, trial)).await?);
        told.extend(self.import_users(users, trial).await?);
        let invitations = invitations.into_iter().map(|(at, one)| (at, one.into_kept())).collect();
        told.extend(taken(invitations, |all| self.accounts.take_invitations(all, trial)).await?);
        if !dry_run {
            tracing::info!(users = count, records = told.len(), "an import by an operator");
        }
        told.sort_unstable_by_key(|(at, _)| *at);
        Ok(Reply::Imported { outcomes: told.into_iter().map(|(_, outcome)| outcome).collect() })
    }

    async fn import_users(
        &self,
        users: Vec<(usize, UserRecord)>,
        trial: Trial,
    ) -> Result<Told, Refusal> {
        let keys = self.keys.clone();
        // Sealing keys and reading hashes of thousands is too long for this thread.
        let checked = tokio::task::spawn_blocking(move || {
            let keys = keys.as_deref();
            users.into_iter().map(|(at, record)| (at, record.into_whole(keys))).collect()
        });
        let checked = checked.await.map_err(|_panicked| unavailable())?;
        taken(checked, |all| self.accounts.take(all, trial)).await
    }

    async fn import_deleted(
        &self,
        deleted: Vec<(usize, DeletedRecord)>,
        trial: Trial,
    ) -> Result<Told, Refusal> {
        let mut told = Vec::with_capacity(deleted.len());
        for (at, record) in deleted {
            let outcome = match record.into_ids() {
                Ok(ids) => self.accounts.take_deleted(ids, trial).await?.into(),
                Err(reason) => Outcome::Refused { reason },
            };
            told.push((at, outcome));
        }
        Ok(told)
    }

    pub(super) async fn export(&self, place: Place, limit: usize) -> Result<Reply, Refusal> {
        let limit = limit.clamp(1, PAGE);
        let (records, next) = match place {
            Place::Deleted { after } => {
                let ids = self.accounts.deleted(after.map(UserId), IDS).await?;
                let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
                let after = ids.last().copied().filter(|_| ids.len() == IDS);
                let next =
                    after.map_or(Place::Groups, |after| Place::Deleted { after: Some(after) });
                let record = (!ids.is_empty()).then_some(Record::Deleted(DeletedRecord { ids }));
                (record.into_iter().collect(), Some(next))
            }
            Place::Groups => {
                let groups = self.accounts.groups().await?.into_iter();
                let records = groups.map(|group| Record::Group(group.into())).collect();
                (records, Some(Place::Users { after: None }))
            }
            Place::Users { after } => self.export_users(after, limit).await?,
            Place::Invitations { after } => {
                let found = self.accounts.kept_invitations(after, limit).await?;
                let next = found.last().filter(|_| found.len() == limit);
                let next = next.map(|kept| Place::Invitations { after: Some(kept.invitation.id) });
                (found.into_iter().map(|kept| Record::Invitation(kept.into())).collect(), next)
            }
        };
        Ok(Reply::Exported { records, next })
    }

    async fn export_users(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<Place>), Refusal> {
        let found = self.accounts.whole(after.map(UserId), limit).await?;
        let full = found.len() == limit;
        let (mut users, mut last, mut long, mut cut) = (Vec::new(), after, 0, false);
        for whole in found {
            if long >= LONG {
                cut = true;
                break;
            }
            let record = UserRecord::from(whole);
            last = Some(record.id);
            long += serde_json::to_vec(&record).map_or(0, |text| text.len());
            users.push(Record::User(Box::new(record)));
        }
        let next = if full || cut {
            Place::Users { after: last }
        } else {
            Place::Invitations { after: None }
        };
        Ok((users, Some(next)))
    }

    pub(super) async fn numbers(&self, at_least: Numbers) -> Result<Reply, Refusal> {
        Ok(Reply::Numbers(self.accounts.numbers(at_least).await?))
    }
}

/// Has those stored that are in order, and says of each what became of it.
async fn taken<T, A: Into<Outcome>, F>(
    checked: Vec<(usize, Result<T, String>)>,
    take: impl FnOnce(Vec<T>) -> F,
) -> Result<Told, Refusal>
where
    F: Future<Output = Result<Vec<A>, AccountError>>,
{
    let (mut places, mut good, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for (at, record) in checked {
        match record {
            Ok(record) => {
                places.push(at);
                good.push(record);
            }
            Err(reason) => told.push((at, Outcome::Refused { reason })),
        }
    }
    if good.is_empty() {
        return Ok(told);
    }
    let arrivals = take(good).await?;
    if arrivals.len() != places.len() {
        return Err(unavailable());
    }
    told.extend(places.into_iter().zip(arrivals.into_iter().map(Into::into)));
    Ok(told)
}

fn unavailable() -> Refusal {
    Refusal::new(super::RefusalKind::Unavailable, "the users could not be read")
}
