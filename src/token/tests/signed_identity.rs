//! What a user's claims may say in a token for an upstream.

use super::*;
use crate::identity::Claim;

/// The claims of a token whose user has some that are none of a user's to say.
fn told(settings: TokenSettings) -> Value {
    let bound =
        Bound { upstream: "shop", method: "GET", host: "shop.test", path: "/", request_id: "r1" };
    let names = ["nbf", "jti", "iss", "aud", "exp", "sub", "path", "token_type"];
    let claims = names.map(|name| (name, Claim::Text("theirs".to_owned())));
    let claims = claims.into_iter().chain([("tenant", Claim::Text("acme".to_owned()))]);
    let token = Signer::new(ring(OURS), settings).sign_identity(&bound, "7", claims, NOW).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn no_claim_of_a_user_is_read_as_one_of_the_token() {
    let (us, public) = (Some("us".to_owned()), Some("https://app.test".to_owned()));
    for (issuer, public, iss) in [
        (None, None, None),
        (us.clone(), None, Some("us")),
        (None, public.clone(), Some("https://app.test")),
        (us, public, Some("us")),
    ] {
        let told = told(TokenSettings { issuer, public, ..TokenSettings::default() });
        assert_eq!(told.get("iss").and_then(Value::as_str), iss);
        assert_eq!((told.get("nbf"), told.get("jti")), (None, None));
        for (name, value) in [
            ("aud", json!("shop")),
            ("sub", json!("7")),
            ("exp", json!(NOW.as_secs() + 30)),
            ("path", json!("/")),
            ("token_type", json!("identity")),
            ("tenant", json!("acme")),
        ] {
            assert_eq!(told[name], value, "{name}");
        }
    }
}

#[test]
fn a_key_is_kept_for_the_latest_token_that_it_has_signed() {
    let (keys, session) = (ring(OURS), SessionId { number: 4, tag: 5 });
    let signer = Signer::new(Arc::clone(&keys), TokenSettings::default());
    let grant = |issued| Grant {
        kind: TokenKind::Access,
        id: "id",
        user: UserId(7),
        session,
        authenticated: Some(NOW),
        issued,
        expires: NOW.plus(Duration::from_secs(60)),
        refresh_expires: None,
        second: None,
        profile: None,
    };
    let latest = NOW.plus(Duration::from_secs(9));
    for issued in [NOW, latest, NOW] {
        signer.sign(&grant(issued)).unwrap();
    }
    assert_eq!(keys.last_issued(), latest);
}
