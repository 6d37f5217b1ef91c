//! Users on their way in or out, within a transaction.

use async_trait::async_trait;

use super::tables::{ADOPTED, API_KEY_HASHES, Change, Counter, NAMES, SESSIONS, Source, View};
use super::{
    RedbStore, deleted, factors, groups, invitations, keys, passkeys, sessions, user_keys, users,
};
use crate::identity::UserId;
use crate::store::moving::{
    Arrival, GroupArrival, InvitationArrival, KeptInvitation, KeptSession, MovingStore, Numbers,
    Trial, WholeUser,
};
use crate::store::record::User;
use crate::store::{ApiKey, Group, StoreError};

#[async_trait]
impl MovingStore for RedbStore {
    async fn take_users(
        &self,
        users: Vec<WholeUser>,
        trial: Trial,
    ) -> Result<Vec<Arrival>, StoreError> {
        match trial {
            Trial::Dry => self.read(move |view| each(&users, |one| judge(view, one))).await,
            Trial::Real => self.write(move |change| each(&users, |one| take(change, one))).await,
        }
    }

    async fn whole_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<WholeUser>, StoreError> {
        self.read(move |view| page(view, after, limit)).await
    }

    async fn take_groups(
        &self,
        all: Vec<Group>,
        trial: Trial,
    ) -> Result<Vec<GroupArrival>, StoreError> {
        match trial {
            Trial::Dry => self.read(move |view| each(&all, |one| groups::judge(view, one))).await,
            Trial::Real => {
                self.write(move |change| each(&all, |one| groups::take(change, one))).await
            }
        }
    }

    async fn take_invitations(
        &self,
        all: Vec<KeptInvitation>,
        trial: Trial,
    ) -> Result<Vec<InvitationArrival>, StoreError> {
        match trial {
            Trial::Dry => {
                self.read(move |view| each(&all, |one| invitations::judge(view, one))).await
            }
            Trial::Real => {
                self.write(move |change| each(&all, |one| invitations::take(change, one))).await
            }
        }
    }

    async fn kept_invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<KeptInvitation>, StoreError> {
        self.read(move |view| invitations::kept_page(view, after, limit)).await
    }

    async fn take_deleted(
        &self,
        ids: Vec<UserId>,
        trial: Trial,
    ) -> Result<Vec<UserId>, StoreError> {
        match trial {
            Trial::Dry => self.read(move |view| deleted::alive(view, &ids)).await,
            Trial::Real => self.write(move |change| deleted::take(change, &ids)).await,
        }
    }

    async fn deleted(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.read(move |view| deleted::page(view, after, limit)).await
    }

    async fn numbers(&self, at_least: Numbers) -> Result<Numbers, StoreError> {
        if at_least == Numbers::default() {
            return self.read(numbers).await;
        }
        self.write(move |change| {
            raise(change, at_least)?;
            numbers(change)
        })
        .await
    }
}

/// What becomes of each, in their order.
fn each<T, A>(
    all: &[T],
    become_of: impl Fn(&T) -> Result<A, StoreError>,
) -> Result<Vec<A>, StoreError> {
    all.iter().map(become_of).collect()
}

/// What there is of the users after that id.
fn page(view: &View, after: Option<UserId>, limit: usize) -> Result<Vec<WholeUser>, StoreError> {
    let users = users::own_page(view, after, limit)?.into_iter();
    users
        .map(|user| {
            let key = keys::stored_key(view, user.id)?;
            let keys = user_keys::of_user(view, user.id)?;
            let factors = factors::find(view, user.id)?;
            let sessions = sessions::kept(view, user.id)?;
            Ok(WholeUser { user, key, keys, factors, sessions })
        })
        .collect()
}

pub(super) fn numbers<S: Source>(source: &S) -> Result<Numbers, StoreError> {
    Ok(Numbers {
        users: source.last(Counter::Users)?,
        sessions: source.last(Counter::Sessions)?,
        invitations: source.last(Counter::Invitations)?,
        keys: source.last(Counter::UserKeys)?,
    })
}

pub(super) fn raise(change: &Change<'_>, to: Numbers) -> Result<(), StoreError> {
    change.raise(Counter::Users, to.users)?;
    change.raise(Counter::Sessions, to.sessions)?;
    change.raise(Counter::Invitations, to.invitations)?;
    change.raise(Counter::UserKeys, to.keys)
}

/// Stores a user, or says why not. All of it or nothing.
fn take(change: &Change<'_>, whole: &WholeUser) -> Result<Arrival, StoreError> {
    match judge(change, whole)? {
        Arrival::Stored(_) => settle_in(change, whole).map(Arrival::Stored),
        Arrival::Present { id, completed, differs } => {
            complete(change, id, whole)?;
            Ok(Arrival::Present { id, completed, differs })
        }
        refused @ (Arrival::NameTaken(_)
        | Arrival::IdTaken(_)
        | Arrival::IdGone
        | Arrival::KeyTaken
        | Arrival::SessionTaken(_)) => Ok(refused),
    }
}

