//! What readers are shown in place of a bare refusal, and what operators make of the pages.

use std::time::Duration;

use crate::common::browser::Browser;
use crate::common::{Act, PASSWORD, Policy, Setup, Stage, Upstream, soon};

use super::pages_admin::{ada, goes_to, page, says, stage_with};

const ROUTES: &str = "[pages]\n[routes.\"/web/*\"]\nto = \"up\"\nbrowser = true\nallow = \"anyone\"\n\
    [routes.\"/web/seldom/*\"]\nto = \"up\"\nbrowser = true\nallow = \"anyone\"\nrate = \"1/h per ip\"\n";

#[tokio::test]
async fn who_asks_too_often_or_in_vain_reads_why() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/web/silent" => Act::Hang,
        "/web/broken" => Act::AnswerAndClose(b"HTTP/1.1 200".to_vec()),
        _ => Act::ok("ok"),
    })
    .await;
    let keys = "timeout = \"150ms\"";
    let stage = Stage::before(upstream, |policy| policy.upstream(keys).and(ROUTES)).await;
    let mut browser = Browser::new();
    assert_eq!(browser.go(&stage.gateway, "/web/seldom/x").await.status, 200);
    for (target, status, code, title) in [
        ("/web/seldom/x", 429, "throttled", "Too many requests"),
        ("/web/broken", 502, "upstream_failed", "Out of order"),
        ("/web/silent", 504, "upstream_timeout", "No answer"),
    ] {
        let reply = browser.go(&stage.gateway, target).await;
        assert_eq!(reply.one("content-type"), "text/html; charset=utf-8", "{target}");
        says(&page(&reply, status), &[code, title]);
        assert_eq!(reply.all("retry-after").len(), usize::from(status == 429), "{target}");
        // A program is told the same in its own way.
        let reply = stage.get(target, "Accept: */*\r\n").await;
        assert_eq!((reply.status, reply.json()["code"].as_str()), (status, Some(code)));
    }
    stage.finish().await;
}

#[tokio::test]
async fn who_comes_while_a_server_has_no_room_reads_why() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/web/first" => Act::Hang,
        _ => Act::ok("ok"),
    })
    .await;
    let keys = "in_flight = 1, queue = 0";
    let stage = Stage::before(upstream, |policy| policy.upstream(keys).and(ROUTES)).await;
    let mut first = stage.connect().await;
    first.write("GET /web/first HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    soon("the first request", async {
        while stage.upstream.seen().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let reply = Browser::new().go(&stage.gateway, "/web/second").await;
    says(&page(&reply, 503), &["upstream_full", "Unavailable"]);
    assert_eq!(reply.all("retry-after").len(), 1, "{reply:?}");
    drop(first);
    stage.finish().await;
}

