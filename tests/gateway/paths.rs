//! One reading of a path decides and goes on; what could be read otherwise goes nowhere.

use serde_json::json;

use crate::common::{Policy, Reply, Seen, Setup, Stage, Upstream, claims, mint};

/// Paths towards what is protected, without a token: id, target, statuses, and where it may
/// be forwarded to, if it may.
const TRICKS: &[(&str, &str, &[u16], Option<&str>)] = &[
    ("PATH-01-plain", "/app/x", &[401], None),
    ("slash", "/app/", &[401], None),
    ("no-slash", "/app", &[401], None),
    ("PATH-04-dot", "/./app/x", &[401], None),
    ("dots", "/public/../app/x", &[401], None),
    ("dots-back", "/app/../public/x", &[200], Some("/public/x")),
    ("PATH-07-root", "/../app/x", &[400], None),
    ("enc-dots", "/public/%2e%2e/app/x", &[401], None),
    ("PATH-10-enc-mix", "/public/.%2e/app/x", &[401], None),
    ("enc-slash", "/public/..%2fapp/x", &[400], None),
    ("PATH-13-enc-both", "/public%2f..%2fapp/x", &[400], None),
    ("semi", "/public/..;/app/x", &[400], None),
    ("PATH-16-semi2", "/public/..;a=b/app/x", &[400], None),
    ("semi-enc", "/public/..%3b/app/x", &[400], None),
    ("PATH-19-semi-app", "/app;a=b/x", &[400], None),
    ("bslash", "/public/..\\app/x", &[400], None),
    ("bslash-enc", "/public/..%5capp/x", &[400], None),
    ("PATH-22-bslash-lead", "/\\app/x", &[400], None),
    ("PATH-25-app2f", "/app%2fx", &[400], None),
    ("PATH-28-nul", "/app%00/x", &[400], None),
    ("nul-end", "/public/x%00", &[400], None),
    // No target has a fragment (RFC 9112 section 3.2).
    ("PATH-31-frag", "/app/x#/public", &[400], None),
    ("frag-public", "/public/x#/../app", &[400], None),
    ("frag-early", "/#/../public/x", &[400], None),
    ("PATH-34-q-enc", "/app%3fx", &[400, 404], None),
    ("q-enc-public", "/public/%3f/../../app/x", &[401], None),
    ("PATH-37-auth-dd", "/api/auth/../../app/x", &[401], None),
    ("auth-enc", "/api/auth/..%2f..%2fapp/x", &[400], None),
    ("PATH-40-dd1st", "../app/x", &[400], None),
    ("PATH-43-tab", "/app/x\t", &[400], None),
    ("space", "/app /x", &[400], None),
    ("PATH-46-high", "/\u{e9}app/x", &[400, 404], None),
    ("PATH-49-overlong", "/public/%c0%ae%c0%ae/app/x", &[400], None),
    ("overlong-slash", "/public/..%c0%afapp/x", &[400], None),
    ("PATH-52-double", "/public/%252e%252e/app/x", &[400], None),
    ("double-slash", "/public/..%252fapp/x", &[400], None),
    ("PATH-55-boundary", "/application/x", &[404], None),
    ("boundary-2", "/appx", &[404], None),
    ("PATH-58-none", "/nothing/here", &[404], None),
    ("root", "/", &[404], None),
    ("merge", "//app/x", &[400, 404], None),
    ("merge-public", "/public//app/x", &[200], Some("/public//app/x")),
    ("merge-climb", "/public//../app/x", &[400], None),
    ("case", "/APP/x", &[400, 404], None),
    ("case-enc", "/%41pp/x", &[400, 404], None),
    ("trailing-dot", "/app./x", &[400, 404], None),
    ("trailing-space", "/app%20/x", &[400, 404], None),
    ("short-escape", "/app/%4", &[400], None),
    ("bad-escape", "/public/%zz/x", &[400], None),
    ("u-escape", "/%u0061pp/x", &[400], None),
    ("plain-escape", "/%61pp/x", &[401], None),
    ("PATH-61-abs-empty", "http:///app/x", &[400], None),
    ("PATH-64-abs-ftp", "ftp://a.test/app/x", &[400], None),
    ("abs", "http://a.test/app/x", &[401], None),
    ("abs-caps", "HTTP://A.TEST:80/app/x", &[401], None),
    ("abs-user", "http://user@a.test/app/x", &[400], None),
    ("abs-public", "http://a.test/public/./x?y=1", &[200], Some("/public/x?y=1")),
    ("star", "*", &[400], None),
    ("no-path", "app/x", &[400], None),
];

