//! A token opens a route only if it is whole, ours, in its time and presented as it should be.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{SECRET, Stage, claims, header, hs256, mint, mint_raw, mint_with, part};

const KEY: &[u8] = SECRET.as_bytes();
const NOW: u64 = 1_800_000_000;

/// An ordinary token of user 1 with one claim otherwise.
fn with(name: &str, value: Value) -> String {
    let mut claims = claims("1");
    claims[name] = value;
    mint(&claims)
}

fn without(name: &str) -> String {
    let mut claims = claims("1");
    claims.as_object_mut().unwrap().remove(name);
    mint(&claims)
}

/// An ordinary token with one header member otherwise.
fn headed(name: &str, value: Value) -> String {
    let mut header = header();
    header[name] = value;
    mint_with(&header, &claims("1"), KEY)
}

/// The payload's text with something put in its beginning.
fn payload_with(text: &str) -> String {
    let payload = claims("1").to_string();
    mint_raw(&header().to_string(), &payload.replacen('{', &format!("{{{text}"), 1), KEY)
}

async fn refuse_all(stage: Stage, tokens: Vec<(&str, String)>) {
    for (id, token) in tokens {
        for path in ["/app/x", "/public/x"] {
            let reply = stage.get_as(path, &token).await;
            assert!(matches!(reply.status, 401 | 400), "{id} {path}: {reply:?}");
            if reply.status == 401 {
                let challenge = "Bearer realm=\"api\", error=\"invalid_token\"";
                assert_eq!(reply.one("www-authenticate"), challenge, "{id}");
            }
            // JWT-error-leak.
            let text = reply.text();
            assert!(!text.contains(SECRET) && !text.contains("src/"), "{id}: {text}");
            assert!(token.len() < 20 || !text.contains(&token), "{id}: {text}");
        }
    }
    // The good one, last: nothing of the above was remembered wrongly.
    assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    assert_eq!(stage.finish().await.len(), 1);
}

