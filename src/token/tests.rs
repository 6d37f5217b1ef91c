use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::keys::{Algorithm, JwkSet, KeyRing, KeySettings, KeySource};
use crate::secret::Secret;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const OURS: &str = "our-own-signing-key-of-32-bytes-or-more";
const THEIRS: &str = "their-own-signing-key-of-32-bytes-or-more";

fn ring(secret: &str) -> Arc<KeyRing> {
    let source = KeySource::Shared(Secret::from(secret.to_owned()));
    let ring = "unused.keys".into();
    let settings = KeySettings { algorithm: Algorithm::Hs256, source, previous: Vec::new(), ring };
    Arc::new(KeyRing::ephemeral(settings, NOW).unwrap())
}

fn issuer() -> IssuerSettings {
    let key = json!({"keys": [{"kty": "oct", "kid": "k1", "k": URL_SAFE_NO_PAD.encode(THEIRS)}]});
    IssuerSettings {
        name: "corp".into(),
        issuer: "https://id.test".to_owned(),
        audience: "gate".to_owned(),
        keys: JwkSet::parse(&key.to_string()).unwrap().into(),
        algorithms: vec![Algorithm::Hs256],
        claims: BTreeMap::new(),
        roles: BTreeMap::new(),
        roles_claim: "roles".to_owned(),
        leeway: Duration::from_secs(30),
    }
}

fn verifier() -> Verifier {
    Verifier::new(ring(OURS), TokenSettings::default(), vec![issuer()])
}

fn sign(secret: &str, header: &Value, payload: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(&header.to_string()), part(payload));
    ring(secret).sign(|_, _| message).unwrap()
}

fn head() -> Value {
    json!({"alg": "HS256", "typ": "JWT"})
}

fn payload() -> Value {
    let now = NOW.as_secs();
    json!({"token_type": "access", "exp": now + 60, "iat": now, "jti": "a", "user_id": "1"})
}

fn verdict(token: &str) -> Result<Verified, TokenError> {
    verifier().verify(token.as_bytes(), NOW)
}

fn with(name: &str, value: Value) -> String {
    let mut changed = payload();
    changed[name] = value;
    sign(OURS, &head(), &changed.to_string())
}

#[test]
fn a_token_of_ours_says_what_was_put_into_it() {
    let settings = TokenSettings { issuer: Some("us".into()), ..TokenSettings::default() };
    let keys = ring(OURS);
    let session = SessionId { number: 4, tag: 5 };
    let roles = ["admin".to_owned()];
    let token = Signer::new(Arc::clone(&keys), settings.clone())
        .sign(&Grant {
            kind: TokenKind::Access,
            id: "id",
            user: UserId(7),
            session,
            authenticated: Some(NOW),
            issued: NOW,
            expires: NOW.plus(Duration::from_secs(60)),
            refresh_expires: None,
            second: None,
            profile: Some(Profile { username: "ada", email: "", roles: &roles }),
        })
        .unwrap();
    let claims =
        Verifier::new(keys, settings, Vec::new()).verify(token.as_bytes(), NOW).unwrap().claims;
    assert_eq!(claims.user(), Ok(UserId(7)));
    assert_eq!(claims.session(), Ok(Some(session)));
    assert_eq!(claims.id(), Ok("id"));
    assert_eq!(claims.kind(&[TokenKind::Refresh, TokenKind::Access]), Ok(TokenKind::Access));
    assert_eq!(claims.kind(&[TokenKind::Refresh]), Err(TokenError::WrongType));
    assert_eq!(claims.get("user_id"), Some(&json!("7")));
    assert_eq!(claims.get("roles"), Some(&json!(["admin"])));
}

#[test]
fn headers_that_change_the_reading_are_refused() {
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": "RS256"}),
        json!({"alg": null}),
        json!({}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": "HS256", "b64": false}),
        json!({"alg": "HS256", "cty": "JWT"}),
        json!({"alg": "HS256", "typ": "JWE"}),
        json!({"alg": "HS256", "typ": 5}),
        json!({"alg": "HS256", "kid": 5}),
        json!({"alg": "HS256", "kid": "../../dev/null"}),
    ] {
        let token = sign(OURS, &header, &payload().to_string());
        assert_eq!(verdict(&token).unwrap_err(), TokenError::Invalid, "{header}");
    }
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(THEIRS)});
    let header = json!({"alg": "HS256", "jwk": jwk, "jku": "http://evil.test", "x5u": "x"});
    let forged = sign(THEIRS, &header, &payload().to_string());
    assert_eq!(verdict(&forged).unwrap_err(), TokenError::Invalid, "a key from the token");
}

