//! Every record of a database, as all of them are at one moment.

use super::tables;
use crate::identity::UserId;
use crate::store::postgres::conn::Conn;
use crate::store::postgres::counters::{self, Counter};
use crate::store::postgres::failure::Failure;
use crate::store::postgres::link::Mode;
use crate::store::postgres::rows::{Own, number};
use crate::store::postgres::threads::Threads;
use crate::store::postgres::{
    PostgresStore, factors, groups, invitations, keys, letters, one_time, passkeys, sessions,
    users, whole_users,
};
use crate::store::transfer::{AllNumbers, RecordSender, StoreRecord, TOGETHER};
use crate::store::{Factors, StoreError};

impl PostgresStore {
    /// Hands over every record, as all are at one moment, while others go on. It blocks.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; also where nobody takes them any more.
    #[doc(hidden)]
    pub fn pour(&self, sender: RecordSender) -> Result<(), StoreError> {
        all(&self.threads, sender)
    }

    /// About how many records there are. It blocks.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    #[doc(hidden)]
    pub fn count(&self) -> Result<u64, StoreError> {
        // Of many millions of rows it takes its time.
        self.threads.calls().block(Mode::Pour, (), |conn, ()| Box::pin(tables::count(conn)))
    }
}

pub(super) fn all(threads: &Threads, sender: RecordSender) -> Result<(), StoreError> {
    threads.calls().block(Mode::Pour, sender, |conn, sender| Box::pin(pour(conn, sender)))
}

/// In the order of [`Section`](crate::store::transfer::Section), each by its number or hash.
async fn pour(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let numbers = AllNumbers {
        exported: whole_users::numbers(conn).await?,
        groups: counters::last(conn, Counter::Groups).await?,
        letters: counters::last(conn, Counter::Letters).await?,
    };
    send(to, vec![StoreRecord::Numbers(numbers)]).await?;
    let groups = groups::numbered(conn).await?.into_iter();
    send(to, groups.map(|(number, group)| StoreRecord::Group { number, group }).collect()).await?;
    users(conn, to).await?;
    sessions(conn, to).await?;
    api_keys(conn, to).await?;
    invitations(conn, to).await?;
    deleted(conn, to).await?;
    letters(conn, to).await?;
    tokens(conn, to).await?;
    user_keys(conn, to).await?;
    factors(conn, to).await?;
    signed(conn, to).await
}

async fn send(to: &RecordSender, records: Vec<StoreRecord>) -> Result<(), Failure> {
    let sent = to.send(records).await;
    sent.map_err(|gone| StoreError::Unavailable(gone.to_string().into()).into())
}

async fn users(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let page = users::own_page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.user.id);
        send(to, page.into_iter().map(Own::named).map(StoreRecord::User).collect()).await?;
    }
}

async fn sessions(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let page = sessions::kept_page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.session.id.number;
        send(to, page.into_iter().map(StoreRecord::Session).collect()).await?;
    }
}

async fn api_keys(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = UserId(0);
    loop {
        let page = keys::api_keys_page(conn, last, TOGETHER).await?;
        let Some((end, _)) = page.last() else { return Ok(()) };
        last = *end;
        let records = page.into_iter().map(|(user, key)| StoreRecord::ApiKey { user, key });
        send(to, records.collect()).await?;
    }
}

async fn invitations(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let page = invitations::kept_page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.invitation.id);
        send(to, page.into_iter().map(StoreRecord::Invitation).collect()).await?;
    }
}

async fn deleted(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let page = whole_users::deleted(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(*end);
        send(to, page.into_iter().map(StoreRecord::Deleted).collect()).await?;
    }
}

async fn letters(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = 0;
    loop {
        let page = letters::page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.number;
        send(to, page.into_iter().map(StoreRecord::Letter).collect()).await?;
    }
}

async fn tokens(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = UserId(0);
    loop {
        let page = one_time::page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.user;
        send(to, page.into_iter().map(StoreRecord::Tokens).collect()).await?;
    }
}

async fn user_keys(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = None;
    loop {
        let page = keys::page(conn, last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.id);
        send(to, page.into_iter().map(StoreRecord::UserKey).collect()).await?;
    }
}

async fn factors(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = UserId(0);
    loop {
        let owners = factors::owners_page(conn, last, TOGETHER).await?;
        let Some(end) = owners.last() else { return Ok(()) };
        last = UserId(end.cast_unsigned());
        let mut found = factors::of_users(conn, &owners).await?;
        found.sort_unstable_by_key(|(user, _)| number(user.0));
        let record = |(user, factors): (UserId, Factors)| StoreRecord::Factors { user, factors };
        send(to, found.into_iter().map(record).collect()).await?;
    }
}

async fn signed(conn: &Conn, to: &RecordSender) -> Result<(), Failure> {
    let mut last = Vec::new();
    loop {
        let page = passkeys::signed_page(conn, &last, TOGETHER).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = end.hash.to_vec();
        send(to, page.into_iter().map(StoreRecord::Signed).collect()).await?;
    }
}
