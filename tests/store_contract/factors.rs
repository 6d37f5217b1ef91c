//! Second factors: shown once each, whoever else shows them.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::{
    Answered, Arrival, FactorChange, FactorProof, Factors, FirstCode, NewSession, NewToken,
    NewTotp, Offered, Purpose, SecondFactor, Store, TokenRef, Totp, Trial, UserChange, WholeUser,
};

use crate::build::{all_sessions, at, at_once, hash, new_session, now, session, user};

fn offered(byte: u8) -> NewTotp {
    NewTotp { sealed: vec![byte; 40], created: at(1) }
}

fn first(byte: u8) -> FirstCode {
    FirstCode { sealed: vec![byte; 40], step: 100, recovery: codes(0..10), at: at(2) }
}

fn codes(bytes: std::ops::Range<u8>) -> Vec<[u8; 32]> {
    bytes.map(|byte| [byte; 32]).collect()
}

fn code(byte: u8, step: u64) -> FactorProof {
    FactorProof::Totp { sealed: vec![byte; 40], step }
}

/// What a user has after [`enrol`].
pub(crate) fn enrolled() -> Factors {
    let totp = Totp { sealed: vec![1; 40], created: at(1), confirmed: Some(at(2)), step: 100 };
    Factors { totp: Some(totp), recovery: codes(0..10), passkeys: Vec::new() }
}

pub(crate) async fn enrol(store: &Arc<dyn Store>, user: UserId) {
    assert_eq!(store.offer_totp(user, offered(1)).await.unwrap(), Offered::Kept);
    assert!(store.confirm_totp(user, first(1)).await.unwrap());
}

async fn renew(store: &Arc<dyn Store>, user: UserId, proof: FactorProof) -> bool {
    store.change_factors(user, proof, FactorChange::Recovery(codes(20..30))).await.unwrap()
}

/// A challenge that is known by that byte.
async fn challenge(store: &Arc<dyn Store>, user: UserId, byte: u8) -> TokenRef {
    let basis = store.user(user).await.unwrap().unwrap().basis();
    let (purpose, hash) = (Purpose::Challenge, [byte; 32]);
    let (address, at, expires) = (String::new(), at(3), at(300));
    let new = NewToken { user, purpose, hash, basis, address, at, expires };
    assert!(store.add_token(new).await.unwrap());
    TokenRef { user, purpose, hash, at }
}

async fn answer(store: &Arc<dyn Store>, challenge: TokenRef, proof: FactorProof) -> Answered {
    store.answer_challenge(challenge, proof).await.unwrap()
}

pub(crate) async fn a_secret_counts_once_its_first_code_was_shown(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    // What a login sees after its password.
    let seen = async |id: UserId| store.user_with_factors(id).await.unwrap();
    assert_eq!(seen(UserId(ada.id.0 + 9)).await, None);
    assert_eq!(seen(ada.id).await, Some((ada.clone(), None)));
    assert_eq!(store.factors(ada.id).await.unwrap(), None);
    assert!(!store.confirm_totp(ada.id, first(1)).await.unwrap(), "none was offered");
    assert_eq!(store.offer_totp(ada.id, offered(1)).await.unwrap(), Offered::Kept);
    assert!(!store.factors(ada.id).await.unwrap().unwrap().are_confirmed());
    // Another offer takes its place.
    assert_eq!(store.offer_totp(ada.id, offered(2)).await.unwrap(), Offered::Kept);
    assert!(!store.confirm_totp(ada.id, first(1)).await.unwrap(), "it is another's");
    assert!(!renew(store, ada.id, code(2, 101)).await, "it is not confirmed");
    assert!(!renew(store, ada.id, FactorProof::RecoveryCode([0; 32])).await);
    // Neither too late, nor after another password.
    let late = FirstCode { at: at(601), ..first(2) };
    assert!(!store.confirm_totp(ada.id, late).await.unwrap());
    let change = UserChange::Password { hash: hash("second"), at: at(1) };
    store.change_user(bob.id, change).await.unwrap().unwrap();
    store.offer_totp(bob.id, offered(2)).await.unwrap();
    assert!(!store.confirm_totp(bob.id, first(2)).await.unwrap());
    assert!(store.confirm_totp(ada.id, first(2)).await.unwrap());
    let mut expected = enrolled();
    expected.totp.as_mut().unwrap().sealed = vec![2; 40];
    assert_eq!(store.factors(ada.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(seen(ada.id).await, Some((ada.clone(), Some(expected.clone()))));
    // From then on it is neither replaced nor confirmed anew.
    assert_eq!(store.offer_totp(ada.id, offered(3)).await.unwrap(), Offered::Confirmed);
    assert!(!store.confirm_totp(ada.id, first(2)).await.unwrap());
    assert_eq!(store.factors(ada.id).await.unwrap(), Some(expected));
    assert!(!store.factors(bob.id).await.unwrap().unwrap().are_confirmed());
    assert_eq!(store.offer_totp(UserId(99), offered(1)).await.unwrap(), Offered::NoUser);
    assert_eq!(store.factors(UserId(99)).await.unwrap(), None);
}

pub(crate) async fn of_many_first_codes_one_counts(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    store.offer_totp(ada.id, offered(1)).await.unwrap();
    let done = at_once(store, 8, |store, number| async move {
        let recovery = vec![[u8::try_from(number).unwrap(); 32]];
        let first = FirstCode { recovery: recovery.clone(), ..first(1) };
        store.confirm_totp(ada.id, first).await.unwrap().then_some(recovery)
    })
    .await;
    let done: Vec<_> = done.into_iter().flatten().collect();
    assert_eq!(done.len(), 1);
    assert_eq!(store.factors(ada.id).await.unwrap().unwrap().recovery, done[0]);
}

pub(crate) async fn a_code_is_good_once_and_none_before_it_is(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    enrol(store, ada.id).await;
    for (proof, good) in [
        (code(1, 99), false),
        (code(1, 100), false),
        (code(2, 101), false),
        (code(1, 101), true),
        (code(1, 101), false),
        (code(1, 100), false),
        (code(1, 103), true),
        (code(1, 102), false),
    ] {
        assert_eq!(renew(store, ada.id, proof).await, good);
    }
    let kept = store.factors(ada.id).await.unwrap().unwrap();
    assert_eq!((kept.totp.unwrap().step, kept.recovery), (103, codes(20..30)));
    let done = at_once(store, 16, |store, _| async move {
        let change = FactorChange::Recovery(Vec::new());
        store.change_factors(ada.id, code(1, 104), change).await.unwrap()
    })
    .await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), 1);
}

