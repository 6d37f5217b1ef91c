//! Sessions: start, adoption, end, marks, sweeping.

use std::sync::Arc;

use portcullis::identity::{SessionId, UserId};
use portcullis::store::{EndReason, NewSession, Session, SessionRef, Store, UserChange};

use crate::build::{all_sessions, at, at_once, hash, logged_in, new_session, now, session, user};

pub(crate) async fn a_session_is_kept_as_it_was_started(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let new = new_session(ada.id);
    let session = store.start_session(new.clone()).await.unwrap().unwrap();
    let expected = Session {
        id: SessionId { number: session.id.number, tag: new.tag },
        user: ada.id,
        started: new.started,
        last_used: new.started,
        expires: new.expires,
        ends: new.ends,
        ended: None,
        refresh: new.refresh,
        spent: Vec::new(),
        device: new.device,
        address: new.address,
        second: new.second,
        is_adopted: false,
    };
    assert_eq!(session, expected);
    assert_eq!(now(store, &session).await, Some(expected));
}

pub(crate) async fn only_a_login_is_the_last_login(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let last = async || store.user(ada.id).await.unwrap().unwrap().last_login;
    store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    assert_eq!(last().await, None, "a token made elsewhere is no login");
    let new = NewSession { started: at(7), ..new_session(ada.id) };
    store.start_session(new.clone()).await.unwrap().unwrap();
    assert_eq!(last().await, Some(at(7)));
    let later = NewSession { started: at(9), ..new.clone() };
    store.change_password(hash("second"), later.clone()).await.unwrap().unwrap();
    assert_eq!(store.start_session(later).await.unwrap(), None);
    assert_eq!(last().await, Some(at(7)), "neither a changed password nor a login by the old one");
}

pub(crate) async fn session_numbers_increase_and_never_return(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let first = session(store, ada.id).await.id.number;
    let started = at_once(store, 32, |store, _| async move {
        store.start_session(new_session(ada.id)).await.unwrap().unwrap().id.number
    })
    .await;
    let mut numbers = started.clone();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 32);
    assert!(numbers[0] > first);
    let highest = numbers[31];
    store.sweep(at(5000)).await.unwrap();
    assert_eq!(all_sessions(store, ada.id).await, []);
    store.delete_user(ada.id).await.unwrap();
    let ada = user(store, "ada").await;
    assert!(session(store, ada.id).await.id.number > highest);
}

pub(crate) async fn a_session_needs_a_user(store: &Arc<dyn Store>) {
    assert_eq!(store.start_session(new_session(UserId(9))).await.unwrap(), None);
    assert_eq!(store.adopt_session("jti", new_session(UserId(9))).await.unwrap(), None);
    let standing = store.standing(UserId(9), SessionRef::Foreign("jti")).await.unwrap();
    assert_eq!(standing.session, None);
}

pub(crate) async fn a_login_by_an_old_password_starts_nothing(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let change = UserChange::Password { hash: hash("second"), at: at(5) };
    let changed = store.change_user(ada.id, change).await.unwrap().unwrap();
    assert_eq!(store.start_session(new_session(ada.id)).await.unwrap(), None);
    assert_eq!(store.adopt_session("jti", new_session(ada.id)).await.unwrap(), None);
    let new = NewSession { password_mark: changed.password_mark, ..new_session(ada.id) };
    assert!(store.start_session(new.clone()).await.unwrap().is_some());
    store.change_user(ada.id, UserChange::LoggedOutEverywhere(at(6))).await.unwrap();
    assert_eq!(store.adopt_session("jti", new.clone()).await.unwrap(), None);
    assert!(store.start_session(new).await.unwrap().is_some(), "a login starts anew");
}

pub(crate) async fn a_new_password_leaves_the_session_that_it_starts(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let before = session(store, ada.id).await;
    let new = NewSession { started: at(5), ..new_session(ada.id) };
    let kept = store.change_password(hash("second"), new).await.unwrap().unwrap();
    assert_eq!((kept.user, kept.started, kept.ended), (ada.id, at(5), None));
    let changed = store.user(ada.id).await.unwrap().unwrap();
    let mark = changed.password_mark.unwrap();
    assert_eq!((changed.password, mark.at), (Some(hash("second")), at(5)));
    assert!(before.id.number <= mark.session && mark.session < kept.id.number);
    assert_eq!(all_sessions(store, ada.id).await, [before, kept]);
    // Who checked the first password knows nothing of the second.
    let late = store.change_password(hash("third"), new_session(ada.id)).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(store.change_password(hash("x"), new_session(UserId(9))).await.unwrap(), None);
    let now = store.user(ada.id).await.unwrap().unwrap();
    assert_eq!((now.password, now.password_mark), (Some(hash("second")), Some(mark)));
    assert_eq!(all_sessions(store, ada.id).await.len(), 2);
}

