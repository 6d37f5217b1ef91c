//! Nobody but the gateway says who a caller is, and nobody but the peer where it comes from.

use portcullis::store::UserChange;
use serde_json::json;

use crate::common::{Stage, claims, mint};

/// Ways to bring an identity along: id, field lines.
const SPOOFS: &[(&str, &str)] = &[
    ("ID-01-exact", "X-User-Id: evil\r\n"),
    ("ID-04-mixed", "x-UsEr-iD: evil\r\n"),
    ("ID-07-under-lead", "X_USER-ID: evil\r\n"),
    ("underscores", "X_User_Id: evil\r\nx_user_roles: evil\r\n"),
    ("other signs", "X.User.Id: evil\r\nx~user~id: evil\r\nX!User#Id: evil\r\n"),
    ("ID-10-list", "X-User-Id: evil, 1\r\nX-User-Roles: evil,admin\r\n"),
    ("twice", "X-User-Id: evil\r\nX-User-Id: evil\r\n"),
    ("ID-13-name", "X-User-Name: evil\r\nX-User-Email: evil\r\n"),
    ("ID-16-prefix", "X-User-Anything: evil\r\nX-User-: evil\r\n"),
    ("ID-28-hop-roles", "Connection: X-User-Roles, X-User-Name\r\nX-User-Roles: evil\r\n"),
    ("hop-id", "Connection: X-User-Id, keep-alive\r\nConnection: x-user-email\r\n"),
    ("ID-31-hop-auth", "Connection: Authorization\r\n"),
    ("hop-gateway", "Connection: x-forwarded-for, x-request-id, forwarded, host\r\n"),
    ("empty", "X-User-Id:\r\n"),
    ("space around", "X-User-Id:   evil   \r\n"),
];

/// The same, in forms that are not HTTP.
const BROKEN: &[(&str, &[u8])] = &[
    ("ID-19-tab-colon", b"X-User-Id\t: evil\r\n"),
    ("space-colon", b"X-User-Id : evil\r\n"),
    ("ID-22-udash", "X\u{2010}User\u{2010}Id: evil\r\n".as_bytes()),
    ("ID-25-lf-inject", b"X-A: b\nX-User-Id: evil\r\n"),
    ("cr inject", b"X-A: b\rX-User-Id: evil\r\n"),
    ("nul", b"X-User-Id\0: evil\r\n"),
    ("leading space", b"X-A: b\r\n X-User-Id: evil\r\n"),
];

const IDENTITY: [(&str, &str); 4] = [
    ("x-user-id", "1"),
    ("x-user-name", "alice"),
    ("x-user-email", "alice@example.com"),
    ("x-user-roles", "editor"),
];

#[tokio::test]
async fn a_client_cannot_choose_its_identity() {
    let stage = Stage::start().await;
    for (id, spoof) in SPOOFS {
        let credential = format!("Authorization: Bearer {}\r\n", stage.token);
        for path in ["/app/x", "/public/x"] {
            // Before and after the credential: order makes no difference.
            for fields in [format!("{spoof}{credential}"), format!("{credential}{spoof}")] {
                let reply = stage.get(path, &fields).await;
                assert_eq!(reply.status, 200, "{id} {path}: {reply:?}");
            }
        }
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 4 * SPOOFS.len());
    for request in seen {
        for (name, value) in IDENTITY {
            assert_eq!(request.one(name), value, "{request:?}");
        }
        let lies = request.headers.iter().any(|(name, value)| {
            value.contains("evil") || (name.contains("user") && !is_of_the_gateway(name))
        });
        assert!(!lies, "{request:?}");
        assert!(!request.has("authorization"), "{request:?}");
    }
}

fn is_of_the_gateway(name: &str) -> bool {
    name.eq_ignore_ascii_case("x-user-email-verified")
        || IDENTITY.iter().any(|(ours, _)| ours.eq_ignore_ascii_case(name))
}

