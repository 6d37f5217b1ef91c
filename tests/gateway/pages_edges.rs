//! Browsers at the edges: HTTP/2, TLS, lost answers, reloads, other credentials.

use std::time::Duration;

use portcullis::store::UserChange;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::live::{EVENTS, end, passes};
use super::pages::{ROUTES, alice, asks_to_sign_in, stage};
use crate::common::browser::{Browser, COOKIE};
use crate::common::h2::{END_STREAM, H2Conn, Outcome, get};
use crate::common::tls::{Pair, connect};
use crate::common::{PASSWORD, Policy, Setup, Stage, Upstream, soon};

fn cookie(browser: &Browser) -> String {
    format!("{COOKIE}={}", browser.token().expect("signed in"))
}

#[tokio::test]
async fn pages_of_others_open_nothing_over_http2_either() {
    let stage = stage().await;
    let held = cookie(&alice(&stage).await);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    for origin in [None, Some("http://evil.test"), Some("null"), Some("http://a.test:81")] {
        let mut handshake = vec![
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "a.test"),
            (":path", "/web/ws/x"),
            ("sec-websocket-version", "13"),
            ("cookie", &*held),
        ];
        let mut form = vec![
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a.test"),
            (":path", "/web/x"),
            ("cookie", &*held),
        ];
        for fields in [&mut handshake, &mut form] {
            fields.extend(origin.map(|origin| ("origin", origin)));
            let stream = client.request(fields, END_STREAM).await;
            assert_eq!(client.status(stream).await, 403, "{origin:?}");
        }
    }
    // In pieces, as HTTP/2 allows, two cookies are two.
    let mut request = get("/web/x");
    request.extend([("cookie", &*held), ("cookie", "a=1"), ("cookie", &*held)]);
    assert!(matches!(client.ask(&request).await, Outcome::Answer(400, _)));
    let mut request = get("/web/x");
    request.extend([("cookie", "b=2"), ("cookie", &*held), ("cookie", "a=1")]);
    assert!(matches!(client.ask(&request).await, Outcome::Answer(200, _)));
    drop(client);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].all("cookie"), ["b=2; a=1"]);
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_this_host_and_for_tls_alone() {
    let pair = Pair::new(&["a.test"]);
    let upstream = Upstream::start().await;
    let top = "public = \"https://a.test\"\nlisten = [{ addr = \"127.0.0.1:0\", tls = true }]\n";
    let files = "[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n";
    let policy = Policy::to(&upstream).top(top).and(&format!("{files}{ROUTES}"));
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    let stage = Stage::of(upstream, setup.binds()).await;
    let ask = async |request: String| {
        let mut stream =
            connect(stage.gateway.addr, "a.test", pair.client(&["http/1.1"])).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        soon("an answer", stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let body = format!("username=alice&password={}", PASSWORD.replace(' ', "+"));
    let post = |origin: &str| {
        format!(
            "POST /auth/sign-in/ HTTP/1.1\r\nHost: a.test\r\nOrigin: {origin}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(ask(post("http://a.test")).await.starts_with("HTTP/1.1 403 "));
    let answer = ask(post("https://a.test")).await;
    let start = "set-cookie: __Host-portcullis=";
    let field = answer.lines().find_map(|line| line.strip_prefix(start)).expect("a cookie");
    let (token, attributes) = field.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=86400; HttpOnly; SameSite=Lax; Secure");
    let look = |cookie: String| {
        format!(
            "GET /web/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        )
    };
    // The name without the prefix may come from anywhere, and counts for nothing.
    assert!(ask(look(format!("{COOKIE}={token}"))).await.starts_with("HTTP/1.1 401 "));
    assert!(ask(look(format!("__Host-{COOKIE}={token}"))).await.starts_with("HTTP/1.1 200 "));
    stage.finish().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_or_slow_logs_nobody_out() {
    let stage = stage().await;
    let (gateway, clock) = (&stage.gateway, stage.gateway.clock());
    let lost = alice(&stage).await;
    clock.advance(Duration::from_secs(31 * 60));
    // Its answer never comes; minutes later the browser still has the cookie from before.
    assert_eq!(lost.clone().go(gateway, "/web/x").await.status, 200);
    clock.advance(Duration::from_secs(5 * 60));
    let mut browser = lost.clone();
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    assert_ne!(browser.token(), lost.token());
    clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(lost.clone().go(gateway, "/web/x").await.status, 200, "nobody had the successor");
    // Now the browser shows that it has it; who comes with the old one later has a copy.
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    clock.advance(Duration::from_secs(9));
    assert_eq!(lost.clone().go(gateway, "/web/x").await.status, 200, "under way at that moment");
    clock.advance(Duration::from_secs(2));
    asks_to_sign_in(&lost.clone().go(gateway, "/web/x").await, "/web/x");
    asks_to_sign_in(&browser.go(gateway, "/web/x").await, "/web/x");
    stage.finish().await;
}

#[tokio::test]
async fn what_a_page_loads_takes_no_cookie_away() {
    let stage = stage().await;
    let mut browser = Browser::new();
    browser.cookies.insert(COOKIE.to_owned(), "gone".to_owned());
    let script = "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n";
    let reply = browser.send(&stage.gateway, "GET", "/web/x", script, "").await;
    assert_eq!((reply.status, reply.all("set-cookie").len()), (401, 0), "{reply:?}");
    asks_to_sign_in(&browser.go(&stage.gateway, "/web/x").await, "/web/x");
    assert_eq!(browser.token(), None);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_is_shut_out_or_changed_is_so_at_the_next_request() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = alice(&stage).await;
    assert_eq!(browser.go(gateway, "/web/admin/x").await.status, 403);
    let id = stage.alice.id;
    gateway.accounts.change(id, UserChange::AddRole("admin".to_owned())).await.unwrap();
    assert_eq!(browser.go(gateway, "/web/admin/x").await.status, 200);
    gateway.accounts.change(id, UserChange::Active(false)).await.unwrap();
    asks_to_sign_in(&browser.clone().go(gateway, "/web/x").await, "/web/x");
    gateway.accounts.change(id, UserChange::Active(true)).await.unwrap();
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_reload_may_take_it_all_back() {
    let upstream = Upstream::start().await;
    let bare = Policy::to(&upstream);
    let stage = Stage::before(upstream, |policy| policy.and(ROUTES)).await;
    let mut browser = alice(&stage).await;
    assert_eq!(browser.go(&stage.gateway, "/web/x").await.status, 200);
    let more = "[routes.\"/web/*\"]\nto = \"up\"\n[routes.\"/web/open/*\"]\nto = \"up\"\nallow = \"anyone\"\n";
    stage.gateway.reload(&bare.and(more));
    assert_eq!(browser.go(&stage.gateway, "/web/x").await.status, 401);
    assert_eq!(browser.go(&stage.gateway, "/auth/").await.status, 404);
    // Browsers go on sending what they have, and upstreams still see nothing of it.
    assert_eq!(browser.go(&stage.gateway, "/web/open/x").await.status, 200);
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.has("cookie")), "{seen:?}");
}

#[tokio::test]
async fn a_stream_ends_where_its_cookie_opens_nothing_any_more() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(ROUTES)).await;
    let reload = |routes: &str| {
        stage.gateway.reload(&Policy::to(&stage.upstream).and(routes));
    };
    let held = cookie(&alice(&stage).await);
    let mut client = stage.connect().await;
    client.write(format!("GET /web/x HTTP/1.1\r\nHost: a.test\r\nCookie: {held}\r\n\r\n")).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(EVENTS).await;
    assert_eq!(client.reply_head().await.status, 200);
    // Another reload is none of its business.
    reload(&ROUTES.replace("15m", "20m"));
    passes(&mut client, &mut server).await;
    // Cookies are for the other routes still.
    let (mine, others) = ROUTES.split_once("browser = true\n").expect("the first route");
    reload(&format!("{mine}{others}"));
    assert_eq!(client.chunk().await, b"");
    server.closed().await;
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn another_credential_beside_the_cookie_is_the_upstreams() {
    let stage = stage().await;
    let mut browser = alice(&stage).await;
    browser.fields.push_str("Authorization: Basic eDp5\r\n");
    assert_eq!(browser.go(&stage.gateway, "/web/x").await.status, 200);
    assert_eq!(browser.go(&stage.gateway, "/auth/").await.status, 200);
    let seen = stage.finish().await;
    assert_eq!((seen[0].one("authorization"), seen[0].one("x-user-name")), ("Basic eDp5", "alice"));
}

#[tokio::test]
async fn a_form_that_comes_too_late_is_refused_in_words() {
    let stage = stage().await;
    let mut browser = Browser::new();
    let fields =
        "Origin: http://a.test\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let reply = browser.post_from(&stage.gateway, "/web/admin/x", fields, &[]).await;
    assert_eq!(reply.status, 401);
    browser.sign_in(&stage.gateway, "alice", PASSWORD).await;
    let reply = browser.post_from(&stage.gateway, "/web/admin/x", fields, &[]).await;
    assert_eq!((reply.status, reply.one("content-type")), (403, "text/html; charset=utf-8"));
    assert!(reply.text().contains("alice"), "whoever is in can leave: {reply:?}");
    // A target that is too long to be remembered is forgotten, and not more.
    let long = format!("/web/x?y={}", "%41".repeat(700));
    let reply = Browser::new().go(&stage.gateway, &long).await;
    assert_eq!((reply.status, reply.one("location")), (302, "/auth/sign-in/"));
    let body = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(stage.post("/api/auth/token/", &body).await.status, 200);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn where_other_proxies_ask_the_cookie_is_no_credential() {
    let top = "trust = [\"127.0.0.1\"]\n";
    let asked = format!("[forward_auth]\npath = \"/check\"\n{ROUTES}");
    let stage = Stage::with(|policy| policy.top(top).and(&asked)).await;
    let browser = alice(&stage).await;
    let (access, _) = stage.log_in("alice").await;
    let question = |credential: String| {
        format!(
            "X-Forwarded-Method: GET\r\nX-Forwarded-Host: a.test\r\nX-Forwarded-Uri: /web/x\r\n{credential}"
        )
    };
    let reply = stage.get("/check", &question(format!("Cookie: {}\r\n", cookie(&browser)))).await;
    assert_eq!((reply.status, reply.all("set-cookie").len()), (401, 0), "{reply:?}");
    let said = question(format!("Authorization: Bearer {access}\r\n"));
    let mut asking = stage.connect().await;
    asking.write(format!("GET /check HTTP/1.1\r\nHost: a.test\r\n{said}\r\n")).await;
    assert!(asking.head().await.starts_with("HTTP/1.1 200 "));
    drop(asking);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn without_rotation_a_cookie_lasts_as_long_as_a_refresh_token() {
    let more = format!("{ROUTES}[auth]\nrotation = false\nrefresh = \"2h\"\n");
    let stage = Stage::with(|policy| policy.and(&more)).await;
    let (gateway, clock) = (&stage.gateway, stage.gateway.clock());
    let mut browser = alice(&stage).await;
    for _ in 0..2 {
        clock.advance(Duration::from_secs(59 * 60));
        let reply = browser.go(gateway, "/web/x").await;
        assert_eq!((reply.status, reply.all("set-cookie").len()), (200, 0), "{reply:?}");
    }
    clock.advance(Duration::from_secs(2 * 60));
    asks_to_sign_in(&browser.go(gateway, "/web/x").await, "/web/x");
    stage.finish().await;
}
