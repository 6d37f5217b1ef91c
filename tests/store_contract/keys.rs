//! API keys.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::Store;

use crate::build::{at_once, key, user};

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
