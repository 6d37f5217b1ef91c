//! Tokens of other issuers: each is judged by its own entry and by nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{
    Policy, Reply, SECRET, Setup, Signer, Stage, Upstream, claims, header, mint, mint_with, part,
};

const NOW: u64 = 1_800_000_000;
const SHARED: &str = "another secret of more than thirty-two bytes";

const TABLES: &str = r#"
[[issuers]]
name = "corp"
issuer = "https://id.corp.test"
audience = "gateway"
jwks = { file = "corp.json" }
claims = { tenant = "org" }
roles = { "Portal Admins" = "admin", "Staff" = "editor" }
roles_claim = "groups"

[[issuers]]
name = "shop"
issuer = "https://shop.test"
audience = "gateway"
jwks = { file = "shop.json" }
algorithms = ["HS256"]
claims = { user_id = "uid" }

[identity]
X-User-Id = "user_id"
X-User-Name = "username"
X-User-Email = "email"
X-User-Roles = "roles"
X-Tenant = "tenant"
"#;

struct Corp {
    es: Signer,
    ed: Signer,
    rs: Signer,
    stage: Stage,
}

impl Corp {
    async fn start() -> Self {
        let (es, ed, rs) = (Signer::es256(), Signer::ed_dsa(), Signer::rs256());
        let corp = json!({ "keys": [es.jwk("es"), ed.jwk("ed"), rs.jwk("rs")] });
        // The second of the shop's keys is of an algorithm that its entry does not list.
        let shared = json!({ "kty": "oct", "k": part(SHARED), "kid": "shared" });
        let shop = json!({ "keys": [shared, es.jwk("unlisted")] });
        let upstream = Upstream::start().await;
        let setup = Setup::new(&Policy::to(&upstream).and(TABLES))
            .file("corp.json", &corp.to_string())
            .file("shop.json", &shop.to_string());
        Self { es, ed, rs, stage: Stage::of(upstream, setup).await }
    }

    /// A token of the ES256 key with these claims.
    fn token(&self, claims: &Value) -> String {
        self.es.mint(&json!({ "alg": "ES256", "kid": "es" }), claims)
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        self.stage.get_as(path, token).await
    }
}

fn corp_claims() -> Value {
    json!({
        "iss": "https://id.corp.test",
        "aud": "gateway",
        "exp": NOW + 600,
        "sub": "u-17",
        "preferred_username": "Zoë",
        "email": "zoe@corp.test",
        "org": "acme",
        "groups": ["Portal Admins", "Everybody", "root"],
    })
}

