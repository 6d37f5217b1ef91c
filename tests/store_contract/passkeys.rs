//! Passkeys: one user's each, and what they sign is used once.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::{
    Answered, Arrival, Assertion, FactorChange, FactorProof, Factors, NewPasskey, NewSession,
    NewToken, PASSKEYS, Passkey, PasskeyAdded, Purpose, SecondFactor, SignedChallenge, Store,
    TokenRef, Trial, UserChange, WholeUser,
};

use crate::build::{all_sessions, at, at_once, hash, new_session, now, user};
use crate::factors::enrol;

fn signed(byte: u8) -> SignedChallenge {
    SignedChallenge { hash: [byte; 32], expires: at(300) }
}

/// A passkey that is known by that byte.
pub(crate) fn passkey(byte: u8) -> Passkey {
    Passkey {
        credential: vec![byte; 40],
        key: vec![byte; 77],
        handle: vec![7; 32],
        count: 0,
        may_be_copied: true,
        is_copied: false,
        name: format!("key {byte}"),
        created: at(1),
        used: None,
    }
}

pub(crate) fn new(byte: u8) -> NewPasskey {
    NewPasskey {
        passkey: passkey(byte),
        challenge: signed(byte),
        offered: at(3),
        recovery: Vec::new(),
        at: at(4),
    }
}

pub(crate) fn proof(byte: u8, challenge: u8) -> FactorProof {
    FactorProof::Passkey(Assertion {
        credential: vec![byte; 40],
        count: 0,
        is_copied: true,
        challenge: signed(challenge),
        at: at(5),
    })
}

async fn add(store: &Arc<dyn Store>, user: UserId, new: NewPasskey) -> PasskeyAdded {
    store.add_passkey(user, new).await.unwrap()
}

async fn owner(store: &Arc<dyn Store>, byte: u8) -> Option<UserId> {
    store.passkey_owner(vec![byte; 40]).await.unwrap()
}

async fn show(store: &Arc<dyn Store>, user: UserId, proof: FactorProof) -> bool {
    store.change_factors(user, proof, FactorChange::Nothing).await.unwrap()
}

async fn factors(store: &Arc<dyn Store>, user: UserId) -> Factors {
    store.factors(user).await.unwrap().unwrap_or_default()
}

pub(crate) async fn a_passkey_is_one_users(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    assert_eq!(owner(store, 1).await, None);
    let codes = vec![[1; 32], [2; 32]];
    let first = NewPasskey { recovery: codes.clone(), ..new(1) };
    assert_eq!(add(store, ada.id, first).await, PasskeyAdded::Added);
    assert_eq!(owner(store, 1).await, Some(ada.id));
    let has = factors(store, ada.id).await;
    assert!(has.are_confirmed() && has.confirmed_totp().is_none());
    assert_eq!((has.passkeys, has.recovery), (vec![passkey(1)], codes.clone()));
    // Nobody has it as well, and neither has she twice.
    for user in [ada.id, bob.id] {
        let again = NewPasskey { challenge: signed(9), ..new(1) };
        assert_eq!(add(store, user, again).await, PasskeyAdded::Taken);
    }
    // What was signed, or comes too late, or is of before the password, adds none.
    let change = UserChange::Password { hash: hash("second"), at: at(1) };
    store.change_user(bob.id, change).await.unwrap().unwrap();
    for (whose, bad) in [
        (ada.id, NewPasskey { challenge: signed(1), ..new(2) }),
        (ada.id, NewPasskey { at: at(300), ..new(2) }),
        (bob.id, NewPasskey { offered: at(1), ..new(2) }),
        // Of before there was one, which it takes now to have another.
        (ada.id, NewPasskey { offered: at(0), ..new(2) }),
        (UserId(99), new(2)),
    ] {
        assert_eq!(add(store, whose, bad).await, PasskeyAdded::Late);
    }
    assert_eq!(add(store, bob.id, new(2)).await, PasskeyAdded::Added, "nothing was used up");
    // Others come behind it, and the codes stay.
    let last = u8::try_from(PASSKEYS).unwrap() + 1;
    for byte in 3..=last {
        assert_eq!(add(store, ada.id, new(byte)).await, PasskeyAdded::Added);
    }
    assert_eq!(add(store, ada.id, new(last + 1)).await, PasskeyAdded::TooMany);
    let has = factors(store, ada.id).await;
    let names: Vec<_> = has.passkeys.iter().map(|passkey| passkey.name.clone()).collect();
    let expected = std::iter::once(1).chain(3..=last).map(|byte| format!("key {byte}"));
    assert_eq!(names, expected.collect::<Vec<_>>());
    assert_eq!(has.recovery, codes);
}

