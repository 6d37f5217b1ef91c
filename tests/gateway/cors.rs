//! Pages of other origins: preflights are answered here, and nobody else says who may read what.

use crate::common::{Act, Reply, Stage, Upstream};

const ROUTES: &str = r#"
[routes."GET,POST /shared/*"]
to = "up"
cors = { origins = ["https://a.test", "http://localhost:3000"], credentials = true, expose = ["X-Up"], max_age = "1h" }
[routes."DELETE /shared/*"]
to = "up"
[routes."/all/*"]
to = "up"
allow = "anyone"
cors = { origins = "*", headers = ["X-Mine"] }
[routes."/inside/*"]
to = "up"
from = "10.0.0.0/8"
rate = "1/h per ip"
cors = { origins = "*" }
[auth]
cors = ["https://a.test"]
"#;

async fn stage() -> Stage {
    let upstream = Upstream::scripted(|_| {
        Act::answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: 1\r\nAccess-Control-Allow-Origin: *\r\n\
             Access-Control-Allow-Credentials: true\r\n\r\nok",
        )
    });
    Stage::before(upstream.await, |policy| policy.and(ROUTES)).await
}

async fn preflight(stage: &Stage, path: &str, origin: &str, method: &str) -> Reply {
    stage
        .send(format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: a.test\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: {method}\r\n\
             Access-Control-Request-Headers: authorization\r\n\r\n"
        ))
        .await
}

const ALLOW: &str = "access-control-allow-origin";

#[tokio::test]
async fn a_preflight_is_answered_without_a_credential_and_without_the_upstream() {
    let stage = stage().await;
    for origin in ["https://a.test", "http://localhost:3000"] {
        for method in ["GET", "POST", "HEAD"] {
            let reply = preflight(&stage, "/shared/x", origin, method).await;
            assert_eq!((reply.status, reply.one(ALLOW)), (204, origin));
            assert_eq!(reply.one("access-control-allow-methods"), method);
            assert_eq!(reply.one("access-control-allow-headers"), "authorization, content-type");
            assert_eq!(reply.one("access-control-allow-credentials"), "true");
            assert_eq!(reply.one("access-control-max-age"), "3600");
            assert_eq!(reply.one("vary"), "Origin");
        }
    }
    let reply = preflight(&stage, "/all/x", "https://any.test", "PATCH").await;
    assert_eq!((reply.one(ALLOW), reply.one("access-control-allow-headers")), ("*", "x-mine"));
    assert!(reply.all("access-control-allow-credentials").is_empty(), "{reply:?}");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_origin_that_is_not_listed_gets_no_leave() {
    let stage = stage().await;
    for origin in [
        "https://evil.test",
        "https://a.test.evil.test",
        "https://a.test:444",
        "http://a.test",
        "null",
    ] {
        let reply = preflight(&stage, "/shared/x", origin, "GET").await;
        assert_eq!(reply.status, 204);
        let granted = reply.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
        assert!(!granted && reply.one("vary") == "Origin", "{origin}: {reply:?}");
    }
    // The route of this method has no rule, and the path none for that one.
    assert_eq!(preflight(&stage, "/shared/x", "https://a.test", "DELETE").await.status, 405);
    assert_eq!(preflight(&stage, "/shared/x", "https://a.test", "PUT").await.status, 405);
    // Nor has an address that the route does not take, whatever the page.
    assert_eq!(preflight(&stage, "/inside/x", "https://a.test", "GET").await.status, 403);
    // And no page makes an upstream of a path that has two readings.
    assert_eq!(preflight(&stage, "/all/x%2F..%2Fy", "https://a.test", "GET").await.status, 400);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn answers_and_refusals_say_who_may_read_them() {
    let stage = stage().await;
    let bearer = format!("Authorization: Bearer {}\r\n", stage.token);
    for (fields, status) in [(&*bearer, 200), ("", 401), ("Authorization: Bearer x\r\n", 401)] {
        let reply = stage.get("/shared/x", &format!("{fields}Origin: https://a.test\r\n")).await;
        assert_eq!((reply.status, reply.one(ALLOW)), (status, "https://a.test"));
        assert_eq!(reply.one("access-control-allow-credentials"), "true");
        assert_eq!(reply.one("access-control-expose-headers"), "x-up");
        assert!(reply.one("vary").ends_with("Origin"), "{reply:?}");
    }
    // What the upstream says about origins counts only where there is no rule.
    for fields in ["", "Origin: https://evil.test\r\n", "Origin: https://a.test\r\nOrigin: x\r\n"] {
        let reply = stage.get("/shared/x", &format!("{bearer}{fields}")).await;
        let granted = reply.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
        assert!(reply.status == 200 && !granted, "{fields}: {reply:?}");
        assert_eq!(reply.one("vary"), "Authorization, Origin");
    }
    let reply = stage.get("/app/x", &format!("{bearer}Origin: https://evil.test\r\n")).await;
    assert_eq!(reply.one(ALLOW), "*");
    let reply = stage.get("/all/x", "Origin: https://any.test\r\n").await;
    assert_eq!((reply.one(ALLOW), reply.one("vary")), ("*", "Authorization"));
    stage.finish().await;
}

#[tokio::test]
async fn pages_of_listed_origins_may_use_the_endpoints() {
    let stage = stage().await;
    let reply = preflight(&stage, "/api/auth/token/", "https://a.test", "POST").await;
    assert_eq!((reply.status, reply.one(ALLOW)), (204, "https://a.test"));
    assert!(reply.all("access-control-allow-credentials").is_empty(), "{reply:?}");
    let reply = preflight(&stage, "/api/auth/token/", "https://evil.test", "POST").await;
    assert!(reply.all(ALLOW).is_empty(), "{reply:?}");
    let reply = stage.get("/api/auth/profile/", "Origin: https://a.test\r\n").await;
    assert_eq!((reply.status, reply.one(ALLOW)), (401, "https://a.test"));
    assert!(reply.one("vary").contains("Origin"), "{reply:?}");
    // No preflight: the endpoint's own answer.
    let options = "OPTIONS /api/auth/token/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(stage.send(options).await.status, 200);
    stage.finish_untouched().await;
}