/// ID-pub-under, ID-pub-hop and the rest of the family.
#[tokio::test]
async fn an_anonymous_caller_has_no_identity_on_a_public_route() {
    let stage = Stage::start().await;
    for (id, spoof) in SPOOFS {
        let reply = stage.get("/public/x", spoof).await;
        assert_eq!(reply.status, 200, "{id}: {reply:?}");
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), SPOOFS.len());
    for request in seen {
        let named = request.headers.iter().any(|(name, value)| {
            value.contains("evil") || name.to_ascii_lowercase().contains("user")
        });
        assert!(!named, "{request:?}");
    }
}

#[tokio::test]
async fn an_identity_in_a_field_that_is_no_field_is_refused() {
    let stage = Stage::start().await;
    for (id, spoof) in BROKEN {
        for path in ["/app/x", "/public/x"] {
            let mut request = format!(
                "GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n",
                stage.token
            )
            .into_bytes();
            request.extend_from_slice(spoof);
            request.extend_from_slice(b"\r\n");
            let reply = stage.send(request).await;
            assert!(matches!(reply.status, 0 | 400), "{id}: {reply:?}");
        }
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_identity_in_a_trailer_goes_nowhere() {
    let stage = Stage::start().await;
    let reply = stage
        .send(format!(
            "POST /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\
             Trailer: X-User-Id\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\nX-User-Id: evil\r\nX_User_Roles: evil\r\n\r\n",
            stage.token
        ))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = stage.finish().await;
    // The upstream reads chunked bodies without trailers, and fails on any.
    assert_eq!((seen.len(), seen[0].body.as_slice()), (1, &b"abc"[..]));
    assert_eq!(seen[0].one("x-user-id"), "1");
}

/// ID-sticky-conn.
#[tokio::test]
async fn an_identity_does_not_stick_to_a_connection() {
    let stage = Stage::start().await;
    let mut connection = stage.connect().await;
    let with_token = format!(
        "GET /app/a HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\r\n",
        stage.token
    );
    assert_eq!(connection.ask(&with_token).await.status, 200);
    let anonymous = "GET /app/b HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(connection.ask(anonymous).await.status, 401);
    let public = "GET /public/c HTTP/1.1\r\nHost: a.test\r\n\r\n";
    assert_eq!(connection.ask(public).await.status, 200);
    assert_eq!(connection.ask(&with_token).await.status, 200);
    drop(connection);
    let seen = stage.finish().await;
    let ids: Vec<_> =
        seen.iter().map(|request| (request.target(), request.all("x-user-id"))).collect();
    assert_eq!(ids, [("/app/a", vec!["1"]), ("/public/c", vec![]), ("/app/a", vec!["1"])]);
    // All on one upstream connection: it does not stick to that either.
    assert!(seen.iter().all(|request| request.connection == 0), "{seen:?}");
}

/// ID-control, ID-admin-control.
#[tokio::test]
async fn a_role_opens_its_route_and_nobody_elses() {
    let stage = Stage::start().await;
    let root = stage.user("root", &["admin", "editor"]).await;
    let root = mint(&claims(&root.id.to_string()));
    let refused = stage.get_as("/admin-area/x", &stage.token).await;
    assert_eq!(refused.status, 403);
    let detail = "You do not have permission to perform this action.";
    assert_eq!(refused.json(), json!({ "detail": detail }));
    assert_eq!(stage.get_as("/admin-area/x", &root).await.status, 200);
    let anonymous = stage.get("/admin-area/x", "").await;
    assert_eq!(anonymous.status, 401);
    assert_eq!(anonymous.one("www-authenticate"), "Bearer realm=\"api\"");
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].one("x-user-roles"), "admin,editor");
}

const FORWARDING: &str = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: evil.test\r\n\
    X-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\n\
    X-Forwarded-Anything: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n\
    X_Forwarded_For: 1.2.3.4\r\nX-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\n\
    X-HTTP-Method-Override: DELETE\r\nTrue-Client-IP: 1.2.3.4\r\nCF-Connecting-IP: 1.2.3.4\r\n\
    Connection: X-Forwarded-For, X-Forwarded-Host, Forwarded, X-Real-IP\r\n";