pub(crate) async fn a_recovery_code_is_good_once(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    enrol(store, ada.id).await;
    enrol(store, bob.id).await;
    let recovery = FactorProof::RecoveryCode;
    let mut right = 0;
    for byte in 1..=4 {
        challenge(store, ada.id, byte).await;
    }
    let answers = at_once(store, 4, |store, number| async move {
        let hash = [u8::try_from(number).unwrap() + 1; 32];
        let challenge = TokenRef { user: ada.id, purpose: Purpose::Challenge, hash, at: at(4) };
        answer(&store, challenge, recovery([7; 32])).await
    })
    .await;
    for answer in answers {
        match answer {
            Answered::Right(found) => {
                assert_eq!(found, ada);
                right += 1;
            }
            Answered::Wrong => {}
            Answered::BadChallenge => panic!("each has a challenge of its own"),
        }
    }
    assert_eq!(right, 1);
    let left = store.factors(ada.id).await.unwrap().unwrap().recovery;
    assert_eq!(left, [codes(0..7), codes(8..10)].concat());
    // Another user's are that user's.
    assert_eq!(store.factors(bob.id).await.unwrap(), Some(enrolled()));
    assert!(!renew(store, ada.id, recovery([99; 32])).await);
    assert!(renew(store, ada.id, recovery([1; 32])).await);
    assert!(!renew(store, ada.id, recovery([2; 32])).await, "those before are void");
    assert!(renew(store, ada.id, recovery([25; 32])).await);
}

pub(crate) async fn a_challenge_is_answered_once(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    enrol(store, ada.id).await;
    let asked = challenge(store, ada.id, 1).await;
    assert_eq!(answer(store, asked, code(1, 100)).await, Answered::Wrong);
    let wrong = [
        TokenRef { hash: [2; 32], ..asked },
        TokenRef { user: bob.id, ..asked },
        TokenRef { purpose: Purpose::Password, ..asked },
        TokenRef { at: at(300), ..asked },
        challenge(store, bob.id, 1).await,
    ];
    for challenge in wrong {
        assert_eq!(answer(store, challenge, code(1, 101)).await, Answered::BadChallenge);
    }
    // A wrong answer uses nothing up.
    assert_eq!(answer(store, asked, code(1, 101)).await, Answered::Right(ada.clone()));
    assert_eq!(answer(store, asked, code(1, 102)).await, Answered::BadChallenge);
    // What was refused did not use the code up either.
    let next = challenge(store, ada.id, 3).await;
    assert_eq!(answer(store, next, code(1, 102)).await, Answered::Right(ada.clone()));
    assert_eq!(store.token_user(next).await.unwrap(), None);
}

