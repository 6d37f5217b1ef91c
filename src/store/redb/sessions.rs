//! Sessions: started, rotated, ended and swept within a transaction.

use redb::ReadableTable;

use super::codec::SessionRecord;
use super::tables::{
    ADOPTED, Change, Counter, SESSIONS, Source, USER_SESSIONS, dangling, decode, failed,
};
use super::{factors, users};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::record::{
    EndReason, NewSession, PasswordHash, Rotation, RotationRequest, Session, SessionRef, Standing,
    UserChange,
};
use crate::store::{KeptSession, SecondFactor, StoreError};

/// A session with what the store alone needs to know of it.
pub(super) struct Stored {
    pub(super) session: Session,
    /// The `jti` it was adopted for.
    pub(super) adopted: Option<String>,
}

impl Stored {
    fn at(source: &impl Source, number: u64) -> Result<Option<Self>, StoreError> {
        let found: Option<SessionRecord> = source.record(&SESSIONS, number)?;
        Ok(found.map(|record| {
            let (session, adopted) = record.into_session(number);
            Self { session, adopted }
        }))
    }

    /// The session of that id; one with its number but another tag is not it.
    fn of(source: &impl Source, id: SessionId) -> Result<Option<Self>, StoreError> {
        Ok(Self::at(source, id.number)?.filter(|stored| stored.session.id == id))
    }

    /// Stores a session that is not there yet.
    pub(super) fn enter(self, change: &Change<'_>) -> Result<(), StoreError> {
        change.put(&USER_SESSIONS, (self.session.user.0, self.session.id.number), ())?;
        self.save(change).map(drop)
    }

    fn save(self, change: &Change<'_>) -> Result<Session, StoreError> {
        let record = SessionRecord::new(&self.session, self.adopted);
        change.put_record(&SESSIONS, self.session.id.number, &record)?;
        Ok(self.session)
    }
}

/// A session as it is kept.
pub(super) fn kept_row(number: u64, bytes: &[u8]) -> Result<KeptSession, StoreError> {
    let record: SessionRecord = decode(&SESSIONS, bytes)?;
    let (session, adopted) = record.into_session(number);
    Ok(KeptSession { session, adopted })
}

/// Stores a session as it is elsewhere, under its own number, which is free.
pub(super) fn keep(change: &Change<'_>, kept: KeptSession) -> Result<(), StoreError> {
    let KeptSession { session, adopted } = kept;
    if let Some(jti) = &adopted {
        change.put(&ADOPTED, jti.as_str(), session.id.number)?;
    }
    Stored { session, adopted }.enter(change)
}

/// The session that was adopted for `jti`.
pub(super) fn adopted(source: &impl Source, jti: &str) -> Result<Option<Session>, StoreError> {
    let Some(number) = source.number(&ADOPTED, jti)? else { return Ok(None) };
    let stored = Stored::at(source, number)?.ok_or_else(|| dangling(&ADOPTED))?;
    Ok(Some(stored.session))
}

pub(super) fn standing(
    source: &impl Source,
    user: UserId,
    session: SessionRef<'_>,
) -> Result<Standing, StoreError> {
    let session = match session {
        SessionRef::Own(id) => Stored::of(source, id)?.map(|stored| stored.session),
        SessionRef::Foreign(jti) => adopted(source, jti)?,
    };
    Ok(Standing { user: users::find(source, user)?, session })
}

/// The session numbers of a user, in order.
pub(super) fn numbers(source: &impl Source, user: UserId) -> Result<Vec<u64>, StoreError> {
    let table = source.open(&USER_SESSIONS)?;
    let rows = table.range((user.0, 0)..=(user.0, u64::MAX));
    let rows = rows.map_err(|error| failed(&USER_SESSIONS, error))?;
    rows.map(|row| {
        let (key, _) = row.map_err(|error| failed(&USER_SESSIONS, error))?;
        Ok(key.value().1)
    })
    .collect()
}