#[test]
fn claims_are_checked_by_type_and_value() {
    let far = 10_u64.pow(11);
    for (name, value, error) in [
        ("exp", json!(0), TokenError::Expired),
        ("exp", json!(NOW.as_secs()), TokenError::Expired),
        ("exp", json!(1.5), TokenError::Expired),
        ("exp", json!(-1), TokenError::Expired),
        ("exp", json!(null), TokenError::Invalid),
        ("exp", json!("9999999999"), TokenError::Invalid),
        ("exp", json!([]), TokenError::Invalid),
        ("exp", json!({}), TokenError::Invalid),
        ("exp", json!(true), TokenError::Invalid),
        ("nbf", json!(far), TokenError::Invalid),
        ("nbf", json!("0"), TokenError::Invalid),
        ("iat", json!(far), TokenError::Invalid),
        ("iat", json!("now"), TokenError::Invalid),
        ("jti", json!(5), TokenError::Invalid),
        ("jti", json!(null), TokenError::Invalid),
        ("sub", json!(5), TokenError::Invalid),
    ] {
        assert_eq!(verdict(&with(name, value.clone())).unwrap_err(), error, "{name} {value}");
    }
    for (name, value) in [
        ("exp", json!(u64::MAX)),
        ("exp", json!(1.0e300)),
        ("nbf", json!(0)),
        ("iat", json!(1.5)),
        ("iss", json!("someone")),
        ("aud", json!(["x"])),
    ] {
        verdict(&with(name, value.clone()))
            .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
    }
}

#[test]
fn a_user_has_one_spelling() {
    for (value, user) in [
        (json!("1"), Ok(UserId(1))),
        (json!(1), Ok(UserId(1))),
        (json!("01"), Err(TokenError::UnknownUser)),
        (json!("abc"), Err(TokenError::UnknownUser)),
        (json!(1.5), Err(TokenError::UnknownUser)),
        (json!(-1), Err(TokenError::UnknownUser)),
        (json!(""), Err(TokenError::NoUser)),
        (json!(null), Err(TokenError::NoUser)),
        (json!([1]), Err(TokenError::NoUser)),
    ] {
        let claims = verdict(&with("user_id", value.clone())).unwrap().claims;
        assert_eq!(claims.user(), user, "{value}");
    }
}

#[test]
fn issuer_and_audience_are_required_once_they_are_set() {
    let settings = TokenSettings {
        issuer: Some("us".to_owned()),
        audience: Some("app".to_owned()),
        ..TokenSettings::default()
    };
    let verifier = Verifier::new(ring(OURS), settings, Vec::new());
    for (iss, aud, good) in [
        (json!("us"), json!("app"), true),
        (json!("us"), json!(["x", "app"]), true),
        (json!("us"), json!(["x", "apps"]), false),
        (json!("us"), json!([]), false),
        (json!("us"), json!(null), false),
        (json!("us"), json!("apps"), false),
        (json!("us"), json!({"app": 1}), false),
        (json!("us"), json!(["app", 5]), false),
        (json!(["us"]), json!("app"), false),
        (json!("them"), json!("app"), false),
    ] {
        let mut changed = payload();
        changed["iss"] = iss.clone();
        changed["aud"] = aud.clone();
        let token = sign(OURS, &head(), &changed.to_string());
        assert_eq!(verifier.verify(token.as_bytes(), NOW).is_ok(), good, "{iss} {aud}");
    }
    let bare = sign(OURS, &head(), &payload().to_string());
    assert!(verifier.verify(bare.as_bytes(), NOW).is_err());
}

#[test]
fn an_issuers_token_is_judged_by_its_entry_alone() {
    let theirs = |key: &str, change: &dyn Fn(&mut Value)| {
        let mut token = json!({
            "iss": "https://id.test", "aud": "gate", "sub": "ada", "exp": NOW.as_secs() + 60,
        });
        change(&mut token);
        sign(key, &head(), &token.to_string())
    };
    let good = verdict(&theirs(THEIRS, &|_| {})).unwrap();
    assert!(matches!(good.origin, Origin::Issuer(entry) if &*entry.name == "corp"));
    let late = theirs(THEIRS, &|token| token["exp"] = json!(NOW.as_secs() - 29));
    verdict(&late).unwrap();
    for (what, token) in [
        ("our key for their name", theirs(OURS, &|_| {})),
        ("another audience", theirs(THEIRS, &|token| token["aud"] = json!("other"))),
        ("their key for our name", theirs(THEIRS, &|token| token["iss"] = json!("us"))),
        ("their key for no name", theirs(THEIRS, &|token| token["iss"] = json!(null))),
    ] {
        assert_eq!(verdict(&token).unwrap_err(), TokenError::Invalid, "{what}");
    }
    let endless = theirs(THEIRS, &|token| {
        token.as_object_mut().unwrap().remove("exp");
    });
    assert_eq!(verdict(&endless).unwrap_err(), TokenError::NoExpiry);
}

