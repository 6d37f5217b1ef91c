//! Users: creation, look-up, changes, deletion.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::{Creation, Mark, NewUser, SessionRef, Store, UserChange};

use crate::build::{
    all_sessions, at, at_once, hash, key, new_key, new_session, new_user, session, user,
};

pub(crate) async fn a_new_user_is_found_by_id_and_by_name(store: &Arc<dyn Store>) {
    let roles = ["b", "a", "b"].map(str::to_owned).to_vec();
    let new = NewUser { roles, ..new_user("ada") };
    let Creation::Created(user) = store.create_user(new).await.unwrap() else { panic!("taken") };
    assert_eq!(user.username, "ada");
    assert_eq!(user.email, "ada@example.com");
    assert_eq!(user.password, Some(hash("first")));
    assert_eq!(user.roles, ["a", "b"]);
    assert_eq!(user.created, at(0));
    assert!(user.active && !user.email_verified && user.claims.is_empty());
    assert_eq!((user.last_login, user.password_mark, user.logout_mark), (None, None, None));
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user_by_name("ada").await.unwrap(), Some(user));
}

pub(crate) async fn a_name_is_given_to_one_of_many(store: &Arc<dyn Store>) {
    let create =
        |store: Arc<dyn Store>, _| async move { store.create_user(new_user("ada")).await.unwrap() };
    let outcomes = at_once(store, 32, create).await;
    let created = outcomes.iter().filter(|o| matches!(o, Creation::Created(_))).count();
    assert_eq!(created, 1);
    assert_eq!(store.users(None, 100).await.unwrap().len(), 1);
}

pub(crate) async fn a_taken_name_changes_nothing(store: &Arc<dyn Store>) {
    let first = user(store, "ada").await;
    let second = NewUser { email: "other@example.com".to_owned(), ..new_user("ada") };
    assert_eq!(store.create_user(second).await.unwrap(), Creation::NameTaken);
    assert_eq!(store.users(None, 10).await.unwrap(), [first]);
}

pub(crate) async fn names_are_compared_as_given(store: &Arc<dyn Store>) {
    let lower = user(store, "ada").await;
    let upper = user(store, "Ada").await;
    assert_ne!(lower.id, upper.id);
    assert_eq!(store.user_by_name("Ada").await.unwrap(), Some(upper));
    assert_eq!(store.user_by_name("ada ").await.unwrap(), None);
}

pub(crate) async fn who_is_not_there_is_no_error(store: &Arc<dyn Store>) {
    let nobody = UserId(7);
    assert_eq!(store.user(nobody).await.unwrap(), None);
    assert_eq!(store.user_by_name("nobody").await.unwrap(), None);
    assert_eq!(store.change_user(nobody, UserChange::Active(false)).await.unwrap(), None);
    assert!(!store.delete_user(nobody).await.unwrap());
    assert_eq!(all_sessions(store, nobody).await, []);
    assert_eq!(store.users(None, 10).await.unwrap(), []);
}

pub(crate) async fn users_come_in_pages_by_id(store: &Arc<dyn Store>) {
    let mut ids = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        ids.push(user(store, name).await.id);
    }
    assert!(ids.is_sorted());
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.users(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.into_iter().map(|user| user.id));
    }
    assert_eq!(seen, ids);
    assert_eq!(store.users(Some(UserId(u64::MAX)), 2).await.unwrap(), []);
    assert_eq!(store.users(None, 0).await.unwrap(), []);
}

pub(crate) async fn an_id_is_never_given_twice(store: &Arc<dyn Store>) {
    let mut last = UserId(0);
    for _ in 0..4 {
        let user = user(store, "ada").await;
        assert!(user.id > last);
        last = user.id;
        assert!(store.delete_user(user.id).await.unwrap());
    }
}

pub(crate) async fn a_password_change_draws_its_mark(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    session(store, ada.id).await;
    let newest = session(store, bob.id).await.id.number;
    let change = UserChange::Password { hash: hash("second"), at: at(5) };
    let changed = store.change_user(ada.id, change).await.unwrap().unwrap();
    // Numbers are store-wide, so the mark may well be the number of somebody else's session.
    assert_eq!(changed.password_mark, Some(Mark { session: newest, at: at(5) }));
    assert_eq!(changed.logout_mark, None);
    assert_eq!(changed.password, Some(hash("second")));
    assert_eq!(store.user(ada.id).await.unwrap(), Some(changed));
}

pub(crate) async fn a_rehash_needs_the_hash_that_was_seen(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let late = UserChange::Rehash { seen: hash("older"), hash: hash("late") };
    assert_eq!(store.change_user(ada.id, late).await.unwrap(), Some(ada.clone()));
    let good = UserChange::Rehash { seen: hash("first"), hash: hash("stronger") };
    let changed = store.change_user(ada.id, good).await.unwrap().unwrap();
    assert_eq!(changed.password, Some(hash("stronger")));
    assert_eq!(changed.password_mark, None);
}

