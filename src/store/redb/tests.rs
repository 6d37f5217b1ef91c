use super::*;

/// A sweep looks before it removes, and a token may be issued in between.
#[tokio::test]
async fn a_session_that_came_to_life_again_is_not_swept() {
    let store = RedbStore::in_memory().unwrap();
    let [now, expires] = [10, 20].map(Timestamp::from_secs);
    let user = NewUser {
        username: "ada".to_owned(),
        email: String::new(),
        password: None,
        roles: Vec::new(),
        created: now,
    };
    let Creation::Created(user) = store.create_user(user).await.unwrap() else { panic!() };
    let session = NewSession {
        user: user.id,
        password_mark: None,
        logout_mark: None,
        tag: 1,
        started: now,
        expires,
        ends: expires,
        refresh: None,
        device: String::new(),
        address: String::new(),
        second: None,
    };
    let session = store.start_session(session).await.unwrap().unwrap();
    let found_dead = [session.id.number];
    let swept = store.write(move |change| sessions::bury(change, &found_dead, expires)).await;
    assert_eq!(swept.unwrap(), 0);
    assert_eq!(store.sessions(user.id, None, 9).await.unwrap(), [session]);
}
