//! Rules on trial: what they would change is told and counted, and nothing else happens.

use std::sync::Arc;

use super::*;

/// A route with a rule on trial, as the only one of a table.
fn on_trial(allow: &str, would_allow: &str) -> Routes {
    let shadow = Shadow::new(Allow::parse_rule(would_allow).unwrap());
    let route = Route { shadow: Some(Arc::new(shadow)), ..route("/x", allow, "a") };
    Routes::new(vec![route], owned()).unwrap()
}

/// What the rule on trial says of a caller, counted.
fn judged(routes: &Routes, who: &str) -> (Verdict, Option<Would>) {
    let Caller { identity, certificate } = Caller::parse(who).unwrap();
    let (identity, certificate) = (identity.as_ref(), certificate.as_ref());
    let route = routes.iter().next().unwrap();
    let verdict = authorize(&route.allow, identity, certificate);
    (verdict, route.shadow.as_ref().unwrap().judge(verdict, identity, certificate))
}

fn counts(routes: &Routes) -> (u64, u64) {
    let shadow = routes.iter().next().unwrap().shadow.clone().unwrap();
    (shadow.would_refuse(), shadow.would_allow())
}

#[test]
fn only_a_difference_is_told_and_counted() {
    let narrower = on_trial("user", "role:editor");
    for (who, told) in [
        ("anyone", (Verdict::NeedsIdentity, None)),
        ("user", (Verdict::Allowed, Some(Would::Refuse))),
        ("role:viewer", (Verdict::Allowed, Some(Would::Refuse))),
        ("role:editor", (Verdict::Allowed, None)),
    ] {
        assert_eq!(judged(&narrower, who), told, "{who}");
    }
    assert_eq!(counts(&narrower), (2, 0));
    let other = on_trial("role:admin", "cert:billing");
    for (who, told) in [
        ("anyone", (Verdict::NeedsIdentity, None)),
        ("user", (Verdict::Forbidden, None)),
        ("cert:billing", (Verdict::NeedsIdentity, Some(Would::Allow))),
        ("cert:billing & user", (Verdict::Forbidden, Some(Would::Allow))),
        ("cert:billing & role:admin", (Verdict::Allowed, None)),
        ("role:admin", (Verdict::Allowed, Some(Would::Refuse))),
    ] {
        assert_eq!(judged(&other, who), told, "{who}");
    }
    assert_eq!(counts(&other), (1, 2));
}

#[test]
fn an_expectation_does_not_hear_of_it() {
    expect(&on_trial("user", "role:editor"), &["user GET /x -> a", "anyone GET /x -> 401"]);
    expect(&on_trial("user", "anyone"), &["anyone GET /x -> 401"]);
}

#[test]
fn what_was_counted_goes_on_with_the_same_rule() {
    let before = on_trial("user", "role:editor");
    judged(&before, "user");
    let same = on_trial("role:viewer", "role:editor").inherit(&before);
    judged(&same, "role:viewer");
    assert_eq!((counts(&before), counts(&same)), ((2, 0), (2, 0)));
    // The route that is found is the one that is listed.
    let path = CanonicalPath::parse("/x").unwrap();
    let Ok(Place::Route(found)) = same.place("", &path, &Method::GET) else { panic!("no route") };
    assert_eq!(found.shadow.as_ref().unwrap().would_refuse(), 2);
    let other = on_trial("user", "role:admin").inherit(&before);
    assert_eq!(counts(&other), (0, 0));
}