pub(crate) async fn of_many_who_want_a_passkey_one_has_it(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let done = at_once(store, 8, |store, number| async move {
        let whose = if number % 2 == 0 { ada.id } else { bob.id };
        let challenge = signed(u8::try_from(number).unwrap());
        // Another's, which comes at the same moment, may end a call in an error, and changes nothing.
        store.add_passkey(whose, NewPasskey { challenge, ..new(9) }).await.ok()
    })
    .await;
    let added = done.iter().filter(|done| **done == Some(PasskeyAdded::Added)).count();
    assert_eq!(added, 1, "{done:?}");
    let all = [factors(store, ada.id).await, factors(store, bob.id).await];
    assert_eq!(all.iter().map(|has| has.passkeys.len()).sum::<usize>(), 1);
}

pub(crate) async fn a_challenge_is_signed_once(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    add(store, ada.id, new(1)).await;
    add(store, ada.id, new(2)).await;
    add(store, bob.id, new(3)).await;
    assert!(!show(store, bob.id, proof(1, 20)).await, "it is hers");
    assert!(show(store, ada.id, proof(1, 20)).await, "which used nothing up");
    let used = factors(store, ada.id).await.passkeys.remove(0);
    assert_eq!((used.used, used.is_copied), (Some(at(5)), true));
    for (whose, byte) in [(ada.id, 1), (ada.id, 2), (bob.id, 3)] {
        assert!(!show(store, whose, proof(byte, 20)).await, "{byte}");
        // That by which it was made is used as well.
        assert!(!show(store, whose, proof(byte, byte)).await, "{byte}");
    }
    let done = at_once(store, 12, |store, number| async move {
        let (whose, byte) = match number % 3 {
            0 => (ada.id, 1),
            1 => (ada.id, 2),
            _ => (bob.id, 3),
        };
        show(&store, whose, proof(byte, 21)).await
    })
    .await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), 1);
    // It is known for as long as it would be good.
    store.sweep(at(299)).await.unwrap();
    assert!(!show(store, ada.id, proof(1, 21)).await);
    store.sweep(at(300)).await.unwrap();
    assert!(show(store, ada.id, proof(1, 21)).await, "nobody takes it any more");
}

pub(crate) async fn a_passkey_does_not_count_backwards(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    add(store, ada.id, new(1)).await;
    let counted = |count, challenge| {
        let FactorProof::Passkey(assertion) = proof(1, challenge) else { unreachable!() };
        FactorProof::Passkey(Assertion { count, ..assertion })
    };
    let big = u32::MAX;
    for (number, (count, good)) in (30..).zip([
        (0, true),
        (0, true),
        (7, true),
        (7, false),
        (6, false),
        (0, false),
        (big, true),
        (big, false),
    ]) {
        assert_eq!(show(store, ada.id, counted(count, number)).await, good, "{count}");
    }
    assert_eq!(factors(store, ada.id).await.passkeys[0].count, big);
}

