//! Browsers: who signs in on a page comes in by a cookie, and pages of others do not.

use std::time::Duration;

use serde_json::json;

use super::websocket::handshake;
use crate::common::browser::{Browser, COOKIE};
use crate::common::{Act, PASSWORD, Reply, Stage, TestGateway, Upstream};

pub(super) const ROUTES: &str = "[pages]\nname = \"Example\"\n\
    [routes.\"/web/*\"]\nto = \"up\"\nbrowser = true\n\
    [routes.\"/web/open/*\"]\nto = \"up\"\nbrowser = true\nallow = \"anyone\"\n\
    [routes.\"/web/admin/*\"]\nto = \"up\"\nbrowser = true\nallow = \"role:admin\"\n\
    [routes.\"/web/danger/*\"]\nto = \"up\"\nbrowser = true\nfresh = \"15m\"\n\
    [routes.\"/web/ws/*\"]\nto = \"up\"\nbrowser = true\nwebsocket = true\n";

pub(super) async fn stage() -> Stage {
    Stage::with(|policy| policy.and(ROUTES)).await
}

/// Alice, signed in.
pub(super) async fn alice(stage: &Stage) -> Browser {
    let mut browser = Browser::new();
    let reply = browser.sign_in(&stage.gateway, "alice", PASSWORD).await;
    assert_eq!((reply.status, reply.one("location")), (303, "/auth/"), "{reply:?}");
    assert!(browser.token().is_some(), "{reply:?}");
    browser
}

/// A form has signed somebody in, who goes on by way of a page of ours: what is there may redirect
/// to another origin, which browsers would hold against the form.
async fn goes_on(browser: &mut Browser, gateway: &TestGateway, reply: &Reply, next: &str) {
    let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let way = format!("/auth/sign-in/?done=in&next={query}");
    assert_eq!((reply.status, reply.one("location")), (303, &*way), "{reply:?}");
    let page = browser.go(gateway, &way).await;
    assert_eq!((page.status, page.one("refresh")), (200, &*format!("0;url={next}")), "{page:?}");
    // Who comes there by a link is redirected, as often as the browser likes.
    let reply = browser.go(gateway, &format!("/auth/sign-in/?next={query}")).await;
    assert_eq!((reply.status, reply.one("location")), (303, next), "{reply:?}");
}

/// The page where one signs in, and the way back.
#[track_caller]
pub(super) fn asks_to_sign_in(reply: &Reply, next: &str) {
    let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let to = format!("/auth/sign-in/?next={next}");
    assert_eq!((reply.status, reply.one("location")), (302, &*to), "{reply:?}");
    assert_eq!(reply.one("cache-control"), "no-store");
}