/// ID-xff, ID-xfh, ID-xfport, ID-forwarded: the whole family at once, and nominated away.
#[tokio::test]
async fn forwarding_fields_of_an_untrusted_peer_are_replaced() {
    let stage = Stage::start().await;
    let port = stage.gateway.addr.port().to_string();
    assert_eq!(stage.get("/public/x", FORWARDING).await.status, 200);
    let seen = stage.finish().await;
    let request = &seen[0];
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "a.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", port.as_str()),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1;host=\"a.test\";proto=http"),
    ] {
        assert_eq!(request.one(name), value);
    }
    let text = format!("{request:?}");
    assert!(
        !text.contains("evil") && !text.contains("1.2.3.4") && !text.contains("DELETE"),
        "{text}"
    );
}

#[tokio::test]
async fn a_trusted_peer_is_believed_about_the_client_and_not_about_the_path() {
    let stage = Stage::with(|policy| policy.top("trust = [\"127.0.0.1\"]")).await;
    let fields = "X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\
        X-Request-Id: from-the-proxy-1\r\nX-Original-URL: /evil\r\n";
    let reply = stage.get("/public/x", fields).await;
    assert_eq!(reply.one("x-request-id"), "from-the-proxy-1");
    let seen = stage.finish().await;
    assert_eq!(seen[0].one("x-forwarded-for"), "9.9.9.9, 1.2.3.4, 127.0.0.1");
    assert_eq!(seen[0].one("x-forwarded-proto"), "https");
    assert_eq!(seen[0].one("x-real-ip"), "1.2.3.4");
    assert_eq!(seen[0].one("x-request-id"), "from-the-proxy-1");
    assert!(!seen[0].has("x-original-url"));
}

#[tokio::test]
async fn a_request_id_is_ours_and_the_same_on_both_sides() {
    let stage = Stage::start().await;
    let reply = stage.get("/public/x", "X-Request-Id: evil\r\nX_Request_Id: evil\r\n").await;
    let other = stage.get("/app/x", "X-Request-Id: evil\r\n").await;
    assert_eq!(other.status, 401);
    let (id, other) = (reply.one("x-request-id").to_owned(), other.one("x-request-id").to_owned());
    assert!(id != "evil" && other != "evil" && id != other, "{id} {other}");
    let seen = stage.finish().await;
    assert_eq!(seen[0].one("x-request-id"), id);
}

/// What a proxy does not write, its client may have: only the family that is named counts.
#[tokio::test]
async fn a_trusted_peer_is_believed_in_the_fields_that_it_writes() {
    let x = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: x.test\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Port: 444\r\n";
    let own = "Forwarded: for=2.2.2.2;host=own.test;proto=https\r\n";
    let near = "[routes.\"/public/near/*\"]\nto = \"up\"\nallow = \"anyone\"\n\
                from = [\"127.0.0.0/8\"]\n";
    for (key, fields, client, host) in [
        ("", x.to_owned(), "1.1.1.1", "x.test"),
        ("", [x, own].concat(), "1.1.1.1", "x.test"),
        ("", own.to_owned(), "127.0.0.1", "a.test"),
        ("trust_headers = \"forwarded\"\n", own.to_owned(), "2.2.2.2", "own.test"),
        ("trust_headers = \"forwarded\"\n", [x, own].concat(), "2.2.2.2", "own.test"),
        ("trust_headers = \"forwarded\"\n", x.to_owned(), "127.0.0.1", "a.test"),
    ] {
        let top = format!("trust = [\"127.0.0.1\"]\n{key}");
        let stage = Stage::with(|policy| policy.top(&top).and(near)).await;
        assert_eq!(stage.get("/public/x", &fields).await.status, 200);
        let admitted = stage.get("/public/near/x", &fields).await.status == 200;
        assert_eq!(admitted, client == "127.0.0.1", "{key}{fields}");
        let seen = stage.finish().await;
        let request = &seen[0];
        assert_eq!(request.one("x-real-ip"), client, "{key}{fields}");
        assert_eq!(request.one("x-forwarded-host"), host, "{key}{fields}");
        let proto = if host == "a.test" { "http" } else { "https" };
        let about = format!("for={client};host=\"{host}\";proto={proto}");
        assert_eq!(request.one("forwarded"), about);
    }
}