pub(crate) async fn a_passkey_answers_the_challenge_of_a_password(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    add(store, ada.id, new(1)).await;
    let (purpose, hash) = (Purpose::Challenge, [40; 32]);
    let token = NewToken {
        user: ada.id,
        purpose,
        hash,
        basis: ada.basis(),
        address: String::new(),
        at: at(3),
        expires: at(300),
    };
    assert!(store.add_token(token).await.unwrap());
    let asked = TokenRef { user: ada.id, purpose, hash, at: at(4) };
    let answer = async |proof| store.answer_challenge(asked, proof).await.unwrap();
    assert_eq!(answer(proof(1, 1)).await, Answered::Wrong);
    assert_eq!(answer(proof(2, 41)).await, Answered::Wrong);
    assert_eq!(answer(proof(1, 41)).await, Answered::Right(ada.clone()));
    assert_eq!(answer(proof(1, 42)).await, Answered::BadChallenge);
}

pub(crate) async fn a_passkey_goes_with_what_came_by_it(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    for byte in [1, 2] {
        let new = NewPasskey { recovery: vec![[8; 32]], ..new(byte) };
        assert_eq!(add(store, ada.id, new).await, PasskeyAdded::Added);
    }
    let begin = async |second| {
        let new = NewSession { second: Some(second), ..new_session(ada.id) };
        store.start_session(new).await.unwrap().unwrap()
    };
    assert_eq!(begin(SecondFactor::Totp).await.second, None, "there is no app");
    enrol(store, ada.id).await;
    let all = [
        begin(SecondFactor::Totp).await,
        begin(SecondFactor::RecoveryCode).await,
        begin(SecondFactor::Passkey).await,
        begin(SecondFactor::PasskeyAlone).await,
    ];
    let seconds = async || {
        let mut seconds = Vec::new();
        for session in &all {
            seconds.push(now(store, session).await.unwrap().second);
        }
        seconds
    };
    assert!(seconds().await.iter().all(Option::is_some));
    let remove = async |byte: u8, proof| {
        let change = FactorChange::RemovePasskey(vec![byte; 40]);
        store.change_factors(ada.id, proof, change).await.unwrap()
    };
    assert!(!remove(1, proof(2, 2)).await);
    assert_eq!(owner(store, 1).await, Some(ada.id));
    assert!(remove(1, proof(2, 50)).await);
    assert_eq!((owner(store, 1).await, owner(store, 2).await), (None, Some(ada.id)));
    let left = [Some(SecondFactor::Totp), Some(SecondFactor::RecoveryCode), None, None];
    assert_eq!(seconds().await, left);
    assert!(!show(store, ada.id, proof(1, 51)).await);
    assert!(store.remove_factors(ada.id).await.unwrap());
    assert_eq!((owner(store, 2).await, store.factors(ada.id).await.unwrap()), (None, None));
    assert_eq!(seconds().await, [None; 4]);
    // The last one takes the codes with it.
    let last = NewPasskey { challenge: signed(60), recovery: vec![[8; 32]], ..new(2) };
    assert_eq!(add(store, ada.id, last).await, PasskeyAdded::Added);
    assert!(remove(2, proof(2, 61)).await);
    assert_eq!(store.factors(ada.id).await.unwrap(), None);
    let again = NewPasskey { challenge: signed(62), ..new(2) };
    assert_eq!(add(store, ada.id, again).await, PasskeyAdded::Added);
    assert!(store.delete_user(ada.id).await.unwrap());
    assert_eq!(owner(store, 2).await, None);
}

