//! Users who are made under terms, and invitations.

use std::num::NonZeroU32;
use std::sync::Arc;

use portcullis::store::{
    Admission, Clashes, Invitation, NewInvitation, NewUser, Store, Terms, User, UserChange,
};

use crate::build::{at, at_once, new_user, user};

fn uses(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn new_invitation(hash: u8) -> NewInvitation {
    NewInvitation {
        hash: [hash; 32],
        email: String::new(),
        roles: vec!["editor".to_owned()],
        uses: uses(1),
        created: at(0),
        expires: at(60),
    }
}

async fn invite(store: &Arc<dyn Store>, new: NewInvitation) -> Invitation {
    store.add_invitation(new).await.unwrap()
}

fn invited(hash: u8) -> Terms {
    Terms { invitation: Some([hash; 32]), ..Terms::default() }
}

fn with_email(name: &str, email: &str) -> NewUser {
    NewUser { email: email.to_owned(), ..new_user(name) }
}

async fn admit(store: &Arc<dyn Store>, new: NewUser, terms: &Terms) -> Admission {
    store.admit_user(new, terms.clone()).await.unwrap()
}

#[track_caller]
fn made(admission: Admission) -> User {
    let Admission::Created(user) = admission else { panic!("{admission:?}") };
    user
}

pub(crate) async fn without_terms_a_name_is_enough(store: &Arc<dyn Store>) {
    let ada = made(admit(store, new_user("ada"), &Terms::default()).await);
    assert_eq!(store.user_by_name("ada").await.unwrap(), Some(ada));
    let again = admit(store, new_user("ada"), &Terms::default()).await;
    assert_eq!(again, Admission::NameTaken);
    made(admit(store, with_email("Ada", "ADA@example.com"), &Terms::default()).await);
}

pub(crate) async fn an_address_is_given_to_one_of_many(store: &Arc<dyn Store>) {
    let terms = || Terms { unique_email: true, ..Terms::default() };
    let outcomes = at_once(store, 32, move |store, number| async move {
        let address = if number % 2 == 0 { "One@example.com" } else { "oNE@example.com" };
        store.admit_user(with_email(&format!("u{number}"), address), terms()).await.unwrap()
    })
    .await;
    let created = outcomes.iter().filter(|o| matches!(o, Admission::Created(_))).count();
    let taken = outcomes.iter().filter(|o| **o == Admission::EmailTaken).count();
    assert_eq!((created, taken), (1, 31));
    // Nobody has the address that nobody gave.
    for name in ["x", "y"] {
        made(admit(store, with_email(name, ""), &terms()).await);
    }
}

pub(crate) async fn a_look_is_given_to_one_of_many(store: &Arc<dyn Store>) {
    const NAMES: [&str; 6] = ["paypal", "PayPal", "раураl", "paypaI", "payрal", "pаypal"];
    let terms = || Terms { distinct_looks: true, ..Terms::default() };
    let outcomes = at_once(store, 24, move |store, number| async move {
        let name = NAMES[usize::try_from(number).unwrap() % NAMES.len()];
        store.admit_user(with_email(name, ""), terms()).await.unwrap()
    })
    .await;
    let created = outcomes.iter().filter(|o| matches!(o, Admission::Created(_))).count();
    assert_eq!(created, 1, "{outcomes:?}");
    assert_eq!(store.users(None, 100).await.unwrap().len(), 1);
    made(admit(store, new_user("eve"), &terms()).await);
    // Whoever may have one is not asked.
    made(admit(store, new_user("pauраl"), &Terms::default()).await);
}

pub(crate) async fn clashes_are_those_of_names_looks_and_addresses(store: &Arc<dyn Store>) {
    user(store, "mary").await;
    let clash = |name, look, email| Clashes { name, look, email };
    for (name, email, clashes) in [
        ("mary", "MARY@example.com", clash(true, true, true)),
        ("rnary", "", clash(false, true, false)),
        ("MARY", "mary@example.org", clash(false, true, false)),
        ("eve", "mary@example.com", clash(false, false, true)),
        ("", "", clash(false, false, false)),
    ] {
        assert_eq!(store.clashes(name, email).await.unwrap(), clashes, "{name} {email}");
    }
}

pub(crate) async fn an_address_finds_all_who_have_it_now(store: &Arc<dyn Store>) {
    let one = made(admit(store, with_email("one", "It@example.com"), &Terms::default()).await);
    let two = made(admit(store, with_email("two", "iT@example.com"), &Terms::default()).await);
    let found = store.users_by_email("IT@EXAMPLE.com").await.unwrap();
    assert_eq!(found, [one.clone(), two.clone()]);
    let other = UserChange::Email { email: "two@example.com".to_owned(), verified: true };
    let two = store.change_user(two.id, other).await.unwrap().unwrap();
    assert_eq!(store.users_by_email("it@example.com").await.unwrap(), std::slice::from_ref(&one));
    assert_eq!(store.users_by_email("two@example.com").await.unwrap(), std::slice::from_ref(&two));
    assert!(store.delete_user(one.id).await.unwrap());
    assert_eq!(store.users_by_email("it@example.com").await.unwrap(), []);
    assert_eq!(store.clashes("one", "it@example.com").await.unwrap(), Clashes::default());
    let none = UserChange::Email { email: String::new(), verified: false };
    store.change_user(two.id, none).await.unwrap().unwrap();
    assert_eq!(store.users_by_email("two@example.com").await.unwrap(), []);
    assert_eq!(store.users_by_email("").await.unwrap(), []);
}

pub(crate) async fn of_many_with_one_invitation_one_is_made(store: &Arc<dyn Store>) {
    invite(store, new_invitation(1)).await;
    let outcomes = at_once(store, 32, |store, number| async move {
        store.admit_user(new_user(&format!("u{number}")), invited(1)).await.unwrap()
    })
    .await;
    let mut created = outcomes.iter().filter(|o| matches!(o, Admission::Created(_)));
    let (Some(Admission::Created(user)), None) = (created.next(), created.next()) else {
        panic!("{outcomes:?}")
    };
    assert_eq!(user.roles, ["editor"]);
    assert_eq!(outcomes.iter().filter(|o| **o == Admission::NotInvited).count(), 31);
    assert_eq!(store.users(None, 100).await.unwrap().len(), 1);
    assert_eq!(store.invitation([1; 32]).await.unwrap(), None);
    assert_eq!(store.invitations(None, 9).await.unwrap(), []);
}

pub(crate) async fn an_invitation_is_used_as_often_as_it_says(store: &Arc<dyn Store>) {
    invite(store, NewInvitation { uses: uses(5), ..new_invitation(1) }).await;
    let outcomes = at_once(store, 32, |store, number| async move {
        store.admit_user(new_user(&format!("u{number}")), invited(1)).await.unwrap()
    })
    .await;
    let created = outcomes.iter().filter(|o| matches!(o, Admission::Created(_))).count();
    assert_eq!(created, 5);
}

pub(crate) async fn who_is_not_made_uses_nothing_up(store: &Arc<dyn Store>) {
    user(store, "ada").await;
    let kept = invite(store, new_invitation(1)).await;
    let terms = Terms { unique_email: true, distinct_looks: true, ..invited(1) };
    let address = "ada@example.com";
    for (new, outcome) in [
        (with_email("ada", ""), Admission::NameTaken),
        (with_email("ADA", ""), Admission::NameAlike),
        (with_email("bob", address), Admission::EmailTaken),
    ] {
        assert_eq!(admit(store, new, &terms).await, outcome);
        assert_eq!(store.invitation([1; 32]).await.unwrap().as_ref(), Some(&kept));
    }
    made(admit(store, new_user("bob"), &terms).await);
}

pub(crate) async fn an_invitation_is_good_for_its_address_and_time(store: &Arc<dyn Store>) {
    let email = "Bob@example.com".to_owned();
    invite(store, NewInvitation { email, ..new_invitation(1) }).await;
    for (new, terms) in [
        (with_email("bob", "eve@example.com"), invited(1)),
        (with_email("bob", ""), invited(1)),
        (with_email("bob", "bob@example.com"), invited(2)),
        (NewUser { created: at(60), ..with_email("bob", "bob@example.com") }, invited(1)),
    ] {
        assert_eq!(admit(store, new, &terms).await, Admission::NotInvited);
    }
    let last = NewUser { created: at(59), ..with_email("bob", "bOB@example.com") };
    let roles =
        made(admit(store, NewUser { roles: vec!["a".to_owned()], ..last }, &invited(1)).await);
    assert_eq!(roles.roles, ["a", "editor"]);
}

pub(crate) async fn invitations_are_listed_and_taken_back(store: &Arc<dyn Store>) {
    let mut all = Vec::new();
    for hash in 1..=3 {
        all.push(invite(store, new_invitation(hash)).await);
    }
    assert_eq!(store.invitations(None, 9).await.unwrap(), all);
    assert_eq!(store.invitations(Some(all[0].id), 1).await.unwrap(), [all[1].clone()]);
    assert!(store.remove_invitation(all[1].id).await.unwrap());
    assert!(!store.remove_invitation(all[1].id).await.unwrap());
    assert_eq!(admit(store, new_user("x"), &invited(2)).await, Admission::NotInvited);
    // One that was drawn twice changes nothing.
    assert!(store.add_invitation(new_invitation(1)).await.is_err());
    // Those that have expired go when another one is made, and numbers never come back.
    let later = NewInvitation { created: at(60), expires: at(90), ..new_invitation(4) };
    let last = invite(store, later).await;
    assert!(last.id > all[2].id);
    assert_eq!(store.invitations(None, 9).await.unwrap(), [last]);
    assert_eq!(store.invitation([3; 32]).await.unwrap(), None);
}
