//! Keys of other issuers that are fetched: from a real server behind TLS, which rotates, fails
//! and lies.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{
    Act, Answer, Policy, Provider, Reply, Setup, Signer, Stage, Upstream, part, soon,
};

const NOW: u64 = 1_800_000_000;
/// Between two looks for unknown key ids.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// How long a set is good where the issuer does not say.
const AGE: Duration = Duration::from_secs(60 * 60);

/// A stage whose issuer is `provider`, with more keys of its entry.
async fn stage_with(provider: &Provider, keys: &str) -> Stage {
    let table = format!(
        "[[issuers]]\nname = \"corp\"\naudience = \"gateway\"\nissuer = \"{}\"\n{keys}\n",
        provider.issuer()
    );
    let upstream = Upstream::start().await;
    let setup = Setup::new(&Policy::to(&upstream).and(&table)).file("ca.pem", &provider.ca);
    Stage::of(upstream, setup).await
}

/// With OpenID discovery, under the provider's own authority.
async fn stage(provider: &Provider) -> Stage {
    stage_with(provider, "ca = \"ca.pem\"").await
}

fn token(provider: &Provider, signer: &Signer, kid: Option<&str>) -> String {
    let mut header = json!({ "alg": signer.algorithm() });
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let claims = json!({
        "iss": provider.issuer(),
        "aud": "gateway",
        "sub": "u-17",
        "exp": NOW + 30 * 24 * 60 * 60,
    });
    signer.mint(&header, &claims)
}

async fn get(stage: &Stage, token: &str) -> Reply {
    stage.get_as("/app/x", token).await
}

/// Asks until the answer has that status: what is fetched in the background is not waited for.
async fn becomes(stage: &Stage, token: &str, status: u16) {
    let asked = async { while get(stage, token).await.status != status {} };
    soon(&format!("{status}"), asked).await;
}

/// Ready when a path was asked for so often.
async fn asked(provider: &Provider, path: &str, times: usize) {
    let asked = async {
        while provider.asked(path).len() < times {
            tokio::task::yield_now().await;
        }
    };
    soon("a fetch", asked).await;
}

