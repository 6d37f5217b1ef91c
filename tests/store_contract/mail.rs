//! Letters that wait, and one-time tokens.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::Timestamp;
use portcullis::identity::UserId;
use portcullis::store::{
    Claimed, Confirmation, Creation, Letter, LetterKind, NewLetter, NewToken, NewUser,
    PasswordHash, Posted, Purpose, QueueLimits, Store, TOKENS_KEPT, TokenRef, User, UserChange,
};

use crate::build::{at_once, logged_in};

const LIMITS: QueueLimits = QueueLimits { letters: 100, recipient: 3 };
const ONE: Posted = Posted { queued: 1, refused: 0 };
const NONE: Posted = Posted { queued: 0, refused: 1 };

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(text.to_owned())
}

async fn addressed(store: &Arc<dyn Store>, name: &str, email: &str) -> User {
    let new = NewUser {
        username: name.to_owned(),
        email: email.to_owned(),
        password: Some(hash("$first$")),
        roles: Vec::new(),
        created: at(1),
    };
    match store.create_user(new).await.unwrap() {
        Creation::Created(user) => user,
        Creation::NameTaken => panic!("{name} is taken"),
    }
}

async fn set_email(store: &Arc<dyn Store>, user: UserId, email: &str) {
    let change = UserChange::Email { email: email.to_owned(), verified: false };
    store.change_user(user, change).await.unwrap().unwrap();
}

async fn names(store: &Arc<dyn Store>, email: &str) -> Vec<String> {
    let users = store.users_by_email(email).await.unwrap();
    users.into_iter().map(|user| user.username).collect()
}

pub(crate) async fn an_address_finds_all_who_have_it(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "Shared@Example.com").await;
    let bob = addressed(store, "bob", "shared@example.com").await;
    addressed(store, "eve", "shared@example.co").await;
    addressed(store, "nil", "").await;
    for email in ["shared@example.com", "SHARED@EXAMPLE.COM"] {
        assert_eq!(names(store, email).await, ["ada", "bob"]);
    }
    for email in ["", "shared@example.c", "shared"] {
        assert!(names(store, email).await.is_empty(), "{email}");
    }
    set_email(store, ada.id, "ada@example.com").await;
    assert_eq!(names(store, "shared@example.com").await, ["bob"]);
    assert_eq!(names(store, "ada@example.com").await, ["ada"]);
    set_email(store, ada.id, "").await;
    store.delete_user(bob.id).await.unwrap();
    for email in ["shared@example.com", "ada@example.com", ""] {
        assert!(names(store, email).await.is_empty(), "{email}");
    }
}

fn letter(user: &User, to: &str, seconds: u64) -> NewLetter {
    NewLetter {
        kind: LetterKind::Verify,
        user: user.id,
        to: to.to_owned(),
        basis: user.basis(),
        at: at(seconds),
    }
}

async fn claim(store: &Arc<dyn Store>, seconds: u64) -> Claimed {
    store.claim_letter(at(seconds), at(seconds + 100)).await.unwrap()
}

async fn claimed(store: &Arc<dyn Store>, seconds: u64) -> Letter {
    match claim(store, seconds).await {
        Claimed::Letter(letter) => letter,
        other @ (Claimed::At(_) | Claimed::Nothing) => panic!("{other:?}"),
    }
}

pub(crate) async fn letters_come_in_the_order_in_which_they_are_due(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@example.com").await;
    assert_eq!(claim(store, 1).await, Claimed::Nothing);
    for (to, seconds) in [("b@x.test", 20), ("a@x.test", 10), ("c@x.test", 30)] {
        assert_eq!(store.post(letter(&ada, to, seconds), LIMITS).await.unwrap(), ONE);
    }
    assert_eq!(claim(store, 9).await, Claimed::At(at(10)));
    let first = claimed(store, 25).await;
    assert_eq!((first.to.as_str(), first.posted, first.due), ("a@x.test", at(10), at(125)));
    assert_eq!((first.user, first.basis, first.attempts), (ada.id, ada.basis(), 1));
    assert_eq!(first.kind, LetterKind::Verify);
    assert_eq!(claimed(store, 25).await.to, "b@x.test");
    assert_eq!(claim(store, 25).await, Claimed::At(at(30)));

    assert!(store.remove_letter(first.number).await.unwrap());
    assert!(!store.remove_letter(first.number).await.unwrap());
    assert!(!store.put_off_letter(first.number, at(1)).await.unwrap());
    let third = claimed(store, 31).await;
    assert!(store.put_off_letter(third.number, at(50)).await.unwrap());
    assert_eq!(claim(store, 49).await, Claimed::At(at(50)));
    let again = claimed(store, 50).await;
    assert_eq!((again.number, again.attempts), (third.number, 2));
}