#[tokio::test]
async fn no_header_chooses_another_algorithm_or_key() {
    let stage = Stage::start().await;
    let good = claims("1");
    let text = good.to_string();
    let unsigned = |header: &str| format!("{}.{}.", part(header), part(&text));
    let jwk = json!({ "kty": "oct", "k": part(b"chosen by the attacker, 32 bytes and more") });
    let chosen: &[u8] = b"chosen by the attacker, 32 bytes and more";
    let by_attacker = |name: &str, value: Value| {
        let mut header = header();
        header[name] = value;
        mint_with(&header, &good, chosen)
    };
    let tokens = vec![
        ("JWT-alg-None", unsigned(r#"{"alg":"None","typ":"JWT"}"#)),
        ("alg-none", unsigned(r#"{"alg":"none","typ":"JWT"}"#)),
        ("alg-hs-unsigned", unsigned(r#"{"alg":"HS256","typ":"JWT"}"#)),
        ("JWT-alg-none-sig", headed("alg", json!("none"))),
        ("JWT-alg-missing", mint_raw(r#"{"typ":"JWT"}"#, &text, KEY)),
        ("JWT-alg-lower", headed("alg", json!("hs256"))),
        ("alg-null", headed("alg", Value::Null)),
        ("alg-list", headed("alg", json!(["HS256"]))),
        ("alg-hs512", headed("alg", json!("HS512"))),
        ("JWT-alg-rs256-hmac", headed("alg", json!("RS256"))),
        ("alg-es256-hmac", headed("alg", json!("ES256"))),
        ("JWT-alg-dup-none", unsigned(r#"{"alg":"HS256","alg":"none"}"#)),
        ("alg-dup-same", mint_raw(r#"{"alg":"HS256","alg":"HS256"}"#, &text, KEY)),
        ("JWT-key-changeme", mint_with(&header(), &good, b"changeme")),
        ("JWT-key-zeros", mint_with(&header(), &good, &[0; 32])),
        ("key-empty", mint_with(&header(), &good, b"")),
        ("key-secret", mint_with(&header(), &good, b"secret")),
        ("JWT-x5u", by_attacker("x5u", json!("http://127.0.0.1:1/key.pem"))),
        ("jku", by_attacker("jku", json!("http://127.0.0.1:1/jwks.json"))),
        ("jwk", by_attacker("jwk", jwk)),
        ("JWT-kid-sql", by_attacker("kid", json!("x' UNION SELECT 'chosen' --"))),
        ("kid-file", by_attacker("kid", json!("../../../../dev/null"))),
        ("kid-type", headed("kid", json!({"a": 1}))),
        ("JWT-kid-nul", headed("kid", json!("\0\n"))),
        ("kid-other", headed("kid", json!("another"))),
        ("JWT-crit-empty", headed("crit", json!([]))),
        ("crit", headed("crit", json!(["exp"]))),
        ("b64", mint_raw(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#, &text, KEY)),
        ("JWT-typ-jwe", headed("typ", json!("JWE"))),
        ("cty", headed("cty", json!("JWT"))),
        ("zip", by_attacker("zip", json!("DEF"))),
        ("JWT-bom", mint_raw("\u{feff}{\"alg\":\"HS256\"}", &text, KEY)),
        (
            "JWT-jwe-pbes",
            format!("{}.x.x.x.x", part(r#"{"alg":"PBES2-HS256+A128KW","p2c":1000000000}"#)),
        ),
    ];
    refuse_all(stage, tokens).await;
}

#[tokio::test]
async fn every_claim_counts_by_its_type_and_its_value() {
    let stage = Stage::start().await;
    let bob = stage.user("bob", &[]).await;
    stage.gateway.accounts.delete(bob.id).await.unwrap();
    let tokens = vec![
        ("JWT-type-missing", without("token_type")),
        ("JWT-type-sliding", with("token_type", json!("sliding"))),
        ("type-refresh", with("token_type", json!("refresh"))),
        ("type-caps", with("token_type", json!("Access"))),
        ("type-list", with("token_type", json!(["access"]))),
        ("jti-missing", without("jti")),
        ("jti-type", with("jti", json!(1))),
        ("exp-missing", without("exp")),
        ("exp-past", with("exp", json!(NOW - 1000))),
        ("JWT-exp-justpast", with("exp", json!(NOW))),
        ("JWT-exp-null", with("exp", Value::Null)),
        ("exp-text", with("exp", json!((NOW + 600).to_string()))),
        ("exp-list", with("exp", json!([NOW + 600]))),
        ("exp-true", with("exp", json!(true))),
        ("JWT-exp-obj", with("exp", json!({}))),
        ("exp-zero", with("exp", json!(0))),
        ("exp-negative", with("exp", json!(-1))),
        ("JWT-exp-neg64", number_for_exp("-9223372036854775809")),
        ("JWT-dup-exp", payload_with(&format!("\"exp\":{},", NOW + 1000))),
        ("dup-user", payload_with("\"user_id\":\"2\",")),
        ("nbf-future", with("nbf", json!(NOW + 60))),
        ("JWT-nbf-str", with("nbf", json!((NOW + 60).to_string()))),
        ("nbf-null", with("nbf", Value::Null)),
        ("iat-future", with("iat", json!(NOW + 60))),
        ("JWT-iat-str", with("iat", json!("yesterday"))),
        ("uid-missing", without("user_id")),
        ("JWT-uid-null", with("user_id", Value::Null)),
        ("JWT-uid-empty", with("user_id", json!(""))),
        ("uid-list", with("user_id", json!(["1"]))),
        ("uid-obj", with("user_id", json!({"$gt": ""}))),
        ("uid-true", with("user_id", json!(true))),
        ("uid-float", with("user_id", json!(1.5))),
        ("uid-zero", with("user_id", json!(0))),
        ("uid-unknown", with("user_id", json!("999"))),
        ("uid-deleted", with("user_id", json!(bob.id.to_string()))),
        ("uid-overflow", with("user_id", json!("18446744073709551617"))),
        ("sid-type", with("sid", json!(5))),
        ("sid-word", with("sid", json!("five"))),
        ("sid-unknown", with("sid", json!("5.0000000000000005"))),
        ("JWT-string", mint_raw(&header().to_string(), "\"text\"", KEY)),
        ("payload-list", mint_raw(&header().to_string(), "[]", KEY)),
        ("payload-null", mint_raw(&header().to_string(), "null", KEY)),
        ("payload-empty", mint_raw(&header().to_string(), "", KEY)),
        ("payload-broken", mint_raw(&header().to_string(), "{\"exp\":", KEY)),
        ("payload-latin", mint_raw(&header().to_string(), "{} x", KEY)),
    ];
    refuse_all(stage, tokens).await;
}

/// A number beyond what `json!` can hold.
fn number_for_exp(number: &str) -> String {
    let payload = claims("1").to_string().replace(&(NOW + 600).to_string(), number);
    mint_raw(&header().to_string(), &payload, KEY)
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let stage = Stage::start().await;
    let good = stage.token.clone();
    let parts: Vec<&str> = good.split('.').collect();
    let [head, payload, signature] = parts.as_slice() else { panic!("{good}") };
    let other_alphabet = |text: &str| text.replace('-', "+").replace('_', "/");
    let signed_padded = format!("{}=.{payload}", part(r#"{"alg":"HS256"}"#));
    let padded_signature = part(hs256(KEY, signed_padded.as_bytes()));
    let mut flipped = signature.to_string();
    let last = flipped.pop().unwrap();
    // The last sign carries bits that decoders may ignore.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    flipped.push(alphabet.as_bytes()[at ^ 1].into());
    let mut tokens = vec![
        ("JWT-enc-padseg", format!("{signed_padded}.{padded_signature}")),
        ("pad-signature", format!("{good}=")),
        ("JWT-seg4", format!("{good}.x")),
        ("seg4-empty", format!("{good}.")),
        ("seg2", format!("{head}.{payload}")),
        ("seg1", (*head).to_owned()),
        ("dots", "..".to_owned()),
        ("no-signature", format!("{head}.{payload}.")),
        ("no-payload", format!("{head}..{signature}")),
        ("JWT-trunc", good[..good.len() - 4].to_owned()),
        ("trailing-bits", format!("{head}.{payload}.{flipped}")),
        ("lead-dot", format!(".{good}")),
        ("JWT-unicode", format!("{good}\u{e9}")),
        ("quoted", format!("\"{good}\"")),
        ("JWT-enc-space", format!("{head}.{payload}. {signature}")),
        ("JWT-enc-nul", format!("{good}\0")),
        ("JWT-comma", format!("{good},{good}")),
        ("comma-space", format!("{good}, {good}")),
        ("JWT-empty", String::new()),
        ("percent", good.replace('.', "%2e")),
    ];
    if other_alphabet(&good) != good {
        tokens.push(("alphabet", other_alphabet(&good)));
    }
    refuse_all(stage, tokens).await;
}

/// JWT-exp-2e63, JWT-exp-1e400, JWT-pl-nest, JWT-big-4k: taken or not, but not the end of us.
#[tokio::test]
async fn extremes_are_answered() {
    let stage = Stage::start().await;
    let nested = format!("\"x\":{}{},", "[".repeat(2500), "]".repeat(2500));
    for (id, token) in [
        ("JWT-exp-2e63", number_for_exp("9223372036854775808")),
        ("JWT-exp-1e400", number_for_exp("1e400")),
        ("exp-1e308", number_for_exp("1e308")),
        ("JWT-pl-nest", payload_with(&nested)),
    ] {
        let reply = stage.get_as("/app/x", &token).await;
        assert!(matches!(reply.status, 200 | 401), "{id}: {reply:?}");
    }
    let large = with("padding", json!("x".repeat(3000)));
    assert_eq!(stage.get_as("/app/x", &large).await.status, 200);
    stage.finish().await;
}

/// JWT-control, and the spellings that are as good.
#[tokio::test]
async fn what_is_ordinary_is_taken() {
    let stage = Stage::start().await;
    let tokens = [
        stage.token.clone(),
        with("user_id", json!(1)),
        with("exp", json!(1_800_000_600.5)),
        with("nbf", json!(NOW)),
        with("aud", json!("anything")),
        with("iss", json!("anybody")),
        headed("typ", json!("at+jwt")),
        mint_raw(r#"{"alg":"HS256"}"#, &claims("1").to_string(), KEY),
        without("iat"),
    ];
    for token in &tokens {
        let reply = stage.get_as("/app/x", token).await;
        assert_eq!(reply.status, 200, "{token}: {reply:?}");
    }
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        let fields = format!("Authorization: {scheme}  {}\r\n", stage.token);
        assert_eq!(stage.get("/app/x", &fields).await.status, 200, "{scheme}");
    }
    assert_eq!(stage.finish().await.len(), tokens.len() + 3);
}

/// JWT-two-auth, JWT-token, JWT-bearerx, JWT-auth-under, JWT-in-cookie, JWT-in-query.
#[tokio::test]
async fn only_one_authorization_field_carries_a_token() {
    let stage = Stage::start().await;
    let token = stage.token.clone();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (id, path, fields) in [
        ("JWT-two-auth", "/app/x", format!("Authorization: Bearer x\r\n{bearer}")),
        ("two-reversed", "/app/x", format!("{bearer}Authorization: Bearer x\r\n")),
        ("two-same", "/app/x", format!("{bearer}{bearer}")),
        ("two-empty", "/app/x", format!("{bearer}Authorization:\r\n")),
        ("two-basic", "/app/x", format!("{bearer}Authorization: Basic YTpi\r\n")),
        ("JWT-token", "/app/x", format!("Authorization: Token {token}\r\n")),
        ("JWT-bearerx", "/app/x", format!("Authorization: BearerX {token}\r\n")),
        ("colon", "/app/x", format!("Authorization: Bearer: {token}\r\n")),
        ("bare", "/app/x", format!("Authorization: {token}\r\n")),
        ("JWT-auth-under", "/app/x", format!("AUTHORIZATION_: Bearer {token}\r\n")),
        ("proxy", "/app/x", format!("Proxy-Authorization: Bearer {token}\r\n")),
        (
            "x-auth",
            "/app/x",
            format!("X-Authorization: Bearer {token}\r\nX-Access-Token: {token}\r\n"),
        ),
        ("JWT-in-cookie", "/app/x", format!("Cookie: access={token}; access_token={token}\r\n")),
        ("JWT-in-query", "/app/x?access_token={t}&token={t}&jwt={t}", String::new()),
    ] {
        let reply = stage.get(&path.replace("{t}", &token), &fields).await;
        assert_eq!(reply.status, 401, "{id}: {reply:?}");
    }
    stage.finish_untouched().await;
}

/// JWT-iss-wrong, JWT-aud-wrong, JWT-aud-type.
#[tokio::test]
async fn issuer_and_audience_are_required_once_they_are_named() {
    let auth = "[auth]\nissuer = \"https://app.test\"\naudience = \"app\"\n";
    let stage = Stage::with(|policy| policy.and(auth)).await;
    let token = |iss: Value, aud: Value| {
        let mut claims = claims("1");
        claims["iss"] = iss;
        claims["aud"] = aud;
        mint(&claims)
    };
    let (iss, aud) = (json!("https://app.test"), json!("app"));
    for (id, token, status) in [
        ("both", token(iss.clone(), aud.clone()), 200),
        ("aud-list", token(iss.clone(), json!(["other", "app"])), 200),
        ("none", stage.token.clone(), 401),
        ("JWT-iss-wrong", token(json!("https://evil.test"), aud.clone()), 401),
        ("iss-list", token(json!(["https://app.test"]), aud.clone()), 401),
        ("iss-longer", token(json!("https://app.test/"), aud.clone()), 401),
        ("iss-null", token(Value::Null, aud), 401),
        ("JWT-aud-wrong", token(iss.clone(), json!("other")), 401),
        ("JWT-aud-type", token(iss.clone(), json!({ "app": true })), 401),
        ("aud-mixed", token(iss.clone(), json!(["app", 1])), 401),
        ("aud-empty", token(iss.clone(), json!([])), 401),
        ("aud-part", token(iss, json!("application")), 401),
    ] {
        let reply = stage.get_as("/app/x", &token).await;
        assert_eq!(reply.status, status, "{id}: {reply:?}");
    }
    // What it makes itself has both.
    let (access, _) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    assert_eq!(stage.finish().await.len(), 3);
}

/// JWT-cache-exp.
#[tokio::test]
async fn a_token_stops_at_its_end_however_often_it_was_used() {
    let stage = Stage::with(|policy| policy.and("[auth]\nleeway = \"5s\"")).await;
    for _ in 0..3 {
        assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    }
    stage.gateway.clock().advance(Duration::from_millis(604_999));
    assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    stage.gateway.clock().advance(Duration::from_millis(1));
    let reply = stage.get_as("/app/x", &stage.token).await;
    assert_eq!(reply.status, 401);
    assert!(reply.text().contains("Token is expired"), "{reply:?}");
    assert_eq!(stage.finish().await.len(), 4);
}

#[tokio::test]
async fn a_token_that_is_not_yet_good_becomes_good() {
    let stage = Stage::start().await;
    let early = with("nbf", json!(NOW + 60));
    assert_eq!(stage.get_as("/app/x", &early).await.status, 401);
    stage.gateway.clock().advance(Duration::from_mins(1));
    assert_eq!(stage.get_as("/app/x", &early).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn an_api_key_opens_routes_where_the_scheme_is_allowed() {
    let stage = Stage::with(|policy| policy.and("[auth]\ntoken_scheme = true")).await;
    let body = json!({ "username": "alice", "password": crate::common::PASSWORD });
    let key = stage.post("/api/auth/api-token-auth/", &body).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(key.len(), 40);
    let ask = async |credential: &str| {
        stage.get("/app/x", &format!("Authorization: {credential}\r\n")).await.status
    };
    assert_eq!(ask(&format!("Token {key}")).await, 200);
    assert_eq!(ask(&format!("token {key}")).await, 200);
    for broken in [
        format!("Bearer {key}"),
        format!("Token {}", stage.token),
        format!("Token {key} {key}"),
        format!("Token {}", key.to_uppercase()),
        format!("Token {}", &key[..39]),
        "Token".to_owned(),
        "Token 0000000000000000000000000000000000000000".to_owned(),
    ] {
        assert_eq!(ask(&broken).await, 401, "{broken}");
    }
    let change = portcullis::store::UserChange::Active(false);
    stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    assert_eq!(ask(&format!("Token {key}")).await, 401);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.one("x-user-id") == "1"));
}