#[tokio::test]
async fn keys_are_found_by_discovery_and_rotate() {
    let provider = Provider::start().await;
    let (one, two) = (Signer::es256(), Signer::rs256());
    provider.keys(&[one.jwk("one")]);
    let stage = stage(&provider).await;
    let (old, new) = (token(&provider, &one, Some("one")), token(&provider, &two, Some("two")));
    assert_eq!(get(&stage, &old).await.status, 200);
    provider.keys(&[two.jwk("two")]);
    assert_eq!(get(&stage, &new).await.status, 401, "it was looked for a moment ago");
    stage.gateway.clock().advance(COOL_DOWN);
    assert_eq!(get(&stage, &new).await.status, 200);
    assert_eq!(get(&stage, &old).await.status, 401, "the key is gone, and so is what it verified");
    let heads = provider.asked("/keys");
    assert_eq!((heads.len(), provider.asked(Provider::DISCOVERY).len()), (2, 2));
    let head = heads[0].to_ascii_lowercase();
    assert!(head.contains("\r\nuser-agent: portcullis/"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", provider.addr)), "{head}");
    assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
    let seen = stage.finish().await;
    assert_eq!((seen.len(), seen[0].one("x-user-id")), (2, "corp:u-17"));
}

#[tokio::test]
async fn a_storm_of_unknown_key_ids_costs_the_issuer_one_fetch() {
    let provider = Provider::start().await;
    let signer = Signer::es256();
    provider.keys(&[signer.jwk("one")]);
    let stage = stage(&provider).await;
    assert_eq!(get(&stage, &token(&provider, &signer, Some("one"))).await.status, 200);
    for fetches in [2, 3] {
        stage.gateway.clock().advance(COOL_DOWN);
        provider.hold();
        let tokens: Vec<_> =
            (0..20).map(|n| token(&provider, &signer, Some(&format!("{fetches}-{n}")))).collect();
        let storm = tokens.iter().map(|token| get(&stage, token));
        let (replies, ()) = tokio::join!(futures_util::future::join_all(storm), async {
            asked(&provider, Provider::DISCOVERY, fetches).await;
            // Known keys do not wait for it.
            let known = token(&provider, &signer, None);
            assert_eq!(get(&stage, &known).await.status, 200);
            provider.release();
        });
        assert!(replies.iter().all(|reply| reply.status == 401), "{replies:?}");
        for n in 0..20 {
            let token = token(&provider, &signer, Some(&format!("late-{n}")));
            assert_eq!(get(&stage, &token).await.status, 401);
        }
        assert_eq!(provider.asked("/keys").len(), fetches);
    }
    stage.finish().await;
}

#[tokio::test]
async fn the_first_fetch_is_waited_for_by_all_and_outlives_who_asked() {
    let provider = Provider::start().await;
    let signer = Signer::ed_dsa();
    provider.keys(&[signer.jwk("one")]);
    provider.hold();
    let stage = stage(&provider).await;
    let token = token(&provider, &signer, Some("one"));
    let mut impatient = stage.connect().await;
    let request = format!("GET /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}");
    impatient.write(format!("{request}\r\n\r\n")).await;
    asked(&provider, Provider::DISCOVERY, 1).await;
    drop(impatient);
    let all = futures_util::future::join_all((0..10).map(|_| get(&stage, &token)));
    let (replies, ()) = tokio::join!(all, async {
        // Ours are not held up by theirs.
        assert_eq!(get(&stage, &stage.token).await.status, 200);
        provider.release();
    });
    assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
    assert_eq!(provider.asked("/keys").len(), 1);
    stage.finish().await;
}

#[tokio::test]
async fn while_the_issuer_is_down_its_keys_are_kept_for_so_long() {
    let provider = Provider::start().await;
    let signer = Signer::es256();
    let keys = Answer::json(&json!({ "keys": [signer.jwk("one")] }));
    let stage = stage_with(&provider, "ca = \"ca.pem\"\nstale = \"2h\"").await;
    let clock = stage.gateway.clock();
    let good = token(&provider, &signer, Some("one"));
    // There never were keys.
    let reply = get(&stage, &good).await;
    assert_eq!((reply.status, reply.one("retry-after")), (503, "1"), "{reply:?}");
    assert_eq!(stage.get_as("/public/x", &good).await.status, 503, "never anonymous");
    assert_eq!(get(&stage, &stage.token).await.status, 200, "ours do not depend on it");
    // It is up.
    provider.answer("/keys", keys.clone());
    clock.advance(Duration::from_secs(5));
    becomes(&stage, &good, 200).await;
    // Down again: what is known stays, what is unknown nobody can tell.
    provider.answer("/keys", Answer::Nothing);
    clock.advance(AGE);
    assert_eq!(get(&stage, &good).await.status, 200);
    clock.advance(COOL_DOWN);
    let unknown = token(&provider, &signer, Some("two"));
    assert_eq!(get(&stage, &unknown).await.status, 503);
    clock.advance(Duration::from_secs(2 * 60 * 60 - 2 * 30));
    assert_eq!(get(&stage, &good).await.status, 200);
    clock.advance(COOL_DOWN);
    assert_eq!(get(&stage, &good).await.status, 503, "too old to be believed");
    // And up.
    provider.answer("/keys", keys);
    clock.advance(COOL_DOWN);
    becomes(&stage, &good, 200).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_key_id_that_is_used_again_means_the_new_key() {
    let provider = Provider::start().await;
    let (one, two) = (Signer::es256(), Signer::es256());
    let keys = |signer: &Signer| {
        let body = json!({ "keys": [signer.jwk("same")] }).to_string();
        Answer::with("200 OK", "Cache-Control: public, max-age=600\r\n", body.as_bytes())
    };
    provider.answer("/keys", keys(&one));
    let stage = stage(&provider).await;
    let (old, new) = (token(&provider, &one, Some("same")), token(&provider, &two, Some("same")));
    assert_eq!(get(&stage, &old).await.status, 200);
    provider.answer("/keys", keys(&two));
    assert_eq!(get(&stage, &old).await.status, 200, "the set is good for ten minutes");
    assert_eq!(get(&stage, &new).await.status, 401);
    assert_eq!(provider.asked("/keys").len(), 1, "a known key id is no reason to ask");
    // Before they are over it is fetched again.
    stage.gateway.clock().advance(Duration::from_secs(8 * 60));
    becomes(&stage, &old, 401).await;
    assert_eq!(get(&stage, &new).await.status, 200);
    assert_eq!(provider.asked("/keys").len(), 2);
    // Garbage changes nothing.
    provider.answer("/keys", Answer::with("200 OK", "", b"{\"keys\": 5}"));
    stage.gateway.clock().advance(Duration::from_secs(10 * 60));
    assert_eq!(get(&stage, &new).await.status, 200);
    asked(&provider, "/keys", 3).await;
    assert_eq!(get(&stage, &new).await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_token_without_key_id_may_be_of_a_new_key() {
    let provider = Provider::start().await;
    let (one, two) = (Signer::ed_dsa(), Signer::ed_dsa());
    provider.keys(&[one.jwk("one")]);
    let stage = stage(&provider).await;
    assert_eq!(get(&stage, &token(&provider, &one, None)).await.status, 200);
    provider.keys(&[one.jwk("one"), two.jwk("two")]);
    stage.gateway.clock().advance(COOL_DOWN);
    assert_eq!(get(&stage, &token(&provider, &two, None)).await.status, 200);
    stage.finish().await;
}

/// What must not be taken for keys: the token is judged by nobody, and let in by nobody.
#[tokio::test]
async fn a_bad_answer_is_no_key_set() {
    let signer = Signer::es256();
    let good = json!({ "keys": [signer.jwk("one")] }).to_string();
    let large = format!("{good}{}", " ".repeat(256 * 1024));
    let many: Vec<_> = (0..65).map(|_| signer.jwk("one")).collect();
    let mut private = signer.jwk("one");
    private["d"] = json!(part([1; 32]));
    let mut encrypting = signer.jwk("one");
    encrypting["use"] = json!("enc");
    let mut otherwise = signer.jwk("one");
    otherwise["alg"] = json!("ES384");
    let keys = |keys: &[&Value]| Answer::json(&json!({ "keys": keys }));
    for (id, answer) in [
        ("nothing", Answer::Nothing),
        ("slow", Answer::Trickle),
        ("too large", Answer::with("200 OK", "", large.as_bytes())),
        ("chunked and too large", {
            let size = format!("{:x}\r\n", large.len());
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            Answer::Raw([head, &size, &large, "\r\n0\r\n\r\n"].concat().into_bytes())
        }),
        ("an error", Answer::with("500 Oh", "", good.as_bytes())),
        ("created", Answer::with("201 Created", "", good.as_bytes())),
        ("a redirect", Answer::with("302 Found", "Location: /other\r\n", good.as_bytes())),
        ("packed", Answer::with("200 OK", "Content-Encoding: gzip\r\n", good.as_bytes())),
        ("no JSON", Answer::with("200 OK", "", b"<html>")),
        ("half of it", Answer::with("200 OK", "", &good.as_bytes()[..good.len() / 2])),
        ("no HTTP", Answer::Raw(b"SSH-2.0\r\n".to_vec())),
        (
            "a long head",
            Answer::with("200 OK", &format!("X: {}\r\n", "x".repeat(20_000)), good.as_bytes()),
        ),
        ("no keys", keys(&[])),
        ("many keys", keys(&many.iter().collect::<Vec<_>>())),
        ("a private key", keys(&[&private])),
        ("a key for encryption", keys(&[&encrypting])),
        ("a key for another algorithm", keys(&[&otherwise])),
        ("a shared secret", keys(&[&json!({ "kty": "oct", "k": part([1; 64]), "kid": "one" })])),
    ] {
        let provider = Provider::start().await;
        provider.answer("/keys", answer);
        provider.answer("/other", Answer::with("200 OK", "", good.as_bytes()));
        let stage = stage_with(&provider, "ca = \"ca.pem\"\ntimeout = \"700ms\"").await;
        let reply = get(&stage, &token(&provider, &signer, Some("one"))).await;
        assert_eq!(reply.status, 503, "{id}: {reply:?}");
        assert!(provider.asked("/other").is_empty(), "{id}");
        stage.finish_untouched().await;
    }
}

#[tokio::test]
async fn discovery_is_believed_about_its_own_issuer_only() {
    let signer = Signer::es256();
    for id in [
        "another issuer",
        "a slash more",
        "in clear",
        "from here",
        "no keys",
        "no document",
        "good",
    ] {
        let provider = Provider::start().await;
        provider.keys(&[signer.jwk("one")]);
        let issuer = provider.issuer();
        let keys = format!("{issuer}/keys");
        let set = json!({ "keys": [signer.jwk("one")] }).to_string();
        let clear = Upstream::scripted(move |_| Act::ok(&set)).await;
        let here = format!("http://{}/keys", clear.addr);
        let document = match id {
            "another issuer" => json!({ "issuer": "https://evil.test", "jwks_uri": keys }),
            "a slash more" => json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys }),
            "in clear" => json!({ "issuer": issuer, "jwks_uri": "http://id.test/keys" }),
            // Whoever listens at that port here is not the issuer.
            "from here" => json!({ "issuer": issuer, "jwks_uri": here }),
            "no keys" => json!({ "issuer": issuer }),
            "no document" => json!([issuer, keys]),
            _ => json!({ "issuer": issuer, "jwks_uri": keys, "scopes_supported": ["openid"] }),
        };
        provider.answer(Provider::DISCOVERY, Answer::json(&document));
        let stage = stage(&provider).await;
        let reply = get(&stage, &token(&provider, &signer, Some("one"))).await;
        let good = id == "good";
        assert_eq!(reply.status, if good { 200 } else { 503 }, "{id}: {reply:?}");
        assert_eq!(provider.asked("/keys").len(), usize::from(good), "{id}");
        assert_eq!(clear.connections(), 0, "{id}");
        stage.finish().await;
    }
}

#[tokio::test]
async fn a_key_set_by_url_needs_no_discovery_but_a_certificate_that_is_trusted() {
    let signer = Signer::es256();
    let provider = Provider::start().await;
    provider.keys(&[signer.jwk("one")]);
    let url = format!("jwks = {{ url = \"{}/keys\" }}", provider.issuer());
    let token = token(&provider, &signer, Some("one"));
    let unknown = stage_with(&provider, &url).await;
    assert_eq!(get(&unknown, &token).await.status, 503, "the machine does not know the authority");
    unknown.finish_untouched().await;
    assert!(provider.asked("/keys").is_empty());
    let stage = stage_with(&provider, &format!("{url}\nca = \"ca.pem\"")).await;
    assert_eq!(get(&stage, &token).await.status, 200);
    assert!(provider.asked(Provider::DISCOVERY).is_empty());
    stage.finish().await;
}

#[tokio::test]
async fn keys_that_are_fetched_are_never_shared_secrets() {
    let provider = Provider::start().await;
    let signer = Signer::rs256();
    let jwk = signer.jwk("one");
    let shared = json!({ "kty": "oct", "k": part([7; 32]), "kid": "shared" });
    provider.keys(&[jwk.clone(), shared]);
    let stage = stage(&provider).await;
    assert_eq!(get(&stage, &token(&provider, &signer, Some("one"))).await.status, 200);
    let claims = json!({ "iss": provider.issuer(), "aud": "gateway", "sub": "u", "exp": NOW + 60 });
    let modulus = jwk["n"].as_str().unwrap().as_bytes();
    for (kid, key) in [("shared", &[7; 32][..]), ("one", modulus)] {
        let header = json!({ "alg": "HS256", "kid": kid });
        let forged = crate::common::mint_with(&header, &claims, key);
        assert_eq!(get(&stage, &forged).await.status, 401, "{kid}");
    }
    stage.finish().await;
}
