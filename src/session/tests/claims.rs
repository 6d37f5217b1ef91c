//! What a token says has to fit what the store knows, though its signature is good.

use serde_json::{Value, json};

use super::super::foreign::foreign_identity;
use super::*;
use crate::keys::JwkSet;
use crate::token::IssuerSettings;

/// Another issuer, whose tokens are signed as ours are.
pub(super) fn corp() -> IssuerSettings {
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";
    let keys = json!({ "keys": [{ "kty": "oct", "kid": "k1", "k": secret }] });
    let keys = JwkSet::parse(&keys.to_string()).unwrap();
    let issuer = IssuerSettings::new("corp", "https://id.test", "gate", keys);
    IssuerSettings { algorithms: vec![Algorithm::Hs256], ..issuer }
}

impl World {
    /// A token by which [`corp`] vouches for somebody.
    pub(super) fn of_corp(&self, name: &str) -> String {
        self.signed(&json!({
            "iss": "https://id.test", "aud": "gate", "sub": name, "preferred_username": name,
            "exp": self.clock.now().as_secs() + 60,
        }))
    }
}

/// The claims of an access token of that session.
fn of_session(world: &World, user: UserId, session: SessionId) -> Value {
    let now = world.clock.now().as_secs();
    json!({
        "token_type": "access", "exp": now + 60, "iat": now, "jti": "a",
        "user_id": user.to_string(), "sid": session.to_string(),
    })
}

#[tokio::test]
async fn a_session_is_its_users_and_has_one_name() {
    let world = world(rotating(10));
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let session = caller.identity.session.unwrap();
    let other = SessionId { tag: session.tag ^ 1, ..session };
    for (user, session, code) in [
        (ada.id, session, "good"),
        (eve.id, session, "session_ended"),
        (ada.id, other, "session_ended"),
    ] {
        let token = world.signed(&of_session(&world, user, session));
        assert_eq!(world.code(&token).await, code, "{user} {session}");
    }
}

#[tokio::test]
async fn a_token_without_an_id_opens_nothing_though_its_session_lives() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let mut claims = of_session(&world, ada.id, caller.identity.session.unwrap());
    claims.as_object_mut().unwrap().remove("jti");
    let refused = world.open(&world.signed(&claims)).await.unwrap_err();
    assert!(matches!(refused, AuthError::Token(TokenError::NoId)), "{refused}");
}

#[tokio::test]
async fn an_address_is_verified_only_where_its_issuer_says_so() {
    let world = world(rotating(10));
    let issuer = corp();
    for (said, verified) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("True"), false),
        (json!(1), false),
        (json!(["true"]), false),
        (json!(null), false),
    ] {
        let token = world.signed(&json!({
            "exp": world.clock.now().as_secs() + 60, "sub": "ada", "email": "ada@corp.test",
            "email_verified": said,
        }));
        let claims = world.sessions.own_claims(&token, world.clock.now()).unwrap();
        let identity = foreign_identity(&issuer, &claims).unwrap();
        assert_eq!(identity.email.as_deref(), Some("ada@corp.test"));
        assert_eq!((identity.email_verified, &*identity.user_id), (verified, "corp:ada"), "{said}");
    }
}

/// Those of sessions here, and those that were made elsewhere: told what is missing first, in the order
/// of the original.
#[tokio::test]
async fn a_token_buys_nothing_without_an_end_an_id_and_a_kind() {
    let world = world(SessionSettings { rotation: false, ..rotating(10) });
    let ada = world.user("ada").await;
    let caller = world.open(&world.log_in(&ada).await.access).await.unwrap();
    let mut ours = of_session(&world, ada.id, caller.identity.session.unwrap());
    ours["token_type"] = json!("refresh");
    let mut theirs = ours.clone();
    theirs.as_object_mut().unwrap().remove("sid");
    let missing = [
        ("exp", TokenError::NoExpiry),
        ("jti", TokenError::NoId),
        ("token_type", TokenError::NoType),
    ];
    for whole in [&ours, &theirs] {
        for (at, (_, error)) in missing.iter().enumerate() {
            let mut claims = whole.clone();
            for (name, _) in &missing[at..] {
                claims.as_object_mut().unwrap().remove(*name);
            }
            let token = world.signed(&claims);
            for refused in [
                world.sessions.refresh(&token).await.map(drop),
                world.sessions.refresh_sliding(&token).await.map(drop),
                world.sessions.check(&token).await,
                world.sessions.blacklist(&token).await,
            ] {
                let refused = refused.unwrap_err();
                assert!(matches!(refused, AuthError::Token(found) if found == *error), "{refused}");
            }
        }
    }
    assert!(world.sessions.refresh(&world.signed(&theirs)).await.is_ok());
}

#[tokio::test]
async fn roles_of_theirs_that_are_one_of_ours_are_granted_once() {
    let world = world(rotating(10));
    let mut issuer = corp();
    for (theirs, ours) in [("writers", "editor"), ("authors", "editor"), ("staff", "admin")] {
        issuer.roles.insert(theirs.to_owned(), ours.to_owned());
    }
    let token = world.signed(&json!({
        "exp": world.clock.now().as_secs() + 60, "sub": "ada",
        "roles": ["writers", "staff", "authors", "others"],
    }));
    let claims = world.sessions.own_claims(&token, world.clock.now()).unwrap();
    assert_eq!(foreign_identity(&issuer, &claims).unwrap().roles, ["admin", "editor"]);
}

#[tokio::test]
async fn of_spent_tokens_the_last_alone_is_forgiven() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let first = world.log_in(&ada).await.refresh;
    let second = world.sessions.refresh(&first).await.unwrap().refresh.unwrap();
    assert!(world.sessions.check(&first).await.is_ok());
    world.clock.advance(Duration::from_secs(10));
    let third = world.sessions.refresh(&second).await.unwrap().refresh.unwrap();
    let refused = world.sessions.check(&first).await.unwrap_err();
    assert!(matches!(refused, AuthError::Revoked), "{refused}");
    for good in [second, third] {
        assert!(world.sessions.check(&good).await.is_ok());
    }
}