pub(crate) async fn of_many_password_changes_one_wins(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let answers = at_once(store, 32, |store, number| async move {
        let text = format!("password{number}");
        let session = store.change_password(hash(&text), new_session(ada.id)).await.unwrap();
        session.map(|session| (text, session))
    })
    .await;
    let won: Vec<_> = answers.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let ada = store.user(ada.id).await.unwrap().unwrap();
    assert_eq!(ada.password, Some(hash(&won[0].0)));
    assert_eq!(all_sessions(store, ada.id).await, [won[0].1.clone()]);
    assert!(won[0].1.id.number > ada.password_mark.unwrap().session);
}

pub(crate) async fn the_sessions_of_a_user_come_by_number(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let mut expected = Vec::new();
    for _ in 0..3 {
        expected.push(session(store, ada.id).await);
        session(store, bob.id).await;
    }
    store.end_session(expected[1].id, at(1), EndReason::Operator).await.unwrap();
    expected[1].ended = Some((at(1), EndReason::Operator));
    assert_eq!(all_sessions(store, ada.id).await, expected);
    assert_eq!(all_sessions(store, bob.id).await.len(), 3);
}

pub(crate) async fn sessions_come_in_pages_the_newest_first(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let mut all = Vec::new();
    for _ in 0..5 {
        session(store, bob.id).await;
        all.insert(0, session(store, ada.id).await);
    }
    let (mut before, mut read) = (None, Vec::new());
    for expected in [2, 2, 1, 0] {
        let page = store.sessions(ada.id, before, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        before = page.last().map(|session| session.id.number).or(before);
        read.extend(page);
    }
    assert_eq!(read, all);
    assert_eq!(store.sessions(ada.id, None, 0).await.unwrap(), []);
    assert_eq!(store.sessions(ada.id, Some(0), 9).await.unwrap(), []);
}

pub(crate) async fn sessions_of_all_come_in_pages_the_newest_first(store: &Arc<dyn Store>) {
    assert_eq!(store.latest_sessions(None, 9).await.unwrap(), []);
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let mut all = Vec::new();
    for user in [ada.id, bob.id, bob.id, ada.id, bob.id] {
        all.insert(0, session(store, user).await);
    }
    store.end_session(all[1].id, at(1), EndReason::Operator).await.unwrap();
    all[1].ended = Some((at(1), EndReason::Operator));
    let (mut before, mut read) = (None, Vec::new());
    for expected in [2, 2, 1, 0] {
        let page = store.latest_sessions(before, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        before = page.last().map(|session| session.id.number).or(before);
        read.extend(page);
    }
    assert_eq!(read, all);
    assert_eq!(store.latest_sessions(None, 0).await.unwrap(), []);
    assert_eq!(store.latest_sessions(Some(0), 9).await.unwrap(), []);
    assert_eq!(store.latest_sessions(Some(u64::MAX), 9).await.unwrap(), all);
    store.delete_user(bob.id).await.unwrap();
    all.retain(|session| session.user == ada.id);
    assert_eq!(store.latest_sessions(None, 9).await.unwrap(), all);
}

pub(crate) async fn a_use_is_noted_unless_a_later_one_is_known(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let (used, ended) = (session(store, ada.id).await, session(store, ada.id).await);
    store.end_session(ended.id, at(3), EndReason::LoggedOut).await.unwrap();
    let gone = SessionId { number: 99, tag: 0 };
    let guessed = SessionId { tag: used.id.tag ^ 1, ..used.id };
    let notes = [(used.id, at(10)), (used.id, at(9)), (ended.id, at(10)), (gone, at(10))];
    store.note_uses(notes.to_vec()).await.unwrap();
    store.note_uses(vec![(guessed, at(20)), (used.id, at(4))]).await.unwrap();
    store.note_uses(Vec::new()).await.unwrap();
    let expected = Session { last_used: at(10), ..used.clone() };
    assert_eq!(now(store, &used).await, Some(expected));
    let ended = Session { ended: Some((at(3), EndReason::LoggedOut)), ..ended };
    assert_eq!(now(store, &ended).await, Some(ended.clone()));
}

pub(crate) async fn another_tag_is_another_session(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    let guessed = SessionId { tag: session.id.tag + 1, ..session.id };
    let standing = store.standing(ada.id, SessionRef::Own(guessed)).await.unwrap();
    assert_eq!((standing.user, standing.session), (Some(logged_in(ada)), None));
    assert!(!store.end_session(guessed, at(1), EndReason::LoggedOut).await.unwrap());
    store.touch_session(guessed, at(1), at(900)).await.unwrap();
    assert_eq!(now(store, &session).await, Some(session.clone()));
}

pub(crate) async fn a_session_ends_once_for_the_first_reason(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    for reason in [EndReason::LoggedOut, EndReason::Operator, EndReason::Reused] {
        let session = session(store, ada.id).await;
        assert!(store.end_session(session.id, at(3), reason).await.unwrap());
        assert!(!store.end_session(session.id, at(4), EndReason::LoggedOut).await.unwrap());
        let expected = Session { ended: Some((at(3), reason)), ..session.clone() };
        assert_eq!(now(store, &session).await, Some(expected));
    }
    let nothing = SessionId { number: 99, tag: 0 };
    assert!(!store.end_session(nothing, at(4), EndReason::LoggedOut).await.unwrap());
}

pub(crate) async fn a_touch_lifts_the_end_and_never_lowers_it(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    store.touch_session(session.id, at(10), at(300)).await.unwrap();
    store.touch_session(session.id, at(11), at(200)).await.unwrap();
    let expected = Session { last_used: at(11), expires: at(300), ..session.clone() };
    assert_eq!(now(store, &session).await, Some(expected));
    store.touch_session(SessionId { number: 99, tag: 0 }, at(10), at(300)).await.unwrap();
}

pub(crate) async fn a_touch_leaves_an_ended_session_alone(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    store.end_session(session.id, at(3), EndReason::LoggedOut).await.unwrap();
    let before = now(store, &session).await;
    store.touch_session(session.id, at(10), at(300)).await.unwrap();
    assert_eq!(now(store, &session).await, before);
}

pub(crate) async fn a_mark_covers_what_was_and_not_what_comes(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let before = session(store, ada.id).await;
    let change = UserChange::LoggedOutEverywhere(at(5));
    let marked = store.change_user(ada.id, change).await.unwrap().unwrap();
    let after = session(store, ada.id).await;
    let line = marked.logout_mark.unwrap().session;
    assert!(before.id.number <= line && line < after.id.number);
    // A mark ends sessions in the eye of whoever judges them; their records stay as they are.
    assert_eq!(now(store, &before).await, Some(before.clone()));
}

pub(crate) async fn a_foreign_token_is_adopted_once(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let foreign = SessionRef::Foreign("jti");
    assert_eq!(store.standing(ada.id, foreign).await.unwrap().session, None);
    let sessions = at_once(store, 32, |store, number| async move {
        let new = NewSession { tag: number, ..new_session(ada.id) };
        store.adopt_session("jti", new).await.unwrap().unwrap()
    })
    .await;
    assert!(sessions.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(all_sessions(store, ada.id).await, sessions[..1]);
    let standing = store.standing(ada.id, foreign).await.unwrap();
    assert_eq!(standing.session.as_ref(), Some(&sessions[0]));
    // It is a session like any other: it ends, and its own record says so under both names.
    store.end_session(sessions[0].id, at(7), EndReason::LoggedOut).await.unwrap();
    let again = store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    assert_eq!(again.ended, Some((at(7), EndReason::LoggedOut)));
    assert_eq!(store.standing(ada.id, foreign).await.unwrap().session, Some(again));
}

pub(crate) async fn standing_is_user_and_session_at_once(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let session = session(store, ada.id).await;
    let standing = store.standing(ada.id, SessionRef::Own(session.id)).await.unwrap();
    let ada = logged_in(ada);
    assert_eq!((standing.user, standing.session), (Some(ada.clone()), Some(session)));
    let other = store.standing(ada.id, SessionRef::Foreign("none")).await.unwrap();
    assert_eq!((other.user, other.session), (Some(ada), None));
}

pub(crate) async fn a_sweep_takes_what_is_dead_and_nothing_else(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let mut sessions = Vec::new();
    for expires in [50, 99, 100, 150] {
        let new = NewSession { expires: at(expires), ..new_session(ada.id) };
        sessions.push(store.start_session(new).await.unwrap().unwrap());
    }
    // An ended session is remembered for as long as a token of it could be tried.
    store.end_session(sessions[3].id, at(1), EndReason::LoggedOut).await.unwrap();
    store.touch_session(sessions[0].id, at(2), at(120)).await.unwrap();
    assert_eq!(store.sweep(at(100)).await.unwrap(), 1);
    let left = all_sessions(store, ada.id).await;
    let left: Vec<_> = left.into_iter().map(|session| session.id).collect();
    assert_eq!(left, [sessions[0].id, sessions[2].id, sessions[3].id]);
    assert_eq!(now(store, &sessions[1]).await, None);
    assert_eq!(store.sweep(at(100)).await.unwrap(), 0);
    assert_eq!(store.sweep(at(151)).await.unwrap(), 3);
    assert_eq!(all_sessions(store, ada.id).await, []);
    assert_eq!(store.user(ada.id).await.unwrap(), Some(logged_in(ada)));
}

pub(crate) async fn a_sweep_frees_adopted_tokens(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let old = store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    assert_eq!(store.sweep(at(101)).await.unwrap(), 1);
    let standing = store.standing(ada.id, SessionRef::Foreign("jti")).await.unwrap();
    assert_eq!(standing.session, None);
    let new = store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    assert!(new.id.number > old.id.number);
}

pub(crate) async fn a_large_sweep_is_complete(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    at_once(store, 1100, |store, _| async move {
        store.start_session(new_session(ada.id)).await.unwrap().unwrap()
    })
    .await;
    assert_eq!(store.sweep(at(101)).await.unwrap(), 1100);
    assert_eq!(all_sessions(store, ada.id).await, []);
}