#[tokio::test]
async fn who_comes_while_there_is_too_much_to_do_reads_why() {
    let upstream = Upstream::by_hand().await;
    let limits = "[pages]\n[limits]\nin_flight = 1\n";
    let stage =
        Stage::before(upstream, |policy| policy.upstream("keep_alive = 0").and(limits)).await;
    let mut alice = Browser::new();
    alice.sign_in(&stage.gateway, "alice", PASSWORD).await;
    let mut first = stage.connect().await;
    first.write("GET /public/first HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    // Whatever they want, and whoever they are.
    for (language, title) in [("en", "Unavailable"), ("de", "Nicht erreichbar")] {
        alice.fields = format!("Accept-Language: {language}\r\n");
        let went = alice.go(&stage.gateway, "/public/x").await;
        let form = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
        let to = "/auth/account/email/";
        let sent = alice.post_from(&stage.gateway, to, form, &[("email", "x")]).await;
        for reply in [went, sent] {
            assert_eq!(reply.one("content-type"), "text/html; charset=utf-8");
            assert_eq!(reply.one("content-language"), language);
            assert_eq!((reply.one("retry-after"), reply.one("connection")), ("1", "close"));
            let text = page(&reply, 503);
            says(&text, &["overloaded", title, "style-"]);
            assert!(!text.contains("alice"), "{text}");
        }
    }
    // Programs are told in their own way.
    let reply = stage.get("/public/x", "Accept: application/json\r\n").await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (503, Some("overloaded")));
    stage.gateway.shows("portcullis_refusals_total{code=\"overloaded\"} 5").await;
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(first.reply().await.status, 200);
    drop((first, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// One of the operator's own templates, and a logo.
#[tokio::test]
async fn operators_have_pages_of_their_own() {
    let upstream = Upstream::start().await;
    let pages = "[pages]\nname = \"Orchard\"\naccent = \"#a02040\"\nlogo = \"mark.svg\"\ntemplates = \"own\"\n";
    let setup = Setup::new(&Policy::to(&upstream).and(pages));
    std::fs::create_dir(setup.folder().join("own")).unwrap();
    let template = "<p id=\"own\">Hello from {{ texts|length }} <b>{{ code }}</b></p>\n";
    let mark = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    let setup = setup.file("own/notice.html", template).file("mark.svg", mark);
    let stage = Stage::of(upstream, setup).await;
    let mut browser = Browser::new();
    let text = page(&browser.go(&stage.gateway, "/auth/nowhere/").await, 404);
    says(&text, &["<p id=\"own\">Hello from 1 <b>not_found</b></p>", "Orchard"]);
    // The others are as they were.
    let text = page(&browser.go(&stage.gateway, "/auth/sign-in/").await, 200);
    says(&text, &["name=\"password\"", "Orchard"]);
    let asset = |start: &str| {
        let from = text.find(start).unwrap_or_else(|| panic!("no {start} in\n{text}"));
        let rest = text.get(from..).unwrap();
        format!("/auth/{}", rest.split('"').next().unwrap())
    };
    let logo = stage.get(&asset("logo-"), "").await;
    assert_eq!(
        (logo.status, logo.one("content-type"), &*logo.text()),
        (200, "image/svg+xml", mark)
    );
    assert_eq!(logo.one("content-security-policy"), "default-src 'none'; sandbox");
    let style = stage.get(&asset("style-"), "").await;
    assert!(style.text().contains("--accent: #a02040;"), "{style:?}");
    stage.finish_untouched().await;
}

/// What an operator has pages say, in each language by itself.
#[tokio::test]
async fn operators_have_words_of_their_own() {
    let texts = "[pages.texts.en]\n\"Sign in\" = \"Come <aboard>\"\n\
                 \"This password is too short. It must contain at least {n} characters.\" = \"{n} signs!\"\n\
                 [pages.texts.de]\n\"Sign in\" = \"An Bord\"\n";
    let upstream = Upstream::start().await;
    let setup = Setup::new(&Policy::to(&upstream).and(&format!("[pages]\n{texts}")));
    let stage = Stage::of(upstream, setup).await;
    let mut browser = Browser::new();
    for (language, sign_in, short) in [
        ("en", "Come &lt;aboard&gt;", "8 signs!"),
        ("de", "An Bord", "Es braucht mindestens 8 Zeichen."),
        ("fr", "Se connecter", "au moins 8 caractères"),
    ] {
        browser.fields = format!("Accept-Language: {language}\r\n");
        let text = page(&browser.go(&stage.gateway, "/auth/sign-in/").await, 200);
        says(&text, &[&format!("<h1>{sign_in}</h1>")]);
        let form = [("username", "neo"), ("password", "x1y")];
        let text = page(&browser.post(&stage.gateway, "/auth/register/", &form).await, 400);
        says(&text, &[short]);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_admin_site_asks_for_a_password_as_recent_as_the_operator_wants() {
    let site = "[pages]\n[pages.admin]\nfresh = \"2m\"\n";
    let stage = stage_with(|policy| policy.and(site)).await;
    let mut ada = ada(&stage).await;
    for (seconds, status) in [(119, 200), (2, 302)] {
        stage.gateway.clock().advance(Duration::from_secs(seconds));
        let reply = ada.go(&stage.gateway, "/manage/groups/").await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let back = "/auth/sign-in/?next=%2Fmanage%2Fgroups%2F&anew=1";
    goes_to(&ada.go(&stage.gateway, "/manage/groups/").await, 302, back);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn many_sessions_are_several_pages() {
    let stage = Stage::with(|policy| policy.and("[pages]")).await;
    let mut browser = Browser::new();
    browser.sign_in(&stage.gateway, "alice", PASSWORD).await;
    for _ in 0..30 {
        stage.log_in("alice").await;
    }
    let first = page(&browser.go(&stage.gateway, "/auth/account/sessions/").await, 200);
    let older = "/auth/account/sessions/?from=25";
    says(&first, &["sessions&#x2f;?from=25\">"]);
    let second = page(&browser.go(&stage.gateway, older).await, 200);
    // The first of all is this browser's.
    says(&second, &["this browser"]);
    let count = |text: &str| text.matches("End this session").count();
    assert_eq!((count(&first), count(&second)), (25, 6));
    assert!(!second.contains("?from="), "{second}");
    stage.finish_untouched().await;
}