#[tokio::test]
async fn a_browser_is_asked_to_sign_in_and_goes_on_from_where_it_was() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    asks_to_sign_in(&browser.go(gateway, "/web/%78?y=1&z=%2f").await, "/web/x?y=1&z=%2f");
    let page = browser.go(gateway, "/auth/sign-in/?next=%2Fweb%2Fx%3Fy%3D1").await;
    assert_eq!((page.status, page.one("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.one("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("; script-src 'self'; style-src 'self'; "), "{policy}");
    assert!(page.text().contains(r#"name="next" value="&#x2f;web&#x2f;x?y=1""#), "{page:?}");
    let form = [("username", "alice"), ("password", PASSWORD), ("next", "/web/x?y=1")];
    let reply = browser.post(gateway, "/auth/sign-in/", &form).await;
    goes_on(&mut browser, gateway, &reply, "/web/x?y=1").await;
    let cookie = reply.all("set-cookie").into_iter().find(|it| it.starts_with(COOKIE)).unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"), "{cookie}");
    browser.cookies.insert("theirs".to_owned(), "1".to_owned());
    let reply = browser.go(gateway, "/web/x?y=1").await;
    assert_eq!((reply.status, reply.one("vary")), (200, "Authorization, Cookie"));
    // Where no browser is meant, the cookie is none of a credential.
    assert_eq!(browser.go(gateway, "/app/x").await.status, 401);
    assert_eq!(browser.go(gateway, "/public/x").await.status, 200);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(request.all("cookie"), ["theirs=1"]);
    }
    assert_eq!(seen[0].all("x-user-name"), ["alice"]);
    assert!(seen[1].all("x-user-name").is_empty());
}

#[tokio::test]
async fn programs_and_scripts_are_told_in_json() {
    let stage = stage().await;
    for fields in [
        "",
        "Accept: */*\r\n",
        "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept: text/html\r\n",
        "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
    ] {
        let reply = stage.get("/web/x", fields).await;
        assert_eq!((reply.status, reply.one("content-type")), (401, "application/json"));
        let reply = stage.get("/nowhere", fields).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (404, Some("no_route")));
    }
    let mut browser = Browser::new();
    let navigation = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    let reply = browser.send(&stage.gateway, "POST", "/web/x", navigation, "").await;
    assert_eq!((reply.status, reply.one("content-type")), (401, "application/json"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_is_refused_reads_why() {
    let stage = stage().await;
    let mut browser = alice(&stage).await;
    browser.fields.push_str("Accept-Language: de-AT, en;q=0.5\r\n");
    for (target, status, text) in [
        ("/web/admin/x", 403, "Sie haben keinen Zugang"),
        ("/nowhere", 404, "Nicht gefunden"),
        ("/auth/nowhere/", 404, "Nicht gefunden"),
    ] {
        let reply = browser.go(&stage.gateway, target).await;
        assert_eq!((reply.status, reply.one("content-language")), (status, "de"), "{target}");
        assert!(reply.text().contains(text), "{reply:?}");
        assert_eq!(reply.one("x-frame-options"), "DENY");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_counted_as_everywhere() {
    let stage = Stage::with(|policy| policy.account_throttle("2/15m").and(ROUTES)).await;
    let mut browser = Browser::new();
    for name in ["alice", "nobody"] {
        for _ in 0..2 {
            let reply = browser.sign_in(&stage.gateway, name, "<wrong>").await;
            assert_eq!(reply.status, 400, "{reply:?}");
            let page = reply.text();
            assert!(page.contains("Invalid credentials") && page.contains(name), "{page}");
            assert!(!page.contains("wrong"), "{page}");
            assert!(reply.all("set-cookie").is_empty());
        }
        let reply = browser.sign_in(&stage.gateway, name, PASSWORD).await;
        assert_eq!((reply.status, reply.one("retry-after")), (429, "450"), "{reply:?}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn pages_of_others_have_no_browser_act() {
    let stage = stage().await;
    let mut browser = alice(&stage).await;
    let token = browser.token().unwrap().to_owned();
    for from in [
        "",
        "Origin: http://evil.test\r\n",
        "Origin: null\r\n",
        "Origin: null\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: http://a.test\r\nSec-Fetch-Site: same-site\r\n",
        "Origin: https://a.test\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        let reply = browser.post_from(&stage.gateway, "/web/x", from, &[]).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (403, Some("cross_site")));
        let fields = format!("{from}Cookie: {COOKIE}={token}\r\n");
        let reply = stage.send(handshake("/web/ws/x", &fields)).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (403, Some("cross_site")));
        // Nor has anybody's page somebody sign in as somebody else, or sign out.
        let form = [("username", "alice"), ("password", PASSWORD)];
        for page in ["/auth/sign-in/", "/auth/sign-out/", "/auth/account/sessions/"] {
            let reply = browser.post_from(&stage.gateway, page, from, &form).await;
            assert_eq!((reply.status, reply.all("set-cookie").len()), (403, 0), "{page}");
        }
    }
    assert_eq!(browser.go(&stage.gateway, "/web/x").await.status, 200);
    let reply = browser.post(&stage.gateway, "/web/x", &[("a", "b")]).await;
    assert_eq!(reply.status, 200);
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn a_web_socket_is_opened_by_our_own_pages() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(ROUTES)).await;
    let browser = alice(&stage).await;
    let token = browser.token().unwrap();
    let fields = format!("Origin: http://a.test\r\nCookie: {COOKIE}={token}; a=1\r\n");
    let mut client = stage.connect().await;
    client.write(handshake("/web/ws/x", &fields)).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await.to_ascii_lowercase();
    assert!(head.contains("x-user-name: alice") && head.contains("cookie: a=1\r\n"), "{head}");
    server.write(super::websocket::switching(super::websocket::PROOF)).await;
    assert_eq!(client.reply_head().await.status, 101);
    // The end of the session is the end of it.
    let mut other = browser.clone();
    other.post(&stage.gateway, "/auth/sign-out/", &[]).await;
    assert_eq!(client.rest().await, b"\x88\x02\x03\xf0", "1008");
    super::websocket::end(stage).await;
}

#[tokio::test]
async fn one_cookie_is_one_credential() {
    let stage = stage().await;
    let browser = alice(&stage).await;
    let cookie = browser.token().unwrap();
    let (access, _) = stage.log_in("alice").await;
    for fields in [
        format!("Cookie: {COOKIE}={cookie}; {COOKIE}=x\r\n"),
        format!("Cookie: {COOKIE}={cookie}\r\nCookie: {COOKIE}={cookie}\r\n"),
        format!("Cookie: {COOKIE}={cookie}\r\nAuthorization: Bearer {access}\r\n"),
        format!("Cookie: {COOKIE}={cookie}\r\nAuthorization: Bearer\r\n"),
    ] {
        let reply = stage.get("/web/x", &fields).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (400, Some("ambiguous_cookie")));
    }
    let reply = stage.get("/auth/", &format!("Cookie: {COOKIE}=a; {COOKIE}=b\r\n")).await;
    assert_eq!(reply.status, 400);
    // Neither is the other.
    assert_eq!(stage.get_as("/app/x", cookie).await.status, 401);
    assert_eq!(stage.get("/web/x", &format!("Cookie: {COOKIE}={cookie}\r\n")).await.status, 200);
    assert_eq!(stage.get_as("/app/x", cookie).await.status, 401, "known as a cookie alone");
    for token in [access.as_str(), "x", "a.b.c", &stage.token] {
        let reply = stage.get("/web/x", &format!("Cookie: {COOKIE}={token}\r\n")).await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (401, None), "{token}");
        assert!(reply.all("set-cookie").is_empty(), "{reply:?}");
    }
    assert_eq!(stage.finish().await.len(), 1);
}

#[tokio::test]
async fn upstreams_neither_see_nor_set_our_cookies() {
    let upstream = Upstream::scripted(|_| {
        Act::answer(
            "HTTP/1.1 200 OK\r\nSet-Cookie: portcullis=evil; Path=/\r\nSet-Cookie: a=1\r\n\
             Set-Cookie: __Host-Portcullis=evil; Secure\r\nContent-Length: 0\r\n\r\n",
        )
    });
    let stage = Stage::before(upstream.await, |policy| policy.and(ROUTES)).await;
    let cookies = "Cookie: portcullis-device=x; b=2; Portcullis=y\r\n";
    for path in ["/public/x", "/web/open/x"] {
        let reply = stage.get(path, cookies).await;
        assert_eq!((reply.status, reply.all("set-cookie")), (200, vec!["a=1"]), "{path}");
    }
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| request.all("cookie") == ["b=2"]), "{seen:?}");
}

#[tokio::test]
async fn a_session_is_renewed_unseen_and_a_spent_cookie_ends_it() {
    let stage = stage().await;
    let (gateway, clock) = (&stage.gateway, stage.gateway.clock());
    let mut browser = alice(&stage).await;
    let first = browser.clone();
    clock.advance(Duration::from_secs(30 * 60 - 1));
    assert!(browser.go(gateway, "/web/x").await.all("set-cookie").is_empty());
    clock.advance(Duration::from_secs(1));
    let reply = browser.go(gateway, "/web/x").await;
    assert_eq!((reply.status, reply.one("cache-control")), (200, "no-store"));
    assert_ne!(browser.token(), first.token());
    // What was under way at the same time gets the same successor, whatever becomes of it.
    for target in ["/web/x", "/web/admin/x", "/auth/"] {
        let mut tab = first.clone();
        let reply = tab.go(gateway, target).await;
        assert!(reply.one("set-cookie").starts_with(COOKIE), "{reply:?}");
        assert_eq!(tab.go(gateway, "/web/x").await.status, 200, "{target}");
    }
    clock.advance(Duration::from_secs(11));
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    let mut thief = first.clone();
    asks_to_sign_in(&thief.go(gateway, "/web/x").await, "/web/x");
    assert_eq!(thief.token(), None, "taken away");
    asks_to_sign_in(&browser.go(gateway, "/web/x").await, "/web/x");
    stage.finish().await;
}

#[tokio::test]
async fn what_ends_sessions_ends_those_of_browsers() {
    let stage = stage().await;
    let mut browser = alice(&stage).await;
    assert_eq!(browser.go(&stage.gateway, "/web/x").await.status, 200);
    let (access, _) = stage.log_in("alice").await;
    assert_eq!(stage.ask("POST", "logout/all/", Some(&access), Some(&json!({}))).await.status, 200);
    // A route for anybody serves it as nobody, and says nothing of it.
    let reply = browser.clone().go(&stage.gateway, "/web/open/x").await;
    assert_eq!((reply.status, reply.all("set-cookie").len()), (200, 1));
    asks_to_sign_in(&browser.go(&stage.gateway, "/web/x").await, "/web/x");
    assert_eq!(browser.token(), None);
    let seen = stage.finish().await;
    assert!(seen[1].all("x-user-name").is_empty(), "{seen:?}");
}

#[tokio::test]
async fn what_asks_for_a_recent_login_asks_for_the_password_once_more() {
    let stage = stage().await;
    let (gateway, clock) = (&stage.gateway, stage.gateway.clock());
    let mut browser = alice(&stage).await;
    let before = browser.clone();
    assert_eq!(browser.go(gateway, "/web/danger/x").await.status, 200);
    clock.advance(Duration::from_secs(16 * 60));
    let reply = browser.go(gateway, "/web/danger/x").await;
    let to = "/auth/sign-in/?next=%2Fweb%2Fdanger%2Fx&anew=1";
    assert_eq!((reply.status, reply.one("location")), (302, to));
    let page = browser.go(gateway, to).await.text();
    assert!(page.contains("Confirm that it is you") && page.contains("value=\"alice\""), "{page}");
    let wrong = [("username", "alice"), ("password", "x"), ("anew", "1")];
    let page = browser.post(gateway, "/auth/sign-in/", &wrong).await;
    assert!(page.status == 400 && page.text().contains("Confirm that it is you"), "{page:?}");
    let form =
        [("username", "alice"), ("password", PASSWORD), ("anew", "1"), ("next", "/web/danger/x")];
    let reply = browser.post(gateway, "/auth/sign-in/", &form).await;
    goes_on(&mut browser, gateway, &reply, "/web/danger/x").await;
    assert_eq!(browser.go(gateway, "/web/danger/x").await.status, 200);
    // Another session: the one before is over.
    let mut before = before;
    asks_to_sign_in(&before.go(gateway, "/web/x").await, "/web/x");
    stage.finish().await;
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let stage = stage().await;
    for next in
        ["//evil.test", "/\\evil.test", "https://evil.test/", "/%2F/evil.test", "/a\r\nX: y"]
    {
        let mut browser = Browser::new();
        let form = [("username", "alice"), ("password", PASSWORD), ("next", next)];
        let reply = browser.post(&stage.gateway, "/auth/sign-in/", &form).await;
        assert_eq!((reply.status, reply.one("location")), (303, "/auth/"), "{next}");
        let query: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let target = format!("/auth/sign-in/?next={query}");
        let reply = browser.go(&stage.gateway, &target).await;
        assert_eq!((reply.status, reply.one("location")), (303, "/auth/"), "{next}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_page_takes_forms_and_nothing_else() {
    let stage = stage().await;
    let mut browser = Browser::new();
    let from = "Origin: http://a.test\r\n";
    let json = format!("{from}Content-Type: application/json\r\n");
    let reply = browser.send(&stage.gateway, "POST", "/auth/sign-in/", &json, "{}").await;
    assert_eq!(reply.status, 415);
    let form = format!("{from}Content-Type: application/x-www-form-urlencoded\r\n");
    let large = "a".repeat(65 * 1024);
    let reply = browser.send(&stage.gateway, "POST", "/auth/sign-in/", &form, &large).await;
    assert_eq!(reply.status, 413);
    let reply = browser.send(&stage.gateway, "PUT", "/auth/sign-in/", &form, "").await;
    assert_eq!((reply.status, reply.one("allow")), (405, "GET, HEAD, POST"));
    let reply = browser.send(&stage.gateway, "POST", "/auth/", &form, "").await;
    assert_eq!((reply.status, reply.one("allow")), (405, "GET, HEAD"));
    stage.finish_untouched().await;
}
