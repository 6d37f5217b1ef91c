//! What is asked of new accounts, addresses and keys, and what moves in and out.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::{Piece, Trial};

const OPEN: AccountRules =
    AccountRules { reserved: Vec::new(), unique_email: false, lookalikes: Lookalikes::Allow };

impl World {
    fn rule(&self, rules: AccountRules) {
        self.accounts.set_rules(Arc::new(Rules::new([], rules, None)));
    }
}

#[tokio::test]
async fn only_what_the_operator_asks_for_keeps_an_account_from_being_made() {
    let world = world(rotating(10));
    let mary = world.user("mary").await;
    let eve = world.user("eve").await;
    let distinct = AccountRules { lookalikes: Lookalikes::Refuse, ..OPEN };
    let unique = AccountRules { unique_email: true, ..OPEN };
    let (taken, alike) = (Some(NameObjection::Taken), Some(NameObjection::Alike));
    for (rules, name, email, objections) in [
        (OPEN, "mary", "new@example.com", (taken, false)),
        (OPEN, "rnary", "mary@example.com", (None, false)),
        (distinct.clone(), "rnary", "mary@example.com", (alike, false)),
        (distinct, "bob", "mary@example.com", (None, false)),
        (unique.clone(), "rnary", "mary@example.com", (None, true)),
        (unique.clone(), "bob", "new@example.com", (None, false)),
    ] {
        world.rule(rules.clone());
        let found = world.accounts.objections(name, email).await.unwrap();
        assert_eq!((found.username, found.email), objections, "{rules:?} {name} {email}");
    }
    for (rules, user, is_taken) in
        [(OPEN, &eve, false), (unique.clone(), &eve, true), (unique, &mary, false)]
    {
        world.rule(rules);
        let found = world.accounts.is_email_taken(user.id, "mary@example.com").await.unwrap();
        assert_eq!(found, is_taken, "{}", user.username);
    }
}

#[test]
fn a_reserved_name_takes_those_that_look_like_it_only_where_such_are_refused() {
    for (lookalikes, reserved) in [(Lookalikes::Allow, false), (Lookalikes::Refuse, true)] {
        let rules = Rules::new(["mary".to_owned()], AccountRules { lookalikes, ..OPEN }, None);
        assert!(rules.reserve("mary") && rules.reserve("MARY") && !rules.reserve("bob"));
        assert_eq!(rules.reserve("rnary"), reserved, "{lookalikes:?}");
    }
}

#[tokio::test]
async fn whoever_remembers_users_hears_of_those_that_come_in() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let whole = world.accounts.whole(None, 9).await.unwrap();
    let seen = world.sessions.revisions.of(ada.id);
    world.accounts.take(whole, Trial::Real).await.unwrap();
    assert!(!world.sessions.revisions.holds(seen));
}

#[tokio::test]
async fn a_copy_has_what_is_stored() {
    let world = world(rotating(10));
    world.user("ada").await;
    let rows = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&rows);
    let sink = move |piece: Piece<'_>| {
        if let Piece::Row { .. } = piece {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    world.accounts.copy_out(Box::new(sink)).await.unwrap();
    assert!(rows.load(Ordering::SeqCst) > 0);
}