pub(crate) async fn a_challenge_is_void_when_its_account_is_another(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    enrol(store, ada.id).await;
    let asked = challenge(store, ada.id, 1).await;
    let password = UserChange::Password { hash: hash("second"), at: at(5) };
    store.change_user(ada.id, password).await.unwrap();
    assert_eq!(answer(store, asked, code(1, 101)).await, Answered::BadChallenge);
    let asked = challenge(store, ada.id, 2).await;
    store.change_user(ada.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(answer(store, asked, code(1, 101)).await, Answered::BadChallenge);
    store.change_user(ada.id, UserChange::Active(true)).await.unwrap();
    assert!(store.remove_factors(ada.id).await.unwrap());
    assert_eq!(answer(store, asked, code(1, 101)).await, Answered::BadChallenge);
}

pub(crate) async fn a_session_has_a_factor_while_its_user_has(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await, user(store, "bob").await);
    let begin = async |user, second| {
        let new = NewSession { second, ..new_session(user) };
        store.start_session(new).await.unwrap().unwrap()
    };
    let second = Some(SecondFactor::RecoveryCode);
    // Not before there is one: what was shown may have been removed meanwhile.
    assert_eq!(begin(ada.id, second).await.second, None);
    store.offer_totp(ada.id, offered(1)).await.unwrap();
    assert_eq!(begin(ada.id, second).await.second, None);
    let plain = session(store, ada.id).await;
    assert!(store.confirm_totp(ada.id, first(1)).await.unwrap());
    let by_code = begin(ada.id, second).await;
    assert_eq!(by_code.second, second);
    let own = begin(ada.id, Some(SecondFactor::Totp)).await;
    assert_eq!(begin(bob.id, second).await.second, None, "it is hers and not his");
    store.offer_totp(bob.id, offered(1)).await.unwrap();
    assert!(store.confirm_totp(bob.id, first(1)).await.unwrap());
    assert_eq!(now(store, &by_code).await.unwrap().second, second);
    assert_eq!(now(store, &plain).await.unwrap().second, None);
    assert_eq!(now(store, &own).await.unwrap().second, Some(SecondFactor::Totp));
    // A rotation leaves it as it is, and so does a new password in the session that goes on.
    crate::build::rotate(store, &own, "r0", "r1", 5).await;
    assert_eq!(now(store, &own).await.unwrap().second, Some(SecondFactor::Totp));
    let new = NewSession { second, ..new_session(ada.id) };
    let changed = store.change_password(hash("second"), new).await.unwrap().unwrap();
    assert_eq!(now(store, &changed).await.unwrap().second, second);
    // With the factor goes what its sessions had by it.
    assert!(!store.change_factors(ada.id, code(1, 7), FactorChange::Remove).await.unwrap());
    assert!(store.change_factors(ada.id, code(1, 101), FactorChange::Remove).await.unwrap());
    assert_eq!(store.factors(ada.id).await.unwrap(), None);
    assert!(all_sessions(store, ada.id).await.iter().all(|session| session.second.is_none()));
    assert!(!store.remove_factors(ada.id).await.unwrap());
    assert!(store.remove_factors(bob.id).await.unwrap());
    assert_eq!(store.factors(bob.id).await.unwrap(), None);
}

pub(crate) async fn an_app_goes_with_what_came_by_it(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    enrol(store, ada.id).await;
    let new = NewSession { second: Some(SecondFactor::RecoveryCode), ..new_session(ada.id) };
    let session = store.start_session(new).await.unwrap().unwrap();
    let remove =
        async |proof| store.change_factors(ada.id, proof, FactorChange::RemoveTotp).await.unwrap();
    assert!(!remove(code(1, 100)).await);
    assert_eq!(store.factors(ada.id).await.unwrap(), Some(enrolled()));
    // It is the last one: nothing is left that a recovery code could stand for.
    assert!(remove(code(1, 101)).await);
    assert_eq!(store.factors(ada.id).await.unwrap(), None);
    assert_eq!(now(store, &session).await.unwrap().second, None);
    assert!(!remove(code(1, 102)).await);
    assert!(!remove(FactorProof::RecoveryCode([1; 32])).await);
}

pub(crate) async fn a_deleted_user_leaves_no_factor(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    enrol(store, ada.id).await;
    assert!(store.delete_user(ada.id).await.unwrap());
    assert_eq!(store.factors(ada.id).await.unwrap(), None);
    let whole = store.whole_users(None, 9).await.unwrap();
    assert!(whole.is_empty());
}

pub(crate) async fn factors_move_with_their_user(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    enrol(store, ada.id).await;
    let second = Some(SecondFactor::Totp);
    store.start_session(NewSession { second, ..new_session(ada.id) }).await.unwrap().unwrap();
    let [whole] = &store.whole_users(None, 9).await.unwrap()[..] else { panic!() };
    assert_eq!(whole.factors, Some(enrolled()));
    assert_eq!(whole.sessions[0].session.second, second);
    // The same, under another name and id.
    let mut moved = whole.clone();
    (moved.user.id, moved.user.username) = (UserId(50), "eve".to_owned());
    moved.sessions[0].session.id.number = 60;
    let arrive = async |whole: &WholeUser| {
        let trial = Trial::Real;
        store.take_users(vec![whole.clone()], trial).await.unwrap().remove(0)
    };
    assert_eq!(arrive(&moved).await, Arrival::Stored(UserId(50)));
    assert_eq!(store.factors(UserId(50)).await.unwrap(), Some(enrolled()));
    let eve = &all_sessions(store, UserId(50)).await[0];
    assert_eq!(eve.second, second);
    // Who is there is asked for what was enrolled here, and for nothing else.
    let present = |differs: &[&'static str]| Arrival::Present {
        id: UserId(50),
        completed: false,
        differs: differs.to_vec(),
    };
    assert_eq!(arrive(&moved).await, present(&[]));
    assert!(store.remove_factors(UserId(50)).await.unwrap());
    assert_eq!(arrive(&moved).await, present(&["factors"]));
    assert_eq!(store.factors(UserId(50)).await.unwrap(), None);
}