fn changed(name: &str, value: Value) -> Value {
    let mut claims = corp_claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn another_issuers_user_gets_in_under_the_issuers_name() {
    let corp = Corp::start().await;
    let claims = corp_claims();
    for signer in [&corp.es, &corp.ed, &corp.rs] {
        let kid = match signer.algorithm() {
            "ES256" => "es",
            "EdDSA" => "ed",
            _ => "rs",
        };
        let with_kid = signer.mint(&json!({ "alg": signer.algorithm(), "kid": kid }), &claims);
        let without = signer.mint(&json!({ "alg": signer.algorithm() }), &claims);
        for token in [with_kid, without] {
            let reply = corp.get("/admin-area/x", &token).await;
            assert_eq!(reply.status, 200, "{}: {reply:?}", signer.algorithm());
        }
    }
    let shop = json!({
        "iss": "https://shop.test", "aud": ["x", "gateway"], "exp": NOW + 600, "uid": 5,
        "sub": "other", "groups": ["Portal Admins"], "roles": ["admin"],
    });
    let token = mint_with(&json!({ "alg": "HS256", "kid": "shared" }), &shop, SHARED.as_bytes());
    assert_eq!(corp.get("/app/x", &token).await.status, 200);
    assert_eq!(corp.get("/admin-area/x", &token).await.status, 403);
    let seen = corp.stage.finish().await;
    assert_eq!(seen.len(), 7);
    for request in &seen[..6] {
        assert_eq!(request.one("x-user-id"), "corp:u-17");
        assert_eq!(request.one("x-user-name"), "Zo%C3%AB");
        assert_eq!(request.one("x-user-email"), "zoe@corp.test");
        assert_eq!(request.one("x-user-roles"), "admin");
        assert_eq!(request.one("x-tenant"), "acme");
    }
    assert_eq!(seen[6].one("x-user-id"), "shop:5");
    assert!(!seen[6].has("x-user-roles") && !seen[6].has("x-tenant"), "{:?}", seen[6]);
}

#[tokio::test]
async fn only_the_issuers_own_keys_and_algorithms_count() {
    let corp = Corp::start().await;
    let good = corp_claims();
    let es = json!({ "alg": "ES256", "kid": "es" });
    let mut as_ours = claims("1");
    as_ours["iss"] = json!("https://id.corp.test");
    as_ours["aud"] = json!("gateway");
    as_ours["sub"] = json!("u-17");
    let mut shop = corp_claims();
    shop["iss"] = json!("https://shop.test");
    shop["uid"] = json!("5");
    for (id, token) in [
        ("another key", Signer::es256().mint(&es, &good)),
        (
            "kid of another of its keys",
            corp.es.mint(&json!({ "alg": "ES256", "kid": "ed" }), &good),
        ),
        ("unknown kid", corp.es.mint(&json!({ "alg": "ES256", "kid": "x" }), &good)),
        (
            "alg of another of its keys",
            corp.es.mint(&json!({ "alg": "EdDSA", "kid": "es" }), &good),
        ),
        ("alg none", format!("{}.{}.", part(r#"{"alg":"none"}"#), part(good.to_string()))),
        ("rsa as pss", corp.rs.mint(&json!({ "alg": "PS256", "kid": "rs" }), &good)),
        ("hmac with our secret", mint_with(&header(), &good, SECRET.as_bytes())),
        ("hmac with the shop's secret", mint_with(&header(), &good, SHARED.as_bytes())),
        ("hmac with the public key", {
            let jwk = corp.rs.jwk("rs");
            mint_with(
                &json!({ "alg": "HS256", "kid": "rs" }),
                &good,
                jwk["n"].as_str().unwrap().as_bytes(),
            )
        }),
        ("no fall-back to our keys", mint(&as_ours)),
        ("the shop's word by corp's key", corp.ed.mint(&json!({ "alg": "EdDSA" }), &shop)),
        (
            "an algorithm that is not listed",
            corp.es.mint(&json!({ "alg": "ES256", "kid": "unlisted" }), &shop),
        ),
        ("the shop's word by our key", mint(&shop)),
    ] {
        for path in ["/app/x", "/public/x"] {
            let reply = corp.get(path, &token).await;
            assert_eq!(reply.status, 401, "{id}: {reply:?}");
        }
    }
    corp.stage.finish_untouched().await;
}

#[tokio::test]
async fn another_issuers_claims_count_by_type_and_value() {
    let corp = Corp::start().await;
    for (id, token) in [
        ("an issuer that nobody listed", corp.token(&changed("iss", json!("https://evil.test")))),
        ("issuer in another spelling", corp.token(&changed("iss", json!("https://ID.corp.test")))),
        ("issuer with a slash", corp.token(&changed("iss", json!("https://id.corp.test/")))),
        ("issuer in a list", corp.token(&changed("iss", json!(["https://id.corp.test"])))),
        ("no issuer", corp.token(&changed("iss", Value::Null))),
        ("another audience", corp.token(&changed("aud", json!("other")))),
        ("audience object", corp.token(&changed("aud", json!({ "gateway": 1 })))),
        ("no audience", corp.token(&changed("aud", Value::Null))),
        ("no end", corp.token(&changed("exp", Value::Null))),
        ("end in text", corp.token(&changed("exp", json!("1900000000")))),
        ("long over", corp.token(&changed("exp", json!(NOW - 31)))),
        ("not yet", corp.token(&changed("nbf", json!(NOW + 31)))),
        ("no subject", corp.token(&changed("sub", Value::Null))),
        ("empty subject", corp.token(&changed("sub", json!("")))),
        ("list for a subject", corp.token(&changed("sub", json!(["u-17"])))),
    ] {
        for path in ["/app/x", "/public/x"] {
            let reply = corp.get(path, &token).await;
            assert_eq!(reply.status, 401, "{id}: {reply:?}");
        }
    }
    corp.stage.finish_untouched().await;
}

#[tokio::test]
async fn roles_are_granted_by_the_table_alone() {
    let corp = Corp::start().await;
    for (groups, roles) in [
        (json!(["Staff"]), "editor"),
        (json!(["Staff", "Portal Admins"]), "admin,editor"),
        (json!("Staff"), "editor"),
        (json!(["admin", "editor"]), ""),
        (json!(["portal admins", "Portal Admins ", "Staff,Portal Admins"]), ""),
        (json!(["Staff\r\nX-User-Roles: admin"]), ""),
        (json!({ "Staff": true }), ""),
        (json!(["Staff", 5]), ""),
        (Value::Null, ""),
    ] {
        let mut claims = changed("groups", groups.clone());
        claims["roles"] = json!(["admin"]);
        let reply = corp.get("/app/x", &corp.token(&claims)).await;
        assert_eq!(reply.status, 200, "{groups}: {reply:?}");
        let seen = corp.stage.upstream.seen();
        assert_eq!(seen.last().unwrap().all("x-user-roles").join("|"), roles, "{groups}");
    }
    corp.stage.finish().await;
}

/// ID-claim-crlf and its kin, where the claims are not of our making.
#[tokio::test]
async fn claims_of_others_cannot_break_out_of_their_header() {
    let corp = Corp::start().await;
    for (name, value, header, sent) in [
        ("preferred_username", "a\r\nX-User-Id: 1", "x-user-name", "a%0D%0AX-User-Id:%201"),
        ("email", "a\0b,c", "x-user-email", "a%00b,c"),
        ("org", "100% \u{202e}", "x-tenant", "100%25%20%E2%80%AE"),
        ("sub", "1\r\nX-User-Roles: admin", "x-user-id", "corp:1%0D%0AX-User-Roles:%20admin"),
    ] {
        let reply = corp.get("/app/x", &corp.token(&changed(name, json!(value)))).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let seen = corp.stage.upstream.seen();
        let last = seen.last().unwrap();
        assert_eq!(last.one(header), sent);
        assert_eq!(last.one("x-user-roles"), "admin");
    }
    corp.stage.finish().await;
}

#[tokio::test]
async fn another_issuers_user_is_none_of_ours() {
    let corp = Corp::start().await;
    // The subject is the id of alice: still not alice.
    let token = corp.token(&changed("sub", json!("1")));
    assert_eq!(corp.get("/app/x", &token).await.status, 200);
    let profile = corp.get("/api/auth/profile/", &token).await;
    assert!(matches!(profile.status, 401 | 403), "{profile:?}");
    let body = json!({ "token": token });
    assert_eq!(corp.stage.post("/api/auth/token/verify/", &body).await.status, 401);
    let body = json!({ "refresh": token });
    assert_eq!(corp.stage.post("/api/auth/token/refresh/", &body).await.status, 401);
    assert_eq!(corp.stage.post("/api/auth/token/blacklist/", &body).await.status, 401);
    let seen = corp.stage.finish().await;
    assert_eq!((seen.len(), seen[0].one("x-user-id")), (1, "corp:1"));
}

#[tokio::test]
async fn another_issuers_token_ends_at_its_end_and_the_leeway() {
    let corp = Corp::start().await;
    let token = corp.token(&corp_claims());
    assert_eq!(corp.get("/app/x", &token).await.status, 200);
    corp.stage.gateway.clock().advance(Duration::from_secs(629));
    assert_eq!(corp.get("/app/x", &token).await.status, 200);
    corp.stage.gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(corp.get("/app/x", &token).await.status, 401);
    corp.stage.finish().await;
}