/// Whoever claimed it may be gone for good.
pub(crate) async fn a_claimed_letter_comes_back(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@example.com").await;
    store.post(letter(&ada, "a@x.test", 1), LIMITS).await.unwrap();
    let first = claimed(store, 1).await;
    assert_eq!(claim(store, 100).await, Claimed::At(at(101)));
    let second = claimed(store, 101).await;
    assert_eq!((second.number, second.attempts), (first.number, 2));
}

pub(crate) async fn of_many_claims_one_has_a_letter(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@example.com").await;
    for number in 0..5 {
        store.post(letter(&ada, &format!("{number}@x.test"), 1), LIMITS).await.unwrap();
    }
    let mut got: Vec<_> = at_once(store, 20, |store, _| async move {
        match store.claim_letter(at(1), at(9)).await.unwrap() {
            Claimed::Letter(letter) => Some(letter.number),
            Claimed::At(_) | Claimed::Nothing => None,
        }
    })
    .await
    .into_iter()
    .flatten()
    .collect();
    got.sort_unstable();
    let numbers = got.len();
    got.dedup();
    assert_eq!((numbers, got.len()), (5, 5));
}

pub(crate) async fn the_queue_is_bounded(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@example.com").await;
    let limits = QueueLimits { letters: 5, recipient: 2 };
    for (to, posted) in [
        ("a@x.test", ONE),
        ("A@X.test", ONE),
        ("a@x.test", NONE),
        ("b@x.test", ONE),
        ("c@x.test", ONE),
        ("d@x.test", ONE),
        ("e@x.test", NONE),
    ] {
        assert_eq!(store.post(letter(&ada, to, 1), limits).await.unwrap(), posted, "{to}");
    }
    let first = claimed(store, 1).await;
    store.remove_letter(first.number).await.unwrap();
    assert_eq!(store.post(letter(&ada, "a@x.test", 1), limits).await.unwrap(), ONE);
    assert_eq!(store.post(letter(&ada, "f@x.test", 1), limits).await.unwrap(), NONE);
}

pub(crate) async fn a_reset_goes_to_every_account_that_it_can_help(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "Shared@x.test").await;
    let off = addressed(store, "off", "shared@x.test").await;
    store.change_user(off.id, UserChange::Active(false)).await.unwrap();
    let key = NewUser {
        username: "key".to_owned(),
        email: "shared@x.test".to_owned(),
        password: None,
        roles: Vec::new(),
        created: at(1),
    };
    store.create_user(key).await.unwrap();
    let bob = addressed(store, "bob", "sharED@x.test").await;
    let nobody = store.post_resets("nobody@x.test", at(5), LIMITS).await.unwrap();
    assert_eq!(nobody, Posted::default());
    let posted = store.post_resets("shared@X.test", at(5), LIMITS).await.unwrap();
    assert_eq!(posted, Posted { queued: 2, refused: 0 });
    for user in [ada, bob] {
        let letter = claimed(store, 5).await;
        assert_eq!((letter.kind, letter.user), (LetterKind::Reset, user.id));
        assert_eq!((letter.to, letter.basis), (user.email.clone(), user.basis()));
    }
    let again = store.post_resets("shared@x.test", at(6), LIMITS).await.unwrap();
    assert_eq!(again, Posted { queued: 1, refused: 1 }, "three for one address");
}

fn token(user: &User, purpose: Purpose, number: u8) -> NewToken {
    NewToken {
        user: user.id,
        purpose,
        hash: [number; 32],
        basis: user.basis(),
        address: "new@x.test".to_owned(),
        at: at(10),
        expires: at(100),
    }
}

fn presented(user: UserId, purpose: Purpose, number: u8, seconds: u64) -> TokenRef {
    TokenRef { user, purpose, hash: [number; 32], at: at(seconds) }
}

async fn is_good(store: &Arc<dyn Store>, token: TokenRef) -> bool {
    store.token_user(token).await.unwrap().is_some()
}

