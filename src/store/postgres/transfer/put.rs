//! Records on their way into a database.

use futures_util::future::try_join_all;

use crate::store::postgres::conn::Conn;
use crate::store::postgres::counters::{self, Counter};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::{
    factors, groups, invitations, keys, letters, one_time, passkeys, sessions, users, whole_users,
};
use crate::store::transfer::{AllNumbers, StoreRecord};

/// Stores records that are not there yet. Those of one kind do not wait for one another: their
/// statements go to the database one behind the other.
pub(super) async fn all(conn: &Conn, records: &[StoreRecord]) -> Result<(), Failure> {
    for alike in records.chunk_by(|one, other| one.section() == other.section()) {
        let Some((first, rest)) = alike.split_first() else { continue };
        // The first has its statements prepared, for all of them.
        one(conn, first).await?;
        try_join_all(rest.iter().map(|record| one(conn, record))).await?;
    }
    Ok(())
}

async fn one(conn: &Conn, record: &StoreRecord) -> Result<(), Failure> {
    match record {
        StoreRecord::Numbers(AllNumbers { exported, groups, letters }) => {
            whole_users::raise(conn, *exported).await?;
            counters::raise(conn, Counter::Groups, *groups).await?;
            counters::raise(conn, Counter::Letters, *letters).await
        }
        StoreRecord::Group { number, group } => groups::keep(conn, *number, group).await,
        StoreRecord::User(user) => {
            users::insert(conn, user).await?;
            for group in &user.groups {
                groups::join(conn, group, user.id).await?;
            }
            Ok(())
        }
        StoreRecord::Session(kept) => {
            sessions::insert(conn, &kept.session, kept.adopted.as_deref()).await
        }
        StoreRecord::ApiKey { user, key } => keys::put_api_key(conn, *user, key).await,
        StoreRecord::Invitation(kept) => {
            invitations::insert(conn, kept.hash, &kept.invitation).await
        }
        StoreRecord::Deleted(user) => whole_users::note_deleted(conn, *user).await,
        StoreRecord::Letter(letter) => letters::keep(conn, letter).await,
        StoreRecord::Tokens(tokens) => one_time::keep(conn, tokens).await,
        StoreRecord::UserKey(key) => keys::put(conn, key).await,
        StoreRecord::Factors { user, factors } => factors::put(conn, *user, factors).await,
        StoreRecord::Signed(signed) => passkeys::use_up(conn, *signed).await.map(drop),
    }
}
