//! What is asked of a token where nothing but public keys is known.

use super::*;

/// Whether it is taken, and who it says it is of.
fn read(
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
    demands: &Demands,
) -> Result<Claims, TokenError> {
    let mut changed = payload();
    change(changed.as_object_mut().unwrap());
    let token = sign(THEIRS, &head(), &changed.to_string());
    PublishedToken::parse(token.as_bytes()).unwrap().claims(demands, NOW)
}

#[test]
fn a_token_has_to_be_whole_wherever_it_is_read() {
    let free = Demands::default();
    read(|_| {}, &free).unwrap();
    for (name, error) in [
        ("exp", TokenError::NoExpiry),
        ("jti", TokenError::NoId),
        ("token_type", TokenError::NoType),
        ("user_id", TokenError::NoUser),
    ] {
        let found = read(|token| drop(token.remove(name)), &free);
        assert_eq!(found.unwrap_err(), error, "{name}");
    }
    for (name, value, error) in [
        ("exp", json!(NOW.as_secs()), TokenError::Expired),
        ("nbf", json!(NOW.as_secs() + 1), TokenError::Invalid),
        ("token_type", json!("refresh"), TokenError::WrongType),
        ("user_id", json!("01"), TokenError::UnknownUser),
        ("sid", json!("none"), TokenError::Invalid),
    ] {
        let found = read(|token| drop(token.insert(name.to_owned(), value)), &free);
        assert_eq!(found.unwrap_err(), error, "{name}");
    }
}

#[test]
fn who_demands_an_issuer_or_an_audience_takes_no_other() {
    let demands = |issuer: Option<&str>, audience: Option<&str>| Demands {
        issuer: issuer.map(str::to_owned),
        audience: audience.map(str::to_owned),
        leeway: Duration::ZERO,
    };
    let (us, app) = (Some("us"), Some("app"));
    for (issuer, audience, iss, aud, good) in [
        (us, app, json!("us"), json!("app"), true),
        (us, app, json!("us"), json!("other"), false),
        (us, app, json!("them"), json!("app"), false),
        (us, None, json!("us"), json!(null), true),
        (us, None, json!("them"), json!(null), false),
        (us, None, json!(null), json!(null), false),
        (None, app, json!(null), json!("app"), true),
        (None, app, json!(null), json!("other"), false),
        (None, app, json!(null), json!(null), false),
    ] {
        let said = format!("{iss} {aud} for {issuer:?} {audience:?}");
        let found = read(
            |token| {
                token.insert("iss".to_owned(), iss);
                token.insert("aud".to_owned(), aud);
            },
            &demands(issuer, audience),
        );
        assert_eq!(found.is_ok(), good, "{said}");
    }
}

#[test]
fn a_published_key_signs_or_it_does_not() {
    let key = json!({"keys": [{"kty": "oct", "kid": "k1", "k": URL_SAFE_NO_PAD.encode(THEIRS)}]});
    let keys = JwkSet::parse(&key.to_string()).unwrap();
    for (secret, good) in [(THEIRS, true), (OURS, false)] {
        let token = sign(secret, &head(), &payload().to_string());
        let token = PublishedToken::parse(token.as_bytes()).unwrap();
        assert_eq!(token.is_signed_by(&keys), good);
    }
}

#[test]
fn a_token_says_how_its_login_was_only_with_a_session_of_ours() {
    let identity = |session: Option<SessionId>, email: &str| {
        let change = |token: &mut serde_json::Map<String, Value>| {
            token.insert("amr".to_owned(), json!(["pwd", "otp"]));
            token.insert("email".to_owned(), json!(email));
            if let Some(session) = session {
                token.insert("sid".to_owned(), json!(session.to_string()));
            }
        };
        read(change, &Demands::default()).unwrap().identity().unwrap()
    };
    let session = SessionId { number: 4, tag: 5 };
    let known = identity(Some(session), "ada@example.com");
    assert_eq!((known.session, known.amr), (Some(session), vec!["pwd".to_owned(), "otp".into()]));
    assert_eq!(known.email.as_deref(), Some("ada@example.com"));
    let foreign = identity(None, "");
    assert_eq!((foreign.session, foreign.amr, foreign.email), (None, Vec::new(), None));
}