async fn get(stage: &Stage, target: &str, fields: &str) -> Reply {
    stage.get(target, fields).await
}

fn targets(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(Seen::target).collect()
}

#[tokio::test]
async fn no_spelling_opens_a_protected_path() {
    let stage = Stage::start().await;
    let mut forwarded = Vec::new();
    for (id, target, statuses, to) in TRICKS {
        let reply = get(&stage, target, "").await;
        assert!(statuses.contains(&reply.status), "{id} {target}: {reply:?}");
        forwarded.extend(*to);
    }
    let seen = stage.finish().await;
    assert_eq!(targets(&seen), forwarded);
}

/// PATH-role-plain, PATH-role-slash, PATH-role-pct, PATH-role-pub, PATH-role-noslash.
#[tokio::test]
async fn no_spelling_opens_a_role_route_to_another_user() {
    let stage = Stage::start().await;
    for (target, status) in [
        ("/admin-area/x", 403),
        ("/admin-area", 403),
        ("/admin-area/", 403),
        ("/%61dmin-area/x", 403),
        ("/admin%2Darea/x", 403),
        ("/public/../admin-area/x", 403),
        ("/app/../admin-area/x", 403),
        ("/app/..%2fadmin-area/x", 400),
        ("/app/..%5cadmin-area/x", 400),
        ("/app/..;/admin-area/x", 400),
        ("/admin-area;x/y", 400),
        ("/admin-area.", 400),
        ("/Admin-Area/x", 400),
    ] {
        let reply = stage.get_as(target, &stage.token).await;
        assert_eq!(reply.status, status, "{target}: {reply:?}");
    }
    stage.finish_untouched().await;
}

/// PATH-pub-control.
#[tokio::test]
async fn the_path_that_was_judged_is_forwarded_and_the_query_untouched() {
    let stage = Stage::start().await;
    let cases = [
        ("/public/x", "/public/x"),
        ("/public", "/public"),
        ("/public/", "/public/"),
        ("/public/%7Euser/./a/../b", "/public/~user/b"),
        ("/public/a%2fb", "/public/a%2Fb"),
        ("/public/%c3%a9", "/public/%C3%A9"),
        ("/public/a|b[c]", "/public/a%7Cb%5Bc%5D"),
        ("/public/a;v=1", "/public/a;v=1"),
        ("/public/x?", "/public/x?"),
        ("/public/x?a=%2e%2e/../app&b=%00&c=?d", "/public/x?a=%2e%2e/../app&b=%00&c=?d"),
        ("/public/./x?../../app", "/public/x?../../app"),
        ("/public/x?{a|b}=[1]", "/public/x?{a|b}=[1]"),
    ];
    for (sent, _) in cases {
        let reply = get(&stage, sent, "").await;
        assert_eq!(reply.status, 200, "{sent}: {reply:?}");
    }
    let seen = stage.finish().await;
    assert_eq!(targets(&seen), cases.map(|(_, forwarded)| forwarded));
}

#[tokio::test]
async fn a_query_that_is_none_is_refused() {
    let stage = Stage::start().await;
    for target in ["/public/x?a b", "/public/x?a\tb", "/public/x?a\u{7f}", "/public/x?a\u{e9}"] {
        let reply = get(&stage, target, "").await;
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
    }
    stage.finish_untouched().await;
}

/// PATH-abs-mismatch, PATH-host-two-same, PATH-host-at, PATH-host-port.
#[tokio::test]
async fn a_request_has_one_host() {
    let stage = Stage::start().await;
    let cases: &[(&str, &str, &str, u16)] = &[
        ("PATH-host-two-same", "/public/x", "Host: a.test\r\nHost: a.test\r\n", 400),
        ("two", "/public/x", "Host: a.test\r\nHost: b.test\r\n", 400),
        ("none", "/public/x", "", 400),
        ("empty", "/public/x", "Host:\r\n", 400),
        ("PATH-host-at", "/public/x", "Host: user@a.test\r\n", 400),
        ("comma", "/public/x", "Host: a.test, b.test\r\n", 400),
        ("slash", "/public/x", "Host: a.test/x\r\n", 400),
        ("space", "/public/x", "Host: a test\r\n", 400),
        ("escape", "/public/x", "Host: a%2etest\r\n", 400),
        ("PATH-host-port", "/public/x", "Host: a.test:99999\r\n", 400),
        ("port-word", "/public/x", "Host: a.test:http\r\n", 400),
        ("port-fine", "/public/x", "Host: A.test.:8080\r\n", 200),
        ("ipv6", "/public/x", "Host: [::1]:80\r\n", 200),
        ("PATH-abs-mismatch", "http://b.test/public/x", "Host: a.test\r\n", 400),
        ("abs-port", "http://a.test:81/public/x", "Host: a.test\r\n", 400),
        ("abs-alone", "http://a.test/public/x", "", 400),
        ("abs-agrees", "http://A.test:80/public/x", "Host: a.test\r\n", 200),
    ];
    for (id, target, host, status) in cases {
        let reply = stage.send(format!("GET {target} HTTP/1.1\r\n{host}\r\n")).await;
        assert_eq!(reply.status, *status, "{id}: {reply:?}");
    }
    let seen = stage.finish().await;
    let hosts: Vec<_> = seen.iter().map(|request| request.one("host")).collect();
    // As it was judged: the upstream cannot take another site from another spelling.
    assert_eq!(hosts, ["a.test:8080", "[::1]", "a.test"]);
}