/// ID-hop-standard. That none of them arrives, the upstream checks of every request.
#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let stage = Stage::start().await;
    let fields = "Connection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\
        Proxy-Authorization: Basic eA==\r\nX-Public: 1\r\n";
    assert_eq!(stage.get("/public/x", fields).await.status, 200);
    let seen = stage.finish().await;
    assert!(seen[0].has("x-public") && !seen[0].has("x-private"), "{seen:?}");
}

/// ID-route-xrew, ID-route-xfmeth, ID-trust-xinternal.
#[tokio::test]
async fn no_field_steers_the_decision() {
    let stage = Stage::start().await;
    for field in [
        "X-Rewrite-URL: /public/x",
        "X-Original-URL: /public/x",
        "X-Forwarded-Uri: /public/x",
        "X-Forwarded-Path: /public/x",
        "X-Forwarded-Method: OPTIONS",
        "X-Original-Method: OPTIONS",
        "X-HTTP-Method-Override: OPTIONS",
        "X-Envoy-Internal: true",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-User: alice",
        "X-Remote-User: alice",
        "Remote-User: alice",
    ] {
        let reply = stage.get("/app/x", &format!("{field}\r\n")).await;
        assert_eq!(reply.status, 401, "{field}: {reply:?}");
    }
    stage.finish_untouched().await;
}

/// ID-claim-crlf, ID-claim-rolecrlf, ID-claim-uidcrlf: for our own tokens, what a claim says of
/// name and roles counts for nothing.
#[tokio::test]
async fn what_the_store_says_counts_and_not_what_a_token_says() {
    let stage = Stage::start().await;
    let mut lying = claims("1");
    lying["username"] = json!("evil\r\nX-User-Id: evil");
    lying["email"] = json!("evil");
    lying["roles"] = json!(["admin", "evil\r\nX-Evil: 1", "a,admin"]);
    lying["is_superuser"] = json!(true);
    assert_eq!(stage.get_as("/app/x", &mint(&lying)).await.status, 200);
    assert_eq!(stage.get_as("/admin-area/x", &mint(&lying)).await.status, 403);
    for user in ["1\r\nX-User-Id: 2", "01", "+1", " 1", "1 ", "1,2", "alice", "-1", "1.0", ""] {
        let reply = stage.get_as("/app/x", &mint(&claims(user))).await;
        assert_eq!(reply.status, 401, "{user:?}: {reply:?}");
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 1);
    for (name, value) in IDENTITY {
        assert_eq!(seen[0].one(name), value);
    }
}

#[tokio::test]
async fn a_table_of_ones_own_names_the_headers() {
    let table =
        "[identity]\nX-Who = \"username\"\nRemote-User = \"user_id\"\nX-Tenant = \"tenant\"\n";
    let stage = Stage::with(|policy| policy.and(table)).await;
    let tenant = "Süd, \"50%\"\r\nX-Evil: 1";
    let change = UserChange::SetClaim { name: "tenant".to_owned(), value: tenant.to_owned() };
    stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    let bob = stage.user("Jürgen", &[]).await;
    let bob = mint(&claims(&bob.id.to_string()));
    let lies = "X-Who: evil\r\nx_who: evil\r\nREMOTE_USER: evil\r\nRemote.User: evil\r\n\
        X-User-Id: evil\r\nX-Tenant: evil\r\nConnection: X-Who, Remote-User, X-Tenant\r\n";
    for token in [&stage.token, &bob] {
        let fields = format!("{lies}Authorization: Bearer {token}\r\n");
        assert_eq!(stage.get("/app/x", &fields).await.status, 200);
    }
    assert_eq!(stage.get("/public/x", lies).await.status, 200);
    let seen = stage.finish().await;
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    assert_eq!((seen[0].one("x-who"), seen[0].one("remote-user")), ("alice", "1"));
    assert_eq!(seen[0].one("x-tenant"), "S%C3%BCd,%20\"50%25\"%0D%0AX-Evil:%201");
    assert_eq!((seen[1].one("x-who"), seen[1].one("remote-user")), ("J%C3%BCrgen", "2"));
    assert!(!seen[1].has("x-tenant") && !seen[2].has("x-who"), "{seen:?}");
    assert!(seen.iter().all(|request| !request.has("x-user-id")), "{seen:?}");
}

