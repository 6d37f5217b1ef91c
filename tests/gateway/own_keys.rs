//! Tokens of our own making, with keys of our own making: anybody can check them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::common::{
    Policy, Setup, Signer, Stage, Upstream, claims, is_signed_by, mint, mint_with,
};

async fn stage_with(signing: &str) -> Stage {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).signing(signing);
    Stage::of(upstream, Setup::new(&policy)).await
}

async fn jwks(stage: &Stage) -> Vec<Value> {
    let reply = stage.get("/.well-known/jwks.json", "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["keys"].as_array().unwrap().clone()
}

fn decoded(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn our_tokens_are_good_here_and_wherever_our_key_set_is_known() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let stage = stage_with(&format!("algorithm = \"{algorithm}\"")).await;
        let (access, refresh) = stage.log_in("alice").await;
        assert_eq!(stage.get_as("/app/x", &access).await.status, 200, "{algorithm}");
        // Good for something else.
        assert_eq!(stage.get_as("/app/x", &refresh).await.status, 401, "{algorithm}");
        let keys = jwks(&stage).await;
        let [key] = keys.as_slice() else { panic!("{keys:?}") };
        for token in [&access, &refresh] {
            let header = decoded(token, 0);
            assert_eq!((&header["kid"], &header["alg"]), (&key["kid"], &json!(algorithm)));
            assert!(is_signed_by(token, key), "{algorithm}");
        }
        assert!(key.get("d").is_none() && key.get("k").is_none(), "{key}");
        let payload = decoded(&access, 1);
        assert_eq!(payload["user_id"], json!("1"));
        assert_eq!(payload["roles"], json!(["editor"]));
        assert_eq!(payload["exp"].as_u64().unwrap() - payload["iat"].as_u64().unwrap(), 1800);
        stage.finish().await;
    }
}

#[tokio::test]
async fn a_shared_secret_is_in_no_key_set() {
    let stage = Stage::start().await;
    assert_eq!(jwks(&stage).await, Vec::<Value>::new());
    stage.finish().await;
}

/// RFC 8725 section 2.1: the public key is no secret, and signs nothing.
#[tokio::test]
async fn a_public_key_signs_nothing() {
    let stage = stage_with("algorithm = \"ES256\"").await;
    let keys = jwks(&stage).await;
    let (x, y) = (keys[0]["x"].as_str().unwrap(), keys[0]["y"].as_str().unwrap());
    let bytes = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], bytes(x), bytes(y)].concat();
    let claims = claims("1");
    let kid = &keys[0]["kid"];
    let other = Signer::es256();
    let mut tokens = Vec::new();
    for secret in [point, bytes(x), x.as_bytes().to_vec(), keys[0].to_string().into_bytes()] {
        for alg in ["HS256", "ES256"] {
            tokens.push(mint_with(&json!({ "alg": alg, "kid": kid }), &claims, &secret));
        }
    }
    tokens.push(mint(&claims));
    tokens.push(other.mint(&json!({ "alg": "ES256", "kid": kid }), &claims));
    tokens.push(other.mint(&json!({ "alg": "ES256" }), &claims));
    tokens.push(other.mint(&json!({ "alg": "ES256", "jwk": other.jwk("x") }), &claims));
    tokens.push(Signer::ed_dsa().mint(&json!({ "alg": "EdDSA", "kid": kid }), &claims));
    // CVE-2022-21449: a signature of nothing.
    let message = tokens[1].rsplit_once('.').unwrap().0;
    tokens.push(format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])));
    for token in tokens {
        let reply = stage.get_as("/app/x", &token).await;
        assert_eq!(reply.status, 401, "{token}: {reply:?}");
    }
    stage.finish_untouched().await;
}
