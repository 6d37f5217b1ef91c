//! Which names are ours, in every spelling.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn identity() -> Identity {
    Identity {
        user_id: "7".into(),
        username: "Zoë\r\nX: 1 %".into(),
        email: None,
        email_verified: false,
        roles: vec!["a".into(), "b:c".into()],
        claims: BTreeMap::from([("teams".into(), Claim::List(vec!["x".into(), "y,z".into()]))]),
        session: None,
        issuer: None,
        amr: Vec::new(),
    }
}

fn rendered(table: &IdentityHeaders) -> Vec<(String, String)> {
    let pair = |(name, value): (HeaderName, HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    table.render(&identity()).into_iter().map(pair).collect()
}

#[test]
fn values_are_one_line_of_visible_ascii_and_absent_claims_are_absent() {
    let got = rendered(&IdentityHeaders::default());
    let want = [
        ("x-user-id", "7"),
        ("x-user-name", "Zo%C3%AB%0D%0AX:%201%20%25"),
        ("x-user-roles", "a,b:c"),
        ("x-user-email-verified", "false"),
    ];
    assert_eq!(got, want.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn an_item_with_a_comma_never_becomes_two() {
    let name = HeaderName::from_static("x-teams");
    let table = IdentityHeaders::new([(name, "teams".into())]).unwrap();
    assert_eq!(rendered(&table), [("x-teams".to_owned(), "x".to_owned())]);
}

/// What a token of another issuer calls so is no claim, and nobody's certificate.
#[test]
fn a_word_of_ours_is_no_claim() {
    let words = [("x-cert", CERTIFICATE), ("x-subject", SUBJECT), ("x-signed", SIGNED)];
    let pairs = words.map(|(name, word)| (HeaderName::from_static(name), word.to_owned()));
    let table = IdentityHeaders::new(pairs).unwrap();
    let claims = words.map(|(_, word)| (word.to_owned(), Claim::Text("billing".into())));
    let told = Identity { claims: BTreeMap::from(claims), ..identity() };
    assert!(table.render(&told).is_empty());
    assert_eq!(table.claims(&told).count(), 0);
}

#[test]
fn framing_names_and_twins_are_refused() {
    for name in [
        "host",
        "authorization",
        "te",
        "content_length",
        "x-forwarded-for",
        "cookie",
        "x-request-id",
        "x_real_ip",
        "keep-alive",
        "proxy-connection",
    ] {
        let name: HeaderName = name.parse().unwrap();
        let made = IdentityHeaders::new([(name.clone(), "user_id".into())]);
        assert_eq!(made.unwrap_err(), IdentityHeaderError::Reserved(name));
    }
    let (a, b) = ("x-who".parse::<HeaderName>(), "x_who".parse::<HeaderName>());
    let pairs = [(a.unwrap(), "user_id".into()), (b.unwrap(), "email".into())];
    assert!(matches!(IdentityHeaders::new(pairs), Err(IdentityHeaderError::Alike(..))));
}

proptest! {
    /// Whatever spelling a client finds, a name that folds to ours is ours.
    #[test]
    fn every_spelling_of_ours_is_ours(seps in "[-_.!~#]{2}", upper: bool, tail in "[a-z]{0,6}") {
        let mut signs = seps.chars();
        let (a, b) = (signs.next().unwrap(), signs.next().unwrap());
        let mut name = format!("x{a}user{b}{tail}");
        if upper { name = name.to_uppercase() }
        let other = format!("x{a}who");
        let table = IdentityHeaders::new([(HeaderName::from_static("x-who"), "user_id".into())]).unwrap();
        prop_assert!(table.is_ours(&name.parse()?));
        prop_assert!(table.is_ours(&other.parse()?));
        let longer = format!("x{a}who{tail}x");
        prop_assert!(!table.is_ours(&longer.parse()?));
        prop_assert!(!IdentityHeaders::default().is_ours(&HeaderName::from_static("x-username")));
    }
}
