//! Who meets which rule, and what is said of a wrong one.

use std::collections::BTreeMap;

use super::*;

fn alice() -> Identity {
    Identity {
        user_id: "1".into(),
        username: "alice".into(),
        email: Some("alice@a.test".into()),
        email_verified: true,
        roles: vec!["admin".into()],
        claims: BTreeMap::from([
            ("tenant".into(), Claim::Text("acme".into())),
            ("groups".into(), Claim::List(vec!["x".into(), "y".into()])),
        ]),
        session: None,
        issuer: None,
        amr: Vec::new(),
    }
}

fn verdict(rule: &str, identity: &Identity) -> Verdict {
    authorize(&Allow::parse_rule(rule).unwrap(), Some(identity), None)
}

#[test]
fn a_rule_is_met_by_all_of_its_terms() {
    for rule in [
        "anyone",
        "user",
        "role:admin",
        "user:alice",
        "user:ａｌｉｃｅ",
        "claim:tenant=acme",
        "claim:groups=y",
        "claim:roles=admin",
        "claim:email=alice@a.test",
        "role:admin & claim:tenant=acme",
    ] {
        assert_eq!(verdict(rule, &alice()), Verdict::Allowed, "{rule}");
    }
    for rule in [
        "role:adm",
        "user:Alice",
        "claim:tenant=acm",
        "claim:groups=z",
        "claim:groups=x,y",
        "claim:missing=x",
        "role:admin & claim:tenant=other",
    ] {
        assert_eq!(verdict(rule, &alice()), Verdict::Forbidden, "{rule}");
    }
}

#[test]
fn nobody_is_let_through_where_somebody_is_demanded() {
    assert_eq!(authorize(&Allow::Anyone, None, None), Verdict::Allowed);
    assert_eq!(authorize(&Allow::user(), None, None), Verdict::NeedsIdentity);
    for nobody in [Allow::Rules(vec![]), Allow::Rules(vec![vec![]])] {
        assert_eq!(authorize(&nobody, None, None), Verdict::NeedsIdentity);
        assert_eq!(authorize(&nobody, Some(&alice()), None), Verdict::Forbidden);
    }
}

#[test]
fn a_certificate_is_one_more_way_in_and_one_more_demand() {
    let allow = |rules: &[&str]| {
        Allow::any_of(rules.iter().map(|rule| Allow::parse_rule(rule).unwrap())).unwrap()
    };
    let billing = ClientCertificate::named(vec!["billing".into()]);
    let (alice, shown) = (alice(), Some(&billing));
    let either = allow(&["cert:billing", "role:admin"]);
    assert_eq!(either.to_string(), "cert:billing, role:admin");
    assert_eq!(authorize(&either, None, shown), Verdict::Allowed);
    assert_eq!(authorize(&either, Some(&alice), None), Verdict::Allowed);
    assert_eq!(authorize(&either, None, None), Verdict::NeedsIdentity);
    let both = allow(&["cert:billing & role:admin"]);
    assert_eq!(authorize(&both, Some(&alice), shown), Verdict::Allowed);
    assert_eq!(authorize(&both, None, shown), Verdict::NeedsIdentity);
    assert_eq!(authorize(&both, Some(&alice), None), Verdict::Forbidden);
    assert_eq!(authorize(&both, None, None), Verdict::Forbidden);
    for other in ["cert:Billing", "cert:billin", "cert:billing2"] {
        assert_eq!(authorize(&allow(&[other]), None, shown), Verdict::Forbidden, "{other}");
        assert_eq!(authorize(&allow(&[other]), Some(&alice), shown), Verdict::Forbidden);
    }
    // A certificate is nobody's account.
    assert_eq!(authorize(&allow(&["user"]), None, shown), Verdict::NeedsIdentity);
    assert!(both.asks_for_certificate() && !allow(&["user"]).asks_for_certificate());
}

