//! The exchange of refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use portcullis::identity::SessionId;
use portcullis::store::{
    EndReason, NewSession, Rotation, RotationRequest, SPENT_KEPT, SpentGrant, Store,
};

use crate::build::{at, at_once, grant, new_session, now, request, rotate, session, user};

pub(crate) async fn a_current_token_is_rotated(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let old = session(store, ada.id).await;
    let rotation = rotate(store, &old, "r0", "r1", 20).await;
    assert_eq!(rotation, Rotation::Rotated(grant("r1", 120)));
    let mut expected = old.clone();
    expected.refresh = Some(grant("r1", 120));
    expected.last_used = at(20);
    expected.expires = at(120);
    expected.spent =
        vec![SpentGrant { jti: "r0".to_owned(), at: at(20), successor: grant("r1", 120) }];
    assert_eq!(now(store, &old).await, Some(expected));
    // A successor that dies sooner does not make the session forget the others.
    let short = RotationRequest { successor: grant("r2", 50), ..request(old.id, "r1", "r2", 30) };
    assert_eq!(store.rotate(short).await.unwrap(), Rotation::Rotated(grant("r2", 50)));
    assert_eq!(now(store, &old).await.unwrap().expires, at(120));
}

pub(crate) async fn of_many_rotations_one_wins(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let old = session(store, ada.id).await;
    let answers = at_once(store, 32, |store, number| async move {
        store.rotate(request(old.id, "r0", &format!("new{number}"), 20)).await.unwrap()
    })
    .await;
    let winner = now(store, &old).await.unwrap().refresh.unwrap();
    let rotated = Rotation::Rotated(winner.clone());
    assert_eq!(answers.iter().filter(|answer| **answer == rotated).count(), 1);
    let repeated = Rotation::Repeated(winner);
    assert_eq!(answers.iter().filter(|answer| **answer == repeated).count(), 31);
}

pub(crate) async fn a_spent_token_repeats_its_own_successor_within_the_grace(
    store: &Arc<dyn Store>,
) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    rotate(store, &session, "r0", "r1", 20).await;
    rotate(store, &session, "r1", "r2", 25).await;
    let before = now(store, &session).await;
    let first = rotate(store, &session, "r0", "x", 29).await;
    assert_eq!(first, Rotation::Repeated(grant("r1", 120)));
    let second = rotate(store, &session, "r1", "x", 34).await;
    assert_eq!(second, Rotation::Repeated(grant("r2", 125)));
    assert_eq!(now(store, &session).await, before);
}

pub(crate) async fn after_the_grace_reuse_ends_the_session(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    rotate(store, &session, "r0", "r1", 20).await;
    // The grace is over in the very moment that it is as long ago as the grace is long.
    assert_eq!(rotate(store, &session, "r0", "x", 30).await, Rotation::Reused);
    let ended = now(store, &session).await.unwrap();
    assert_eq!(ended.ended, Some((at(30), EndReason::Reused)));
    assert_eq!(ended.refresh, Some(grant("r1", 120)));
    assert_eq!(rotate(store, &session, "r1", "x", 31).await, Rotation::Ended);
    assert_eq!(rotate(store, &session, "r0", "x", 31).await, Rotation::Ended);
}

pub(crate) async fn a_clock_that_was_set_back_is_no_grace(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    for (then, rotation) in [
        // Clocks of gateways are so far apart; an hour is another matter.
        (3596, Rotation::Repeated(grant("r1", 3700))),
        (5, Rotation::Reused),
    ] {
        let session = session(store, ada.id).await;
        rotate(store, &session, "r0", "r1", 3600).await;
        assert_eq!(rotate(store, &session, "r0", "x", then).await, rotation, "{then}");
    }
}

pub(crate) async fn without_grace_a_second_use_ends_the_session(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    let strict = |successor: &str| RotationRequest {
        grace: Duration::ZERO,
        ..request(session.id, "r0", successor, 20)
    };
    assert!(matches!(store.rotate(strict("r1")).await.unwrap(), Rotation::Rotated(_)));
    assert_eq!(store.rotate(strict("r2")).await.unwrap(), Rotation::Reused);
}

pub(crate) async fn an_unknown_token_ends_its_session(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    assert_eq!(rotate(store, &session, "forged", "x", 20).await, Rotation::Reused);
    let ended = now(store, &session).await.unwrap().ended;
    assert_eq!(ended, Some((at(20), EndReason::Reused)));
}

pub(crate) async fn reuse_ends_only_its_family(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let (stolen, other) = (session(store, ada.id).await, session(store, ada.id).await);
    rotate(store, &stolen, "r0", "r1", 20).await;
    assert_eq!(rotate(store, &stolen, "r0", "x", 60).await, Rotation::Reused);
    assert_eq!(now(store, &other).await, Some(other.clone()));
    assert!(matches!(rotate(store, &other, "r0", "r1", 61).await, Rotation::Rotated(_)));
}

pub(crate) async fn an_ended_session_rotates_no_more(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    store.end_session(session.id, at(5), EndReason::LoggedOut).await.unwrap();
    let before = now(store, &session).await;
    assert_eq!(rotate(store, &session, "r0", "x", 6).await, Rotation::Ended);
    assert_eq!(rotate(store, &session, "forged", "x", 6).await, Rotation::Ended);
    assert_eq!(now(store, &session).await, before);
}

pub(crate) async fn an_unknown_session_is_unknown(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    let guessed = SessionId { tag: session.id.tag ^ 1, ..session.id };
    for id in [guessed, SessionId { number: 99, tag: 0 }] {
        let rotation = store.rotate(request(id, "r0", "x", 5)).await.unwrap();
        assert_eq!(rotation, Rotation::Unknown);
    }
    assert_eq!(now(store, &session).await, Some(session.clone()));
}

pub(crate) async fn a_session_without_refresh_token_has_nothing_to_rotate(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let sliding = NewSession { refresh: None, ..new_session(ada.id) };
    let session = store.start_session(sliding).await.unwrap().unwrap();
    assert_eq!(rotate(store, &session, "", "x", 5).await, Rotation::Reused);
}

pub(crate) async fn only_the_latest_spent_tokens_are_kept(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    let count = SPENT_KEPT + 2;
    for n in 0..count {
        let rotation = rotate(store, &session, &format!("r{n}"), &format!("r{}", n + 1), 20).await;
        assert!(matches!(rotation, Rotation::Rotated(_)));
    }
    let kept: Vec<_> = now(store, &session).await.unwrap().spent;
    let kept: Vec<_> = kept.into_iter().map(|spent| spent.jti).collect();
    assert_eq!(kept, (2..count).map(|n| format!("r{n}")).collect::<Vec<_>>());
    assert!(matches!(rotate(store, &session, "r2", "x", 21).await, Rotation::Repeated(_)));
    assert_eq!(rotate(store, &session, "r1", "x", 21).await, Rotation::Reused);
}