pub(crate) async fn an_app_goes_and_passkeys_stay(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    assert_eq!(add(store, ada.id, new(1)).await, PasskeyAdded::Added);
    enrol(store, ada.id).await;
    let begin = async |second| {
        let new = NewSession { second: Some(second), ..new_session(ada.id) };
        store.start_session(new).await.unwrap().unwrap()
    };
    let by_app = begin(SecondFactor::Totp).await;
    let others = [
        begin(SecondFactor::RecoveryCode).await,
        begin(SecondFactor::Passkey).await,
        begin(SecondFactor::PasskeyAlone).await,
    ];
    let before = factors(store, ada.id).await;
    let remove =
        async |proof| store.change_factors(ada.id, proof, FactorChange::RemoveTotp).await.unwrap();
    assert!(remove(FactorProof::RecoveryCode([1; 32])).await);
    let left = factors(store, ada.id).await;
    assert_eq!((left.totp, &left.passkeys), (None, &before.passkeys));
    assert_eq!(left.recovery.len(), before.recovery.len() - 1, "the one that was shown");
    assert_eq!(now(store, &by_app).await.unwrap().second, None);
    for session in &others {
        assert_eq!(now(store, session).await.unwrap().second, session.second);
    }
    // There is none any more, and what was shown for it is used up all the same.
    assert!(remove(proof(1, 50)).await);
    assert!(!show(store, ada.id, proof(1, 50)).await);
    assert!(show(store, ada.id, proof(1, 51)).await);
    // Another may be set up.
    enrol(store, ada.id).await;
}

pub(crate) async fn a_passkey_is_called_otherwise(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    for byte in [1, 2] {
        assert_eq!(add(store, ada.id, new(byte)).await, PasskeyAdded::Added);
    }
    let rename = async |user, byte: u8| {
        store.rename_passkey(user, vec![byte; 40], "work".to_owned()).await.unwrap()
    };
    for (user, byte) in [(bob.id, 1), (ada.id, 3), (UserId(99), 1)] {
        assert!(!rename(user, byte).await);
    }
    assert_eq!(factors(store, ada.id).await.passkeys, [passkey(1), passkey(2)]);
    assert!(rename(ada.id, 1).await);
    let renamed = Passkey { name: "work".to_owned(), ..passkey(1) };
    assert_eq!(factors(store, ada.id).await.passkeys, [renamed, passkey(2)]);
    assert_eq!(owner(store, 1).await, Some(ada.id));
    assert!(show(store, ada.id, proof(1, 50)).await);
}

pub(crate) async fn passkeys_move_with_their_user(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    add(store, ada.id, new(1)).await;
    add(store, ada.id, new(2)).await;
    let second = Some(SecondFactor::PasskeyAlone);
    store.start_session(NewSession { second, ..new_session(ada.id) }).await.unwrap().unwrap();
    let [whole] = &store.whole_users(None, 9).await.unwrap()[..] else { panic!() };
    let has = whole.factors.clone().unwrap();
    assert_eq!(has.passkeys, [passkey(1), passkey(2)]);
    let mut moved = whole.clone();
    (moved.user.id, moved.user.username) = (UserId(50), "eve".to_owned());
    moved.sessions[0].session.id.number = 60;
    let arrive = async |whole: &WholeUser| {
        store.take_users(vec![whole.clone()], Trial::Real).await.unwrap().remove(0)
    };
    assert_eq!(arrive(&moved).await, Arrival::KeyTaken, "they are hers");
    assert!(store.delete_user(ada.id).await.unwrap());
    let mut twice = moved.clone();
    twice.factors.as_mut().unwrap().passkeys.push(passkey(1));
    assert_eq!(arrive(&twice).await, Arrival::KeyTaken);
    assert_eq!(arrive(&moved).await, Arrival::Stored(UserId(50)));
    assert_eq!(factors(store, UserId(50)).await, has);
    assert_eq!(owner(store, 2).await, Some(UserId(50)));
    assert_eq!(all_sessions(store, UserId(50)).await[0].second, second);
    let present = |differs: &[&'static str]| Arrival::Present {
        id: UserId(50),
        completed: false,
        differs: differs.to_vec(),
    };
    assert_eq!(arrive(&moved).await, present(&[]));
    let change = FactorChange::RemovePasskey(vec![1; 40]);
    assert!(store.change_factors(UserId(50), proof(2, 70), change).await.unwrap());
    assert_eq!(arrive(&moved).await, present(&["factors"]));
}