#[test]
fn a_token_has_one_spelling() {
    let token = sign(OURS, &head(), &payload().to_string());
    verdict(&token).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{token}="),
        format!("{token}."),
        format!(".{token}"),
        format!(" {token}"),
        format!("{message}. {signature}"),
        format!("{message}.{signature}\0"),
        format!("{message}."),
        message.to_owned(),
        token.replace('.', ".."),
        String::new(),
        "..".to_owned(),
    ] {
        assert_eq!(verdict(&other).unwrap_err(), TokenError::Invalid, "{other:?}");
    }
    let twice = r#"{"token_type":"access","exp":9999999999,"exp":1,"jti":"a","user_id":"1"}"#;
    assert_eq!(verdict(&sign(OURS, &head(), twice)).unwrap_err(), TokenError::Invalid);
}

#[test]
fn a_cached_token_dies_with_its_time_and_with_every_change_of_its_user() {
    let (cache, revisions) = (TokenCache::default(), Revisions::default());
    let revision = revisions.of(UserId(1));
    let expires = NOW.plus(Duration::from_secs(1));
    let entry = Entry { value: Arc::new("ada"), revision, expires };
    cache.insert(b"token", entry.clone());
    assert_eq!(cache.get(b"token", &revisions, NOW).as_deref(), Some(&"ada"));
    assert_eq!(cache.get(b"toke", &revisions, NOW), None);
    assert_eq!(cache.get(b"token", &revisions, expires), None);
    cache.insert(b"token", entry.clone());
    revisions.bump(UserId(2));
    assert!(cache.get(b"token", &revisions, NOW).is_some(), "another user's change");
    revisions.bump(UserId(1));
    assert_eq!(cache.get(b"token", &revisions, NOW), None);
    // Learnt before the change, remembered after it.
    cache.insert(b"token", entry);
    assert_eq!(cache.get(b"token", &revisions, NOW), None);
}

#[test]
fn tokens_are_remembered_by_their_length() {
    let (cache, revisions) = (TokenCache::default(), Revisions::default());
    let expires = NOW.plus(Duration::from_secs(1));
    // Twice as much as there is room for.
    let token = |number: u32| number.to_be_bytes().repeat(8 * 1024);
    let tokens: Vec<_> = (0..4096).map(token).collect();
    for token in &tokens {
        let entry = Entry { value: Arc::new(()), revision: revisions.of(UserId(1)), expires };
        cache.insert(token, entry);
    }
    let known = |cache: &TokenCache<()>| {
        tokens.iter().filter(|token| cache.get(token, &revisions, NOW).is_some()).count()
    };
    assert!((1..=2048).contains(&known(&cache)), "{}", known(&cache));
    // And in as much as the operator says.
    let small = TokenCache::new(1 << 20);
    for token in &tokens {
        let entry = Entry { value: Arc::new(()), revision: revisions.of(UserId(1)), expires };
        small.insert(token, entry);
    }
    assert!((1..=32).contains(&known(&small)), "{}", known(&small));
}

proptest! {
    /// Any one bit of a token flipped, and it is no token of ours.
    #[test]
    fn no_bit_may_be_flipped(position in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut token = sign(OURS, &head(), &payload().to_string()).into_bytes();
        let at = position.index(token.len());
        token[at] ^= 1 << bit;
        prop_assert!(verifier().verify(&token, NOW).is_err());
    }

    /// Whatever the bytes, the answer is a refusal and not a panic.
    #[test]
    fn no_bytes_are_a_token(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verifier().verify(&bytes, NOW).is_err());
        let dotted: Vec<u8> = bytes.iter().map(|b| if b % 7 == 0 { b'.' } else { b'A' + b % 26 }).collect();
        prop_assert!(verifier().verify(&dotted, NOW).is_err());
    }
}

mod published;
mod signed_identity;
mod vectors;