#[test]
fn who_lacks_nothing_but_a_second_factor_is_told_so() {
    let shown = Identity { amr: ["pwd", "otp", "mfa"].map(Into::into).to_vec(), ..alice() };
    let other = Identity { amr: ["pwd", "mfax"].map(Into::into).to_vec(), ..alice() };
    for (rule, met) in [
        ("mfa", Verdict::NeedsFactor),
        ("role:admin & mfa", Verdict::NeedsFactor),
        ("mfa & user:alice & mfa", Verdict::NeedsFactor),
    ] {
        assert_eq!(verdict(rule, &alice()), met, "{rule}");
        assert_eq!(verdict(rule, &other), met, "{rule}");
        assert_eq!(verdict(rule, &shown), Verdict::Allowed, "{rule}");
        let allow = Allow::parse_rule(rule).unwrap();
        assert_eq!(authorize(&allow, None, None), Verdict::NeedsIdentity, "{rule}");
    }
    // It would not help.
    for rule in ["role:other & mfa", "cert:billing & mfa", "role:other"] {
        assert_eq!(verdict(rule, &alice()), Verdict::Forbidden, "{rule}");
        assert_eq!(verdict(rule, &shown), Verdict::Forbidden, "{rule}");
    }
    let rules = ["role:other", "role:admin & mfa"];
    let either = Allow::any_of(rules.map(|rule| Allow::parse_rule(rule).unwrap())).unwrap();
    assert_eq!(either.to_string(), "role:other, role:admin & mfa");
    assert_eq!(authorize(&either, Some(&alice()), None), Verdict::NeedsFactor);
    assert_eq!(authorize(&either, Some(&shown), None), Verdict::Allowed);
    // A certificate is none, and neither is a claim that an operator has set.
    let set = BTreeMap::from([("amr".into(), Claim::List(vec!["mfa".into()]))]);
    let set = Identity { claims: set, ..alice() };
    assert_eq!(verdict("mfa", &set), Verdict::NeedsFactor);
    assert_eq!(verdict("claim:amr=mfa", &set), Verdict::Forbidden);
    assert_eq!(verdict("claim:amr=mfa", &shown), Verdict::Allowed);
    assert_eq!(verdict("claim:acr=mfa", &shown), Verdict::Allowed);
}

#[test]
fn a_foreign_namesake_is_not_our_user() {
    let foreign = Identity { issuer: Some("corp".into()), ..alice() };
    assert_eq!(verdict("user:alice", &foreign), Verdict::Forbidden);
    assert_eq!(verdict("role:admin", &foreign), Verdict::Allowed);
}

#[test]
fn an_unverified_address_meets_no_rule() {
    let unverified = Identity { email_verified: false, ..alice() };
    assert_eq!(verdict("claim:email=alice@a.test", &unverified), Verdict::Forbidden);
}

#[test]
fn any_of_several_rules_is_enough() {
    let rules = ["role:nobody", "role:analyst & user", "claim:tenant=acme"];
    let allow = Allow::any_of(rules.map(|rule| Allow::parse_rule(rule).unwrap())).unwrap();
    assert_eq!(authorize(&allow, Some(&alice()), None), Verdict::Allowed);
    assert_eq!(allow.to_string(), "role:nobody, role:analyst & user, claim:tenant=acme");
    assert_eq!(Allow::any_of([Allow::Anyone]), Ok(Allow::Anyone));
    assert_eq!(Allow::any_of([]), Err(RuleError::Empty));
    for mixed in [[Allow::user(), Allow::Anyone], [Allow::Anyone, Allow::user()]] {
        assert_eq!(Allow::any_of(mixed), Err(RuleError::AnyoneStandsAlone));
    }
}

#[test]
fn the_names_in_rules_are_known() {
    let rules = ["user:bob & role:x", "user", "user:ａlice"];
    let allow = Allow::any_of(rules.map(|rule| Allow::parse_rule(rule).unwrap())).unwrap();
    assert_eq!(allow.user_names().collect::<Vec<_>>(), ["bob", "alice"]);
}

#[test]
fn a_wrong_rule_is_told_what_to_write() {
    let unknown = "is no rule; write `anyone`, `user`, `role:x`, `user:name`, \
                   `claim:name=value`, `cert:name` or `mfa`";
    for (rule, message) in [
        ("admin", &*format!("`admin` {unknown}")),
        ("User", &format!("`User` {unknown}")),
        ("group:x", &format!("`group:x` {unknown}")),
        ("user:", &format!("`user:` {unknown}")),
        ("cert:", &format!("`cert:` {unknown}")),
        ("", "empty rule; write \"user\" for every authenticated caller"),
        ("user &", "empty rule; write \"user\" for every authenticated caller"),
        ("anyone & user", "`anyone` stands alone; leave out the rest, or `anyone`"),
        ("!role:x", "`!role:x`: there is no negation; name who is allowed"),
        ("not role:x", "`not role:x`: there is no negation; name who is allowed"),
        ("claim:=x", "`claim:=x` lacks a name or a value; write `claim:name=value`"),
        ("claim:username=", "`claim:username=` lacks a name or a value; write `claim:name=value`"),
        (
            "role:Admin",
            "`Admin` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`",
        ),
        ("claim:x", "`claim:x` lacks a name or a value; write `claim:name=value`"),
        ("claim:x=", "`claim:x=` lacks a name or a value; write `claim:name=value`"),
        (
            "claim:username=alice",
            "`claim:username=alice`: other issuers may give that name to anybody; write \
             `user:alice` for the user of this gateway, or a claim such as `user_id` for \
             somebody else's",
        ),
    ] {
        assert_eq!(Allow::parse_rule(rule).unwrap_err().to_string(), message, "{rule}");
    }
}
