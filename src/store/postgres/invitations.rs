//! Invitations.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::PostgresStore;
use super::conn::Conn;
use super::counters::{self, Counter};
use super::failure::Failure;
use super::link::Mode;
use super::rows::{self, From, limit, millis, number};
use crate::store::{
    Invitation, InvitationArrival, InvitationStore, KeptInvitation, MovingStore, NewInvitation,
    StoreError, Trial,
};

#[async_trait]
impl InvitationStore for PostgresStore {
    async fn add_invitation(&self, invitation: NewInvitation) -> Result<Invitation, StoreError> {
        self.call(Mode::Change, invitation, |conn, new| Box::pin(add(conn, new))).await
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(by_hash(conn, *hash))).await
    }

    async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let kept = self.kept_invitations(after, limit).await?;
        Ok(kept.into_iter().map(|kept| kept.invitation).collect())
    }

    async fn remove_invitation(&self, id: u64) -> Result<bool, StoreError> {
        self.call(Mode::Statement, id, |conn, id| Box::pin(remove(conn, *id))).await
    }
}

/// Selects invitations.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, hash, email, roles, uses_left, created, expires \
             FROM portcullis.invitations ",
            $rest
        )
    };
}

pub(super) async fn add(conn: &Conn, new: &NewInvitation) -> Result<Invitation, Failure> {
    let sql = "DELETE FROM portcullis.invitations WHERE expires <= $1";
    conn.execute(sql, &[&millis(new.created)]).await?;
    // Never hand one invitation's uses over to another; one drawn anew will do.
    if by_hash(conn, new.hash).await?.is_some() {
        return Err(StoreError::Unavailable("this invitation is there already".into()).into());
    }
    let invitation = Invitation {
        id: counters::next(conn, Counter::Invitations).await?,
        email: new.email.clone(),
        roles: new.roles.clone(),
        left: new.uses,
        created: new.created,
        expires: new.expires,
    };
    insert(conn, new.hash, &invitation).await?;
    Ok(invitation)
}

/// Stores one whose number and hash are free.
pub(super) async fn insert(conn: &Conn, hash: [u8; 32], it: &Invitation) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.invitations \
               (id, hash, email, roles, uses_left, created, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (left, created, expires) =
        (i64::from(it.left.get()), millis(it.created), millis(it.expires));
    let hash = &hash[..];
    conn.execute(sql, &[&number(it.id), &hash, &it.email, &it.roles, &left, &created, &expires])
        .await?;
    Ok(())
}

pub(super) async fn by_hash(conn: &Conn, hash: [u8; 32]) -> Result<Option<Invitation>, Failure> {
    let row = conn.row(select!("WHERE hash = $1"), &[&&hash[..]]).await?;
    row.as_ref().map(rows::invitation).transpose()
}

/// The invitation, which nobody else uses until the transaction is over.
pub(super) async fn locked(conn: &Conn, hash: [u8; 32]) -> Result<Option<Invitation>, Failure> {
    let row = conn.row(select!("WHERE hash = $1 FOR UPDATE"), &[&&hash[..]]).await?;
    row.as_ref().map(rows::invitation).transpose()
}

/// Takes one use of one that is locked; after the last one it is gone.
pub(super) async fn spend(conn: &Conn, invitation: &Invitation) -> Result<(), Failure> {
    if invitation.left.get() == 1 {
        return remove(conn, invitation.id).await.map(drop);
    }
    let sql = "UPDATE portcullis.invitations SET uses_left = uses_left - 1 WHERE id = $1";
    conn.execute(sql, &[&number(invitation.id)]).await?;
    Ok(())
}

pub(super) async fn kept_page(
    conn: &Conn,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<KeptInvitation>, Failure> {
    let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
    let rows = conn.rows(sql, &[&after.map_or(0, number), &limit(most)]).await?;
    let kept = |row: &Row| {
        let hash = From::new("invitations", row).hash("hash")?;
        Ok(KeptInvitation { hash, invitation: rows::invitation(row)? })
    };
    rows.iter().map(kept).collect()
}

pub(super) async fn remove(conn: &Conn, id: u64) -> Result<bool, Failure> {
    let sql = "DELETE FROM portcullis.invitations WHERE id = $1";
    Ok(conn.execute(sql, &[&number(id)]).await? > 0)
}

/// What becomes of each, in their order.
pub(super) async fn take_all(
    conn: &Conn,
    all: &[KeptInvitation],
    trial: Trial,
) -> Result<Vec<InvitationArrival>, Failure> {
    let mut arrivals = Vec::with_capacity(all.len());
    for one in all {
        arrivals.push(match trial {
            Trial::Dry => judge(conn, one).await?,
            Trial::Real => take(conn, one).await?,
        });
    }
    Ok(arrivals)
}

/// What would become of one that comes in.
async fn judge(conn: &Conn, new: &KeptInvitation) -> Result<InvitationArrival, Failure> {
    let KeptInvitation { hash, invitation } = new;
    if let Some(there) = by_hash(conn, *hash).await? {
        if there.id != invitation.id {
            return Ok(InvitationArrival::HashTaken(there.id));
        }
        return Ok(InvitationArrival::Present { differs: there.differences(invitation) });
    }
    // Every number up to the last one was given: what is not there any more was used up.
    if invitation.id <= counters::last(conn, Counter::Invitations).await? {
        return Ok(InvitationArrival::NumberTaken);
    }
    Ok(InvitationArrival::Stored)
}

/// Stores one that comes in, unless it was here before.
async fn take(conn: &Conn, new: &KeptInvitation) -> Result<InvitationArrival, Failure> {
    let arrival = judge(conn, new).await?;
    if arrival == InvitationArrival::Stored {
        counters::raise(conn, Counter::Invitations, new.invitation.id).await?;
        insert(conn, new.hash, &new.invitation).await?;
    }
    Ok(arrival)
}
