//! The key of `api-token-auth/`, and those that users make.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::{KeyAdded, KeyOwner, NewUserKey, Store, UserChange, UserKey};

use crate::build::{at, at_once, key, made_key, new_key, user};

pub(crate) async fn the_first_api_key_stays(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    assert_eq!(store.api_key(ada.id, key(1)).await.unwrap(), Some(key(1)));
    assert_eq!(store.api_key(ada.id, key(2)).await.unwrap(), Some(key(1)));
    assert_eq!(store.user_by_api_key([2; 32]).await.unwrap(), None);
}

pub(crate) async fn of_many_candidates_one_is_kept(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let answers = at_once(store, 32, |store, number| async move {
        let candidate = key(u8::try_from(number).unwrap());
        store.api_key(ada.id, candidate).await.unwrap().unwrap()
    })
    .await;
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let mut finding = Vec::new();
    for number in 0..32 {
        if store.user_by_api_key([number; 32]).await.unwrap().is_some() {
            finding.push([number; 32]);
        }
    }
    assert_eq!(finding, [answers[0].hash]);
}

pub(crate) async fn an_api_key_finds_its_user(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    store.api_key(ada.id, key(1)).await.unwrap();
    store.api_key(bob.id, key(2)).await.unwrap();
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), Some(ada));
    assert_eq!(store.user_by_api_key([2; 32]).await.unwrap(), Some(bob));
    assert_eq!(store.user_by_api_key([3; 32]).await.unwrap(), None);
}

pub(crate) async fn an_api_key_needs_a_user(store: &Arc<dyn Store>) {
    assert_eq!(store.api_key(UserId(9), key(1)).await.unwrap(), None);
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), None);
}

pub(crate) async fn an_api_key_never_changes_hands(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    store.api_key(ada.id, key(1)).await.unwrap();
    store.api_key(bob.id, key(1)).await.unwrap_err();
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), Some(ada));
    assert_eq!(store.api_key(bob.id, key(2)).await.unwrap(), Some(key(2)));
}

async fn add(store: &Arc<dyn Store>, new: NewUserKey) -> UserKey {
    match store.add_key(new, 100).await.unwrap() {
        KeyAdded::Added(key) => key,
        other @ (KeyAdded::TooMany | KeyAdded::NoUser) => panic!("{other:?}"),
    }
}

pub(crate) async fn a_key_that_a_user_made_is_found_with_its_owner(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let key = add(store, new_key(ada.id, 1)).await;
    assert_eq!(key, made_key(key.id, ada.id, 1));
    let other = add(store, new_key(bob.id, 2)).await;
    assert!(other.id > key.id);
    let found = store.key_owner([1; 32]).await.unwrap();
    assert_eq!(found, Some(KeyOwner { key: key.clone(), user: ada.clone() }));
    assert_eq!(store.key_owner([3; 32]).await.unwrap(), None);
    assert_eq!(store.user_key(key.id).await.unwrap(), Some(key));
    assert_eq!(store.user_key(99).await.unwrap(), None);
    // The owner as it is now.
    store.change_user(ada.id, UserChange::AddRole("late".to_owned())).await.unwrap();
    let found = store.key_owner([1; 32]).await.unwrap().unwrap();
    assert_eq!(found.user.roles, ["late"]);
    // It is no key of the other kind.
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), None);
}

pub(crate) async fn a_key_without_scopes_is_not_one_for_no_role(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    for (byte, scopes) in [(1, None), (2, Some(Vec::new()))] {
        let new = NewUserKey { scopes: scopes.clone(), expires: None, ..new_key(ada.id, byte) };
        let key = add(store, new).await;
        assert_eq!((key.scopes, key.expires), (scopes.clone(), None));
        let found = store.key_owner([byte; 32]).await.unwrap().unwrap();
        assert_eq!((found.key.scopes, found.key.expires), (scopes, None));
    }
}

pub(crate) async fn a_user_makes_so_many_keys(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let made = at_once(store, 16, |store, number| async move {
        let new = new_key(ada.id, u8::try_from(number).unwrap());
        store.add_key(new, 3).await.unwrap()
    })
    .await;
    assert_eq!(made.iter().filter(|made| matches!(made, KeyAdded::Added(_))).count(), 3);
    assert_eq!(made.iter().filter(|made| **made == KeyAdded::TooMany).count(), 13);
    add(store, new_key(bob.id, 50)).await;
    // Those whose time is over do not count, and go.
    let late = NewUserKey { created: at(100), expires: None, ..new_key(ada.id, 60) };
    let KeyAdded::Added(late) = store.add_key(late, 3).await.unwrap() else { panic!() };
    assert_eq!(store.keys_of(ada.id).await.unwrap(), [late]);
    assert_eq!(store.add_key(new_key(UserId(9), 70), 3).await.unwrap(), KeyAdded::NoUser);
}

pub(crate) async fn a_key_that_a_user_made_never_changes_hands(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let key = add(store, new_key(ada.id, 1)).await;
    store.add_key(new_key(bob.id, 1), 9).await.unwrap_err();
    assert_eq!(store.key_owner([1; 32]).await.unwrap().unwrap().key, key);
    assert!(!store.remove_key(bob.id, key.id).await.unwrap());
    assert_eq!(store.keys_of(ada.id).await.unwrap(), std::slice::from_ref(&key));
    assert!(store.remove_key(ada.id, key.id).await.unwrap());
    assert!(!store.remove_key(ada.id, key.id).await.unwrap());
    assert_eq!(store.key_owner([1; 32]).await.unwrap(), None);
    // The number is not given again.
    assert!(add(store, new_key(bob.id, 1)).await.id > key.id);
}

pub(crate) async fn keys_come_by_owner_and_in_pages(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let mut all = Vec::new();
    for byte in 1..=5 {
        let owner = if byte % 2 == 0 { bob.id } else { ada.id };
        all.push(add(store, new_key(owner, byte)).await);
    }
    let own: Vec<_> = all.iter().filter(|key| key.user == ada.id).cloned().collect();
    assert_eq!(store.keys_of(ada.id).await.unwrap(), own);
    assert_eq!(store.keys_of(UserId(9)).await.unwrap(), []);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.user_keys(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen, all);
}

pub(crate) async fn the_last_use_of_a_key_is_kept(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let key = add(store, new_key(ada.id, 1)).await;
    for (noted, expected) in [(5, 5), (3, 5), (7, 7)] {
        store.note_key_uses(vec![(key.id, at(noted)), (99, at(noted))]).await.unwrap();
        let kept = store.user_key(key.id).await.unwrap().unwrap();
        assert_eq!(kept, UserKey { last_used: Some(at(expected)), ..key.clone() });
    }
    store.remove_key(ada.id, key.id).await.unwrap();
    store.note_key_uses(vec![(key.id, at(9))]).await.unwrap();
    assert_eq!(store.user_key(key.id).await.unwrap(), None);
}

pub(crate) async fn a_sweep_takes_keys_whose_time_is_over(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    add(store, new_key(ada.id, 1)).await;
    let late = add(store, NewUserKey { expires: Some(at(101)), ..new_key(ada.id, 2) }).await;
    let never = add(store, NewUserKey { expires: None, ..new_key(ada.id, 3) }).await;
    store.sweep(at(99)).await.unwrap();
    assert_eq!(store.keys_of(ada.id).await.unwrap().len(), 3);
    store.sweep(at(100)).await.unwrap();
    assert_eq!(store.keys_of(ada.id).await.unwrap(), [late, never]);
    assert_eq!(store.key_owner([1; 32]).await.unwrap(), None);
}
