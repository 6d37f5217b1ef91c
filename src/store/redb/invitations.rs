//! Invitations within a transaction.

use std::num::NonZeroU32;
use std::ops::Bound;

use async_trait::async_trait;
use minicbor::{Decode, Encode};
use redb::ReadableTable;

use super::RedbStore;
use super::tables::{
    Change, Counter, INVITATION_HASHES, INVITATIONS, Source, dangling, decode, failed,
};
use crate::clock::Timestamp;
use crate::store::{
    Invitation, InvitationArrival, InvitationStore, KeptInvitation, NewInvitation, StoreError,
};

#[async_trait]
impl InvitationStore for RedbStore {
    async fn add_invitation(&self, invitation: NewInvitation) -> Result<Invitation, StoreError> {
        self.write(move |change| add(change, &invitation)).await
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>, StoreError> {
        self.read(move |view| by_hash(view, hash)).await
    }

    async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        self.read(move |view| page(view, after, limit)).await
    }

    async fn remove_invitation(&self, id: u64) -> Result<bool, StoreError> {
        self.write(move |change| remove(change, id)).await
    }
}

/// How one looks in the file; see [`super::codec`] for what may be changed.
// Nothing prints it: a hash is in it.
#[derive(Decode, Encode)]
#[cbor(map)]
struct InvitationRecord {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    hash: [u8; 32],
    #[n(1)]
    #[cbor(default)]
    email: String,
    #[n(2)]
    #[cbor(default)]
    roles: Vec<String>,
    #[n(3)]
    left: NonZeroU32,
    #[n(4)]
    created: u64,
    #[n(5)]
    expires: u64,
}

impl InvitationRecord {
    fn new(hash: [u8; 32], invitation: &Invitation) -> Self {
        Self {
            hash,
            email: invitation.email.clone(),
            roles: invitation.roles.clone(),
            left: invitation.left,
            created: invitation.created.as_millis(),
            expires: invitation.expires.as_millis(),
        }
    }

    fn into_kept(self, id: u64) -> KeptInvitation {
        KeptInvitation { hash: self.hash, invitation: self.into_invitation(id) }
    }

    fn into_invitation(self, id: u64) -> Invitation {
        Invitation {
            id,
            email: self.email,
            roles: self.roles,
            left: self.left,
            created: Timestamp::from_millis(self.created),
            expires: Timestamp::from_millis(self.expires),
        }
    }
}

pub(super) fn add(change: &Change<'_>, new: &NewInvitation) -> Result<Invitation, StoreError> {
    let all = page(change, None, usize::MAX)?;
    for expired in all.iter().filter(|one| one.expires <= new.created) {
        remove(change, expired.id)?;
    }
    // Never hand one invitation's uses over to another; one drawn anew will do.
    if change.number(&INVITATION_HASHES, new.hash)?.is_some() {
        return Err(StoreError::Unavailable("this invitation is there already".into()));
    }
    let invitation = Invitation {
        id: change.next(Counter::Invitations)?,
        email: new.email.clone(),
        roles: new.roles.clone(),
        left: new.uses,
        created: new.created,
        expires: new.expires,
    };
    insert(change, new.hash, &invitation)?;
    Ok(invitation)
}

/// Stores one whose number and hash are free.
pub(super) fn insert(
    change: &Change<'_>,
    hash: [u8; 32],
    invitation: &Invitation,
) -> Result<(), StoreError> {
    change.put(&INVITATION_HASHES, hash, invitation.id)?;
    change.put_record(&INVITATIONS, invitation.id, &InvitationRecord::new(hash, invitation))
}

/// What would become of one that comes in.
pub(super) fn judge(
    source: &impl Source,
    new: &KeptInvitation,
) -> Result<InvitationArrival, StoreError> {
    let KeptInvitation { hash, invitation } = new;
    if let Some(there) = by_hash(source, *hash)? {
        if there.id != invitation.id {
            return Ok(InvitationArrival::HashTaken(there.id));
        }
        let differs = there.differences(invitation);
        return Ok(InvitationArrival::Present { differs });
    }
    // Every number up to the last one was given: what is not there any more was used up.
    if invitation.id <= source.last(Counter::Invitations)? {
        return Ok(InvitationArrival::NumberTaken);
    }
    Ok(InvitationArrival::Stored)
}

/// Stores one that comes in, unless it was here before.
pub(super) fn take(
    change: &Change<'_>,
    new: &KeptInvitation,
) -> Result<InvitationArrival, StoreError> {
    let arrival = judge(change, new)?;
    if arrival == InvitationArrival::Stored {
        change.raise(Counter::Invitations, new.invitation.id)?;
        insert(change, new.hash, &new.invitation)?;
    }
    Ok(arrival)
}

pub(super) fn by_hash(
    source: &impl Source,
    hash: [u8; 32],
) -> Result<Option<Invitation>, StoreError> {
    let Some(id) = source.number(&INVITATION_HASHES, hash)? else { return Ok(None) };
    let record: Option<InvitationRecord> = source.record(&INVITATIONS, id)?;
    let record = record.ok_or_else(|| dangling(&INVITATION_HASHES))?;
    Ok(Some(record.into_invitation(id)))
}

/// Takes one use of it; after the last one it is gone.
pub(super) fn spend(
    change: &Change<'_>,
    hash: [u8; 32],
    mut invitation: Invitation,
) -> Result<(), StoreError> {
    let Some(left) = NonZeroU32::new(invitation.left.get() - 1) else {
        return remove(change, invitation.id).map(drop);
    };
    invitation.left = left;
    let record = InvitationRecord::new(hash, &invitation);
    change.put_record(&INVITATIONS, invitation.id, &record)
}

pub(super) fn page(
    source: &impl Source,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Invitation>, StoreError> {
    let kept = kept_page(source, after, limit)?;
    Ok(kept.into_iter().map(|kept| kept.invitation).collect())
}

pub(super) fn kept_page(
    source: &impl Source,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<KeptInvitation>, StoreError> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let table = source.open(&INVITATIONS)?;
    let rows = table.range::<u64>((start, Bound::Unbounded));
    let rows = rows.map_err(|error| failed(&INVITATIONS, error))?;
    rows.take(limit)
        .map(|row| {
            let (id, bytes) = row.map_err(|error| failed(&INVITATIONS, error))?;
            kept(id.value(), bytes.value())
        })
        .collect()
}

/// One as it is kept.
pub(super) fn kept(id: u64, bytes: &[u8]) -> Result<KeptInvitation, StoreError> {
    let record: InvitationRecord = decode(&INVITATIONS, bytes)?;
    Ok(record.into_kept(id))
}

pub(super) fn remove(change: &Change<'_>, id: u64) -> Result<bool, StoreError> {
    let found: Option<InvitationRecord> = change.record(&INVITATIONS, id)?;
    let Some(record) = found else { return Ok(false) };
    change.remove(&INVITATION_HASHES, record.hash)?;
    change.remove(&INVITATIONS, id)?;
    Ok(true)
}
