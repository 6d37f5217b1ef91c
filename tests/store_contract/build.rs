//! Records with little to say.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::Timestamp;
use portcullis::identity::{SessionId, UserId};
use portcullis::store::{
    ApiKey, Creation, NewSession, NewUser, NewUserKey, PasswordHash, RefreshGrant, Rotation,
    RotationRequest, Session, SessionRef, Store, User, UserKey,
};

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("{text}$m=1$salt$digest"))
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        password: Some(hash("first")),
        roles: Vec::new(),
        created: at(0),
    }
}

pub(crate) fn grant(jti: &str, expires: u64) -> RefreshGrant {
    RefreshGrant { jti: jti.to_owned(), issued: at(0), expires: at(expires) }
}

pub(crate) fn new_session(user: UserId) -> NewSession {
    NewSession {
        user,
        password_mark: None,
        logout_mark: None,
        tag: 0xfeed,
        started: at(0),
        expires: at(100),
        ends: at(1000),
        refresh: Some(grant("r0", 100)),
        device: "test".to_owned(),
        address: "192.0.2.1".to_owned(),
        second: None,
    }
}

pub(crate) fn key(byte: u8) -> ApiKey {
    ApiKey { hash: [byte; 32], sealed: vec![byte; 3] }
}

/// A key to be made by a user.
pub(crate) fn new_key(user: UserId, byte: u8) -> NewUserKey {
    NewUserKey {
        user,
        hash: [byte; 32],
        name: format!("key {byte}"),
        hint: format!("pck_{byte}"),
        scopes: Some(["b", "a", "b"].map(str::to_owned).to_vec()),
        created: at(0),
        expires: Some(at(100)),
    }
}

/// That key as it is kept.
pub(crate) fn made_key(id: u64, user: UserId, byte: u8) -> UserKey {
    let NewUserKey { hash, name, hint, created, expires, .. } = new_key(user, byte);
    let scopes = Some(vec!["a".to_owned(), "b".to_owned()]);
    UserKey { id, user, hash, name, hint, scopes, created, expires, last_used: None }
}

pub(crate) async fn user(store: &Arc<dyn Store>, name: &str) -> User {
    match store.create_user(new_user(name)).await.unwrap() {
        Creation::Created(user) => user,
        Creation::NameTaken => panic!("{name} is taken"),
    }
}

pub(crate) async fn session(store: &Arc<dyn Store>, user: UserId) -> Session {
    let password_mark = store.user(user).await.unwrap().unwrap().password_mark;
    let new = NewSession { password_mark, ..new_session(user) };
    store.start_session(new).await.unwrap().unwrap()
}

/// The user once a session of [`new_session`] was started.
pub(crate) fn logged_in(user: User) -> User {
    User { last_login: Some(at(0)), ..user }
}

/// All sessions of a user, by number.
pub(crate) async fn all_sessions(store: &Arc<dyn Store>, user: UserId) -> Vec<Session> {
    let mut all = store.sessions(user, None, usize::MAX).await.unwrap();
    all.reverse();
    all
}

/// The session as it is now.
pub(crate) async fn now(store: &Arc<dyn Store>, session: &Session) -> Option<Session> {
    store.standing(session.user, SessionRef::Own(session.id)).await.unwrap().session
}

pub(crate) fn request(
    session: SessionId,
    presented: &str,
    successor: &str,
    now: u64,
) -> RotationRequest {
    RotationRequest {
        session,
        presented: presented.to_owned(),
        successor: grant(successor, now + 100),
        now: at(now),
        grace: Duration::from_secs(10),
    }
}

pub(crate) async fn rotate(
    store: &Arc<dyn Store>,
    session: &Session,
    presented: &str,
    successor: &str,
    now: u64,
) -> Rotation {
    store.rotate(request(session.id, presented, successor, now)).await.unwrap()
}

/// Runs `count` calls at once, each in its own task, and returns their answers in order.
pub(crate) async fn at_once<T, F>(
    store: &Arc<dyn Store>,
    count: u64,
    call: impl Fn(Arc<dyn Store>, u64) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> =
        (0..count).map(|number| tokio::spawn(call(Arc::clone(store), number))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