/// What would become of a user.
fn judge(source: &impl Source, whole: &WholeUser) -> Result<Arrival, StoreError> {
    let new = &whole.user;
    let holder = source.number(&NAMES, new.username.as_str())?;
    let there = match holder {
        Some(id) if new.id.0 == 0 => users::own(source, UserId(id))?,
        _ => users::own(source, new.id)?,
    };
    match (there, holder) {
        (Some(there), _) if there.username == new.username => present(source, &there, whole),
        (Some(there), _) => Ok(Arrival::IdTaken(there.username)),
        (None, Some(id)) => Ok(Arrival::NameTaken(UserId(id))),
        (None, None) if deleted::is_deleted(source, new.id)? => Ok(Arrival::IdGone),
        (None, None) => newcomer(source, whole),
    }
}

fn newcomer(source: &impl Source, whole: &WholeUser) -> Result<Arrival, StoreError> {
    if let Some(key) = &whole.key
        && source.number(&API_KEY_HASHES, key.hash)?.is_some()
    {
        return Ok(Arrival::KeyTaken);
    }
    for (at, key) in whole.keys.iter().enumerate() {
        let twice = whole.keys.iter().take(at).any(|other| other.hash == key.hash);
        if twice || user_keys::is_known(source, key.hash)? {
            return Ok(Arrival::KeyTaken);
        }
    }
    let brought = whole.factors.as_ref().map_or(&[][..], |factors| &factors.passkeys);
    for (at, passkey) in brought.iter().enumerate() {
        let twice = brought.iter().take(at).any(|other| other.credential == passkey.credential);
        if twice || passkeys::owner(source, &passkey.credential)?.is_some() {
            return Ok(Arrival::KeyTaken);
        }
    }
    for kept in &whole.sessions {
        let number = kept.session.id.number;
        if number != 0 && source.is_in(&SESSIONS, number)? {
            return Ok(Arrival::SessionTaken(number));
        }
    }
    Ok(Arrival::Stored(whole.user.id))
}

fn present(source: &impl Source, there: &User, whole: &WholeUser) -> Result<Arrival, StoreError> {
    let completed =
        missing_key(source, there.id, whole)?.is_some() || !missing_ends(source, whole)?.is_empty();
    let factors = factors::find(source, there.id)?;
    Ok(Arrival::Present {
        id: there.id,
        completed,
        differs: whole.differences(there, factors.as_ref()),
    })
}

/// The key that came along, where there is none yet and nobody else has it.
fn missing_key<'w>(
    source: &impl Source,
    id: UserId,
    whole: &'w WholeUser,
) -> Result<Option<&'w ApiKey>, StoreError> {
    let Some(key) = &whole.key else { return Ok(None) };
    let free = keys::stored_key(source, id)?.is_none()
        && source.number(&API_KEY_HASHES, key.hash)?.is_none();
    Ok(free.then_some(key))
}

/// The tokens made elsewhere that have ended, and are not known to have.
fn missing_ends<'w>(
    source: &impl Source,
    whole: &'w WholeUser,
) -> Result<Vec<&'w KeptSession>, StoreError> {
    let mut missing = Vec::new();
    for kept in whole.sessions.iter().filter(|kept| kept.session.ended.is_some()) {
        if let Some(jti) = &kept.adopted
            && source.number(&ADOPTED, jti.as_str())?.is_none()
        {
            missing.push(kept);
        }
    }
    Ok(missing)
}

fn complete(change: &Change<'_>, id: UserId, whole: &WholeUser) -> Result<(), StoreError> {
    if let Some(key) = missing_key(change, id, whole)? {
        keys::put_key(change, id, key)?;
    }
    for kept in missing_ends(change, whole)? {
        let mut kept = kept.clone();
        kept.session.id.number = 0;
        keep(change, id, kept)?;
    }
    Ok(())
}

fn settle_in(change: &Change<'_>, whole: &WholeUser) -> Result<UserId, StoreError> {
    let mut user = whole.user.clone();
    if user.id.0 == 0 {
        user.id = UserId(change.next(Counter::Users)?);
    } else {
        change.raise(Counter::Users, user.id.0)?;
    }
    user.roles.sort_unstable();
    user.roles.dedup();
    let groups = groups::numbers(change, &user.groups)?;
    users::insert(change, &user, &groups)?;
    if let Some(key) = &whole.key {
        keys::put_key(change, user.id, key)?;
    }
    for key in &whole.keys {
        user_keys::keep(change, user.id, key.clone())?;
    }
    if let Some(factors) = &whole.factors {
        factors::put(change, user.id, factors)?;
    }
    for kept in &whole.sessions {
        keep(change, user.id, kept.clone())?;
    }
    Ok(user.id)
}

/// Stores a session of that user. A token that another session stands for stays that one's.
fn keep(change: &Change<'_>, user: UserId, mut kept: KeptSession) -> Result<(), StoreError> {
    kept.session.user = user;
    let number = &mut kept.session.id.number;
    if *number == 0 {
        *number = change.next(Counter::Sessions)?;
    } else {
        change.raise(Counter::Sessions, *number)?;
    }
    if let Some(jti) = &kept.adopted
        && change.number(&ADOPTED, jti.as_str())?.is_some()
    {
        return Ok(());
    }
    sessions::keep(change, kept)
}