#[tokio::test]
async fn only_hosts_that_are_served_are_answered_once_one_is_named() {
    let route = "[routes.\"api.test/v1/*\"]\nto = \"up\"\nallow = \"anyone\"\n";
    let stage = Stage::with(|policy| policy.top("public = \"https://app.test\"").and(route)).await;
    for (host, target, status) in [
        ("app.test", "/public/x", 200),
        ("APP.test.:443", "/public/x", 200),
        ("api.test", "/v1/x", 200),
        ("app.test", "/v1/x", 404),
        ("evil.test", "/public/x", 421),
        ("evil.test", "/api/auth/token/", 421),
        ("app.test.evil.test", "/public/x", 421),
        ("127.0.0.1", "/public/x", 421),
    ] {
        let reply = stage.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, status, "{host}{target}: {reply:?}");
    }
    let reply =
        stage.send("GET http://evil.test/public/x HTTP/1.1\r\nHost: app.test\r\n\r\n").await;
    assert!(matches!(reply.status, 400 | 421), "{reply:?}");
    assert_eq!(stage.finish().await.len(), 3);
}

#[tokio::test]
async fn a_method_without_a_route_is_refused_and_never_tried_elsewhere() {
    let routes = "[routes.\"GET /app/orders/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
        [routes.\"POST,DELETE /app/orders/*\"]\nto = \"up\"\nallow = \"role:admin\"\n";
    let stage = Stage::with(|policy| policy.and(routes)).await;
    let ask = async |method: &str, target: &str| {
        let token = &stage.token;
        let credential = format!("Authorization: Bearer {token}");
        stage
            .send(format!("{method} {target} HTTP/1.1\r\nHost: a.test\r\n{credential}\r\n\r\n"))
            .await
    };
    // `/app/*` would let alice do anything.
    for method in ["PUT", "PATCH", "OPTIONS", "QUERY", "get", "G"] {
        let reply = ask(method, "/app/orders/7").await;
        assert_eq!(reply.status, 405, "{method}: {reply:?}");
        let mut allowed: Vec<_> = reply.one("allow").split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["DELETE", "GET", "HEAD", "POST"]);
    }
    assert_eq!(ask("POST", "/app/orders/7").await.status, 403);
    assert_eq!(ask("GET", "/app/orders/7").await.status, 200);
    assert_eq!(ask("HEAD", "/app/orders/7").await.status, 200);
    assert_eq!(ask("PUT", "/app/other").await.status, 200);
    let seen = stage.finish().await;
    let lines: Vec<_> = seen.iter().map(|request| request.line.as_str()).collect();
    let expected =
        ["GET /app/orders/7 HTTP/1.1", "HEAD /app/orders/7 HTTP/1.1", "PUT /app/other HTTP/1.1"];
    assert_eq!(lines, expected);
}