pub(crate) async fn a_token_is_good_for_its_user_purpose_and_time(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    let bob = addressed(store, "bob", "bob@x.test").await;
    assert!(store.add_token(token(&ada, Purpose::Password, 1)).await.unwrap());
    assert!(store.add_token(token(&bob, Purpose::Email, 2)).await.unwrap());
    let found = store.token_user(presented(ada.id, Purpose::Password, 1, 99)).await.unwrap();
    assert_eq!(found, Some(ada.clone()));
    for wrong in [
        presented(ada.id, Purpose::Password, 1, 100),
        presented(ada.id, Purpose::Password, 2, 50),
        presented(ada.id, Purpose::Email, 1, 50),
        presented(bob.id, Purpose::Password, 1, 50),
        presented(bob.id, Purpose::Password, 2, 50),
        presented(UserId(99), Purpose::Password, 1, 50),
    ] {
        assert!(!is_good(store, wrong).await, "{wrong:?}");
        assert_eq!(store.redeem_password(wrong, hash("$x$")).await.unwrap(), None);
    }
    let wrong = presented(bob.id, Purpose::Email, 3, 50);
    assert_eq!(store.redeem_email(wrong, false).await.unwrap(), Confirmation::BadToken);
    assert_eq!(store.user(ada.id).await.unwrap(), Some(ada));
    assert_eq!(store.user(bob.id).await.unwrap(), Some(bob));
}

pub(crate) async fn a_password_token_is_used_once_and_ends_sessions(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    let session = crate::build::session(store, ada.id).await;
    for number in [1, 2] {
        store.add_token(token(&ada, Purpose::Password, number)).await.unwrap();
    }
    store.add_token(token(&ada, Purpose::Email, 3)).await.unwrap();
    let used = presented(ada.id, Purpose::Password, 1, 20);
    let all = at_once(store, 16, |store, number| async move {
        store.redeem_password(used, hash(&format!("${number}$"))).await.unwrap()
    })
    .await;
    let done: Vec<_> = all.into_iter().flatten().collect();
    let [one] = &done[..] else { panic!("{done:?}") };
    assert_eq!(one.before, logged_in(ada.clone()));
    let mark = one.after.password_mark.unwrap();
    assert_eq!((mark.session, mark.at), (session.id.number, at(20)));
    assert_ne!(one.after.password, ada.password);
    assert_eq!(store.user(ada.id).await.unwrap().as_ref(), Some(&one.after));
    for (purpose, number) in [(Purpose::Password, 2), (Purpose::Email, 3)] {
        assert!(!is_good(store, presented(ada.id, purpose, number, 20)).await);
    }
}

pub(crate) async fn an_email_token_verifies_the_address_it_went_to(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    store.add_token(token(&ada, Purpose::Email, 1)).await.unwrap();
    let used = presented(ada.id, Purpose::Email, 1, 20);
    let Confirmation::Confirmed(done) = store.redeem_email(used, false).await.unwrap() else {
        panic!("a good token")
    };
    assert_eq!(done.before, ada);
    let after = User { email: "new@x.test".to_owned(), email_verified: true, ..ada };
    assert_eq!(done.after, after);
    assert_eq!(names(store, "new@x.test").await, ["ada"]);
    assert!(names(store, "ada@x.test").await.is_empty());
    assert_eq!(store.redeem_email(used, false).await.unwrap(), Confirmation::BadToken);
}

pub(crate) async fn a_unique_address_is_confirmed_by_one_of_many(store: &Arc<dyn Store>) {
    let mut tokens = Vec::new();
    for number in 0..8 {
        let user = addressed(store, &format!("user{number}"), &format!("u{number}@x.test")).await;
        store.add_token(token(&user, Purpose::Email, 1)).await.unwrap();
        tokens.push(presented(user.id, Purpose::Email, 1, 20));
    }
    let all = at_once(store, 8, move |store, number| {
        let token = tokens[usize::try_from(number).unwrap()];
        async move { (number, store.redeem_email(token, true).await.unwrap()) }
    })
    .await;
    let done = all.iter().filter(|(_, it)| matches!(it, Confirmation::Confirmed(_)));
    let [(winner, _)] = done.collect::<Vec<_>>()[..] else { panic!("{all:?}") };
    let taken = all.iter().filter(|(_, it)| *it == Confirmation::EmailTaken).count();
    assert_eq!(taken, all.len() - 1, "{all:?}");
    assert_eq!(names(store, "NEW@x.test").await, [format!("user{winner}")]);
    // Whoever lost is as before, and may try again when the address is free.
    let loser = (0..8).find(|number| number != winner).unwrap();
    assert_eq!(names(store, &format!("u{loser}@x.test")).await, [format!("user{loser}")]);
    let of = async |number: &u64| {
        store.user_by_name(&format!("user{number}")).await.unwrap().unwrap().id
    };
    let again = presented(of(&loser).await, Purpose::Email, 1, 21);
    assert_eq!(store.redeem_email(again, true).await.unwrap(), Confirmation::EmailTaken);
    store.delete_user(of(winner).await).await.unwrap();
    let now = store.redeem_email(again, true).await.unwrap();
    assert!(matches!(now, Confirmation::Confirmed(_)), "{now:?}");
}