pub(super) fn of_user(
    source: &impl Source,
    user: UserId,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Session>, StoreError> {
    let table = source.open(&USER_SESSIONS)?;
    // No number is the last there can be, so nothing is missed above it.
    let rows = table.range((user.0, 0)..(user.0, before.unwrap_or(u64::MAX)));
    let rows = rows.map_err(|error| failed(&USER_SESSIONS, error))?.rev();
    rows.take(limit)
        .map(|row| {
            let (key, _) = row.map_err(|error| failed(&USER_SESSIONS, error))?;
            let stored = Stored::at(source, key.value().1)?;
            stored.map(|stored| stored.session).ok_or_else(|| dangling(&USER_SESSIONS))
        })
        .collect()
}

pub(super) fn note_uses(
    change: &Change<'_>,
    uses: &[(SessionId, Timestamp)],
) -> Result<(), StoreError> {
    for (id, at) in uses {
        let stored = Stored::of(change, *id)?.filter(|stored| stored.session.ended.is_none());
        if let Some(mut stored) = stored.filter(|stored| stored.session.last_used < *at) {
            stored.session.last_used = *at;
            stored.save(change)?;
        }
    }
    Ok(())
}

/// The same, with what else is stored about each.
pub(super) fn kept(source: &impl Source, user: UserId) -> Result<Vec<KeptSession>, StoreError> {
    let stored = |number| Stored::at(source, number)?.ok_or_else(|| dangling(&USER_SESSIONS));
    let numbers = numbers(source, user)?.into_iter();
    numbers
        .map(|number| {
            stored(number).map(|Stored { session, adopted }| KeptSession { session, adopted })
        })
        .collect()
}

/// A login begins.
pub(super) fn start(change: &Change<'_>, new: &NewSession) -> Result<Option<Session>, StoreError> {
    let session = begin(change, new, None)?;
    if session.is_some() {
        users::alter(change, new.user, &UserChange::LoggedIn(new.started))?;
    }
    Ok(session)
}

fn begin(
    change: &Change<'_>,
    new: &NewSession,
    adopted: Option<&str>,
) -> Result<Option<Session>, StoreError> {
    let user = users::find(change, new.user)?;
    let Some(user) = user else { return Ok(None) };
    let logged_out = adopted.is_some() && user.logout_mark != new.logout_mark;
    if logged_out || user.password_mark != new.password_mark {
        return Ok(None);
    }
    let number = change.next(Counter::Sessions)?;
    let mut session = new.numbered(number, adopted.is_some());
    // It may have been removed since it was shown.
    if let Some(second) = session.second
        && !factors::back(change, new.user, second)?
    {
        session.second = None;
    }
    change.put(&USER_SESSIONS, (new.user.0, number), ())?;
    Stored { session, adopted: adopted.map(str::to_owned) }.save(change).map(Some)
}

/// A new password, and the one session that is not behind its mark.
pub(super) fn start_with_password(
    change: &Change<'_>,
    hash: &PasswordHash,
    new: &NewSession,
) -> Result<Option<Session>, StoreError> {
    let user = users::find(change, new.user)?;
    if !user.is_some_and(|user| user.password_mark == new.password_mark) {
        return Ok(None);
    }
    let password = UserChange::Password { hash: hash.clone(), at: new.started };
    let Some(user) = users::alter(change, new.user, &password)? else { return Ok(None) };
    begin(change, &NewSession { password_mark: user.password_mark, ..new.clone() }, None)
}

pub(super) fn adopt(
    change: &Change<'_>,
    jti: &str,
    new: &NewSession,
) -> Result<Option<Session>, StoreError> {
    if let Some(session) = adopted(change, jti)? {
        return Ok(Some(session));
    }
    let session = begin(change, new, Some(jti))?;
    if let Some(session) = &session {
        change.put(&ADOPTED, jti, session.id.number)?;
    }
    Ok(session)
}

pub(super) fn rotate(
    change: &Change<'_>,
    request: &RotationRequest,
) -> Result<Rotation, StoreError> {
    let Some(mut stored) = Stored::of(change, request.session)? else {
        return Ok(Rotation::Unknown);
    };
    let rotation = stored.session.rotate(request);
    match rotation {
        Rotation::Rotated(_) | Rotation::Reused => drop(stored.save(change)?),
        Rotation::Repeated(_) | Rotation::Ended | Rotation::Unknown => {}
    }
    Ok(rotation)
}

pub(super) fn touch(
    change: &Change<'_>,
    id: SessionId,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    let stored = Stored::of(change, id)?.filter(|stored| stored.session.ended.is_none());
    let Some(mut stored) = stored else { return Ok(()) };
    stored.session.last_used = now;
    stored.session.expires = stored.session.expires.max(expires);
    stored.save(change)?;
    Ok(())
}

pub(super) fn end(
    change: &Change<'_>,
    id: SessionId,
    now: Timestamp,
    reason: EndReason,
) -> Result<bool, StoreError> {
    let stored = Stored::of(change, id)?.filter(|stored| stored.session.ended.is_none());
    let Some(mut stored) = stored else { return Ok(false) };
    stored.session.ended = Some((now, reason));
    stored.save(change)?;
    Ok(true)
}

/// No session of that user has one of those any more.
pub(super) fn lower(
    change: &Change<'_>,
    user: UserId,
    is_gone: impl Fn(SecondFactor) -> bool,
) -> Result<(), StoreError> {
    for number in numbers(change, user)? {
        let stored = Stored::at(change, number)?;
        if let Some(mut stored) =
            stored.filter(|stored| stored.session.second.is_some_and(&is_gone))
        {
            stored.session.second = None;
            stored.save(change)?;
        }
    }
    Ok(())
}

/// Removes a session with all that points at it; `false` if there is none.
pub(super) fn remove(change: &Change<'_>, number: u64) -> Result<bool, StoreError> {
    let Some(stored) = Stored::at(change, number)? else { return Ok(false) };
    if let Some(jti) = stored.adopted {
        change.remove(&ADOPTED, jti.as_str())?;
    }
    change.remove(&USER_SESSIONS, (stored.session.user.0, number))?;
    change.remove(&SESSIONS, number)?;
    Ok(true)
}

/// Removes those of the sessions that are still dead, and returns how many.
pub(super) fn bury(
    change: &Change<'_>,
    numbers: &[u64],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut removed = 0;
    for &number in numbers {
        let dead = Stored::at(change, number)?.is_some_and(|stored| stored.session.expires < now);
        if dead && remove(change, number)? {
            removed += 1;
        }
    }
    Ok(removed)
}