/// PATH-connect-gw, PATH-trace, PATH-method-pri, PATH-method-colon, PATH-method-propfind.
#[tokio::test]
async fn methods_that_are_not_for_a_gateway_end_at_it() {
    let stage = Stage::start().await;
    for (line, status) in [
        ("CONNECT a.test:443", 501),
        ("CONNECT /app/x", 501),
        ("CONNECT a.test", 501),
        ("TRACE /public/x", 405),
        ("TRACE /app/x", 405),
        ("PRI /app/x", 401),
        ("PROPFIND /app/x", 401),
        ("GE:T /app/x", 400),
        ("G\u{c9}T /app/x", 400),
        ("OPTIONS /app/x", 401),
        ("PRI *", 400),
        ("GET *", 400),
    ] {
        let secret = "Authorization: Basic c2VjcmV0";
        let reply =
            stage.send(format!("{line} HTTP/1.1\r\nHost: a.test\r\n{secret}\r\n\r\n")).await;
        assert_eq!(reply.status, status, "{line}: {reply:?}");
        assert!(!reply.text().contains("c2VjcmV0"), "{line}: {reply:?}");
    }
    let reply = stage.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!((reply.status, reply.body.len()), (204, 0), "{reply:?}");
    assert!(reply.one("allow").contains("GET"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_no_route_names_is_refused_and_the_gateways_own_paths_stay_its_own() {
    let upstream = Upstream::start().await;
    // A route for everything: the gateway's own paths are still not in it.
    let all = "[routes.\"/*\"]\nto = \"up\"\nallow = \"anyone\"\n";
    let stage =
        Stage::of(upstream, Setup::new(&Policy::to(&Upstream::start().await).and(all))).await;
    for target in [
        "/api/auth",
        "/api/auth/",
        "/api/auth/nothing/",
        "/api/auth/admin-area/x",
        "/api/auth/profile/x",
    ] {
        let reply = stage.get_as(target, &stage.token).await;
        assert_eq!(reply.status, 404, "{target}: {reply:?}");
        assert_eq!(reply.json(), json!({ "detail": "Not found." }), "{target}");
    }
    for target in
        ["/API/auth/token/", "/api%2Fauth/token/", "/api/auth;x/token/", "/api//auth/token/"]
    {
        let reply = stage.get(target, "").await;
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
    }
    stage.finish_untouched().await;

    let stage = Stage::start().await;
    let root = stage.user("root", &["admin"]).await;
    let root = mint(&claims(&root.id.to_string()));
    for target in ["/", "/nothing", "/appx", "/publicity", "/admin-areas/x", "/.well-known/x"] {
        let reply = stage.get_as(target, &root).await;
        assert_eq!(reply.status, 404, "{target}: {reply:?}");
        assert_eq!(reply.json()["code"], "no_route");
    }
    stage.finish_untouched().await;
}

/// The gateway's own answers, whatever they refuse.
#[tokio::test]
async fn a_refusal_is_json_that_nobody_stores_and_says_nothing_of_the_cause() {
    let stage = Stage::start().await;
    for (target, status, code) in [
        ("/public/..%2fapp", 400, "bad_path"),
        ("/APP/x", 400, "ambiguous_path"),
        ("/nothing", 404, "no_route"),
    ] {
        let reply = stage.get(target, "").await;
        assert_eq!((reply.status, &reply.json()["code"]), (status, &json!(code)), "{reply:?}");
        assert_eq!(reply.one("content-type"), "application/json");
        assert_eq!(reply.one("cache-control"), "no-store");
        assert_eq!(reply.one("x-content-type-options"), "nosniff");
        assert_eq!(reply.one("x-request-id").len(), 32);
        assert!(!reply.text().contains(target), "{reply:?}");
    }
    stage.finish_untouched().await;
}

/// Parsers of URLs, which many servers use for targets, find a host behind two slashes.
#[tokio::test]
async fn what_names_a_host_to_some_hides_no_path_from_the_rules() {
    let routes = "[routes.\"/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
                  [routes.\"/api/v1/*\"]\nto = \"up\"\nstrip = \"/api/v1\"\nallow = \"anyone\"\n";
    let stage = Stage::with(|policy| policy.and(routes)).await;
    for (target, code) in [
        ("//x/app/secret", "ambiguous_path"),
        ("///x/app/secret", "ambiguous_path"),
        ("//x//app/secret", "ambiguous_path"),
        ("//user:pw@x:80/app/secret", "ambiguous_path"),
        ("/%2Fx/app/secret", "ambiguous_path"),
        ("/%2F%2Fx%2Fapp/secret", "ambiguous_path"),
        ("/;a/x/app/secret", "ambiguous_path"),
        ("//x/APP/secret", "ambiguous_path"),
        ("//x/api/auth/token/", "ambiguous_path"),
        ("/api/v1//x/app/secret", "bad_target"),
        ("/api/v1//x", "bad_target"),
    ] {
        let reply = stage.get(target, "").await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!(code)), "{target}");
    }
    for target in ["//x/elsewhere", "/elsewhere//x/app/secret"] {
        let reply = stage.get(target, "").await;
        assert_eq!(reply.status, 200, "{target}");
    }
    assert_eq!(stage.finish().await.len(), 2);
}