#[tokio::test]
async fn names_with_underscores_pass_only_where_a_route_says_so() {
    let route =
        "[routes.\"/loose/*\"]\nto = \"up\"\nallow = \"anyone\"\nunderscores = \"forward\"\n";
    let stage = Stage::with(|policy| policy.and(route)).await;
    let fields = "X_Custom: 1\r\nX_User_Id: evil\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n\
        X_Forwarded_For: evil\r\nX_Real_IP: evil\r\nX_HTTP_Method_Override: DELETE\r\n\
        X_Original_URL: /admin\r\nAUTHORIZATION_: 1\r\nProxy_Connection: evil\r\n\
        X_Request_Id: evil\r\nX_Request-Id: evil\r\n";
    for path in ["/public/x", "/loose/x"] {
        assert_eq!(stage.get(path, fields).await.status, 200);
    }
    let seen = stage.finish().await;
    let with_underscores = |at: usize| {
        let names = seen[at].headers.iter().map(|(name, _)| name.to_ascii_lowercase());
        names.filter(|name| name.contains('_')).collect::<Vec<_>>()
    };
    assert_eq!(with_underscores(0), Vec::<String>::new());
    assert_eq!(with_underscores(1), ["x_custom", "authorization_"]);
}

#[tokio::test]
async fn a_credential_goes_on_only_where_a_route_says_so() {
    let route = "[routes.\"/through/*\"]\nto = \"up\"\ncredential = \"forward\"\n";
    let stage = Stage::with(|policy| policy.and(route)).await;
    assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    assert_eq!(stage.get_as("/public/x", &stage.token).await.status, 200);
    assert_eq!(stage.get_as("/through/x", &stage.token).await.status, 200);
    let bearer = format!("Bearer {}", stage.token);
    let seen = stage.finish().await;
    assert!(!seen[0].has("authorization") && !seen[1].has("authorization"), "{seen:?}");
    assert_eq!(seen[2].one("authorization"), bearer);
}

#[tokio::test]
async fn a_foreign_credential_is_the_upstreams_business_on_a_public_route_alone() {
    let stage = Stage::start().await;
    for foreign in ["Basic YTpi", "Digest username=\"a\"", "Negotiate abc"] {
        let field = format!("Authorization: {foreign}\r\n");
        assert_eq!(stage.get("/public/x", &field).await.status, 200, "{foreign}");
        assert_eq!(stage.get("/app/x", &field).await.status, 401, "{foreign}");
    }
    for broken in ["Bearer", "Bearer x", "bearer a b", "BEARER a.b.c", "Bearer a, Bearer b"] {
        let reply = stage.get("/public/x", &format!("Authorization: {broken}\r\n")).await;
        assert_eq!(reply.status, 401, "{broken}: {reply:?}");
        assert!(reply.one("www-authenticate").contains("error=\"invalid_token\""), "{reply:?}");
    }
    let both = format!("Authorization: Basic YTpi\r\nAuthorization: Bearer {}\r\n", stage.token);
    assert_eq!(stage.get("/public/x", &both).await.status, 401);
    let seen = stage.finish().await;
    let credentials: Vec<_> = seen.iter().map(|request| request.one("authorization")).collect();
    assert_eq!(credentials, ["Basic YTpi", "Digest username=\"a\"", "Negotiate abc"]);
}