pub(crate) async fn roles_stay_sorted_and_unique(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let mut roles = Vec::new();
    for role in ["m", "z", "a", "m"] {
        let change = UserChange::AddRole(role.to_owned());
        roles = store.change_user(ada.id, change).await.unwrap().unwrap().roles;
    }
    assert_eq!(roles, ["a", "m", "z"]);
    for role in ["m", "none"] {
        let change = UserChange::RemoveRole(role.to_owned());
        roles = store.change_user(ada.id, change).await.unwrap().unwrap().roles;
    }
    assert_eq!(roles, ["a", "z"]);
}

pub(crate) async fn each_other_change_does_what_it_says(store: &Arc<dyn Store>) {
    let mut expected = user(store, "ada").await;
    let id = expected.id;
    let last = session(store, id).await.id.number;
    let (name, value) = ("tenant".to_owned(), "acme".to_owned());
    expected.active = false;
    expected.claims.insert(name.clone(), value.clone());
    "new@example.com".clone_into(&mut expected.email);
    expected.email_verified = true;
    expected.last_login = Some(at(3));
    expected.logout_mark = Some(Mark { session: last, at: at(4) });
    let changes = [
        UserChange::Active(false),
        UserChange::SetClaim { name: name.clone(), value: value.clone() },
        UserChange::SetClaim { name: "gone".to_owned(), value },
        UserChange::RemoveClaim("gone".to_owned()),
        UserChange::RemoveClaim("never".to_owned()),
        UserChange::Email { email: "new@example.com".to_owned(), verified: true },
        UserChange::LoggedIn(at(3)),
        UserChange::LoggedOutEverywhere(at(4)),
    ];
    let mut answer = None;
    for change in changes {
        answer = store.change_user(id, change).await.unwrap();
    }
    assert_eq!(answer.as_ref(), Some(&expected));
    assert_eq!(store.user(id).await.unwrap(), Some(expected));
}

pub(crate) async fn concurrent_changes_are_all_kept(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    at_once(store, 32, |store, number| async move {
        let role = UserChange::AddRole(format!("role{number:02}"));
        store.change_user(ada.id, role).await.unwrap()
    })
    .await;
    let roles: Vec<_> = (0..32).map(|number| format!("role{number:02}")).collect();
    assert_eq!(store.user(ada.id).await.unwrap().unwrap().roles, roles);
}

pub(crate) async fn deletion_takes_everything_along(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let own = session(store, ada.id).await;
    let other = session(store, bob.id).await;
    store.adopt_session("foreign", new_session(ada.id)).await.unwrap().unwrap();
    store.api_key(ada.id, key(1)).await.unwrap().unwrap();
    store.add_key(new_key(ada.id, 2), 9).await.unwrap();

    assert!(store.delete_user(ada.id).await.unwrap());
    assert!(!store.delete_user(ada.id).await.unwrap());

    assert_eq!(store.user(ada.id).await.unwrap(), None);
    assert_eq!(store.user_by_name("ada").await.unwrap(), None);
    assert_eq!(all_sessions(store, ada.id).await, []);
    for session in [SessionRef::Own(own.id), SessionRef::Foreign("foreign")] {
        let standing = store.standing(ada.id, session).await.unwrap();
        assert_eq!((standing.user, standing.session), (None, None));
    }
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), None);
    assert_eq!(store.api_key(ada.id, key(1)).await.unwrap(), None);
    assert_eq!(store.key_owner([2; 32]).await.unwrap(), None);
    assert_eq!(store.user_keys(None, 9).await.unwrap(), []);
    assert_eq!(all_sessions(store, bob.id).await, [other]);
    // Somebody new of that name inherits nothing.
    let heir = user(store, "ada").await;
    assert!(heir.id > bob.id);
    assert_eq!(all_sessions(store, heir.id).await, []);
    assert_eq!(store.api_key(heir.id, key(2)).await.unwrap(), Some(key(2)));
}

pub(crate) async fn the_recipes_of_hashes_are_those_that_somebody_has(store: &Arc<dyn Store>) {
    let recipes = async || {
        let recipes = store.password_recipes().await.unwrap();
        // A login has the same in one look, beside whom it names.
        for name in ["ada", "nobody"] {
            let user = store.user_by_name(name).await.unwrap();
            let both = store.user_to_check(name).await.unwrap();
            assert_eq!(both, (user, recipes.clone()), "{name}");
        }
        recipes
    };
    assert!(recipes().await.is_empty());
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let none = NewUser { password: None, ..new_user("eve") };
    store.create_user(none).await.unwrap();
    assert_eq!(recipes().await, ["first$m=1"]);
    let rehash = UserChange::Rehash { seen: hash("first"), hash: hash("second") };
    store.change_user(ada.id, rehash.clone()).await.unwrap();
    assert_eq!(recipes().await, ["first$m=1", "second$m=1"]);
    // What was not done is not counted.
    store.change_user(ada.id, rehash).await.unwrap();
    assert!(store.delete_user(ada.id).await.unwrap());
    assert_eq!(recipes().await, ["first$m=1"]);
    let change = UserChange::Password { hash: hash("third"), at: at(5) };
    store.change_user(bob.id, change).await.unwrap();
    assert_eq!(recipes().await, ["third$m=1"]);
    assert!(store.delete_user(bob.id).await.unwrap());
    assert!(recipes().await.is_empty());
}