pub(crate) async fn an_address_that_is_shared_already_can_be_confirmed(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "New@x.test").await;
    addressed(store, "bob", "new@x.test").await;
    store.add_token(token(&ada, Purpose::Email, 1)).await.unwrap();
    let used = presented(ada.id, Purpose::Email, 1, 20);
    let done = store.redeem_email(used, true).await.unwrap();
    assert!(matches!(done, Confirmation::Confirmed(_)), "{done:?}");
}

/// A link for the account as it was must not open the account as it is.
pub(crate) async fn a_token_is_void_when_its_account_is_another(store: &Arc<dyn Store>) {
    let changes = [
        UserChange::Password { hash: hash("$second$"), at: at(11) },
        UserChange::Email { email: "other@x.test".to_owned(), verified: true },
        UserChange::Active(false),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let ada = addressed(store, &format!("ada{number}"), "ada@x.test").await;
        for purpose in [Purpose::Password, Purpose::Email] {
            assert!(store.add_token(token(&ada, purpose, 1)).await.unwrap());
        }
        store.change_user(ada.id, change.clone()).await.unwrap();
        for purpose in [Purpose::Password, Purpose::Email] {
            assert!(!is_good(store, presented(ada.id, purpose, 1, 20)).await, "{change:?}");
            let late = store.add_token(token(&ada, purpose, 2)).await.unwrap();
            assert!(!late, "a token for the account as it was: {change:?}");
        }
        let used = presented(ada.id, Purpose::Email, 1, 20);
        let redeemed = store.redeem_email(used, false).await.unwrap();
        assert_eq!(redeemed, Confirmation::BadToken, "{change:?}");
    }
    let ada = addressed(store, "ada", "ada@x.test").await;
    store.add_token(token(&ada, Purpose::Password, 1)).await.unwrap();
    store.change_user(ada.id, UserChange::LoggedIn(at(12))).await.unwrap();
    store.change_user(ada.id, UserChange::AddRole("x".to_owned())).await.unwrap();
    assert!(is_good(store, presented(ada.id, Purpose::Password, 1, 20)).await);
}

pub(crate) async fn a_deleted_user_leaves_no_token(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    store.add_token(token(&ada, Purpose::Password, 1)).await.unwrap();
    store.delete_user(ada.id).await.unwrap();
    assert!(!is_good(store, presented(ada.id, Purpose::Password, 1, 20)).await);
    assert!(!store.add_token(token(&ada, Purpose::Password, 2)).await.unwrap());
}

pub(crate) async fn so_many_tokens_are_kept(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    let last = u8::try_from(TOKENS_KEPT).unwrap() + 1;
    for number in 1..=last {
        store.add_token(token(&ada, Purpose::Email, number)).await.unwrap();
    }
    let mut good = Vec::new();
    for number in 1..=last {
        good.push(is_good(store, presented(ada.id, Purpose::Email, number, 20)).await);
    }
    assert_eq!(good, [vec![false], vec![true; TOKENS_KEPT]].concat());
}

pub(crate) async fn a_sweep_takes_tokens_whose_time_is_over(store: &Arc<dyn Store>) {
    let ada = addressed(store, "ada", "ada@x.test").await;
    store.add_token(token(&ada, Purpose::Email, 1)).await.unwrap();
    store.sweep(at(99)).await.unwrap();
    assert!(is_good(store, presented(ada.id, Purpose::Email, 1, 20)).await);
    store.sweep(at(10).plus(Duration::from_secs(90))).await.unwrap();
    assert!(!is_good(store, presented(ada.id, Purpose::Email, 1, 20)).await);
}
