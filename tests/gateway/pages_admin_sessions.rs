//! The admin site: the sessions of all, and the end of one.

use portcullis::clock::Clock;
use portcullis::store::UserChange;

use crate::common::PASSWORD;
use crate::common::browser::Browser;
use crate::pages_admin::{
    EVIL, ada, goes_to, is_moment, page, question, says, send, signed_in, stage,
};

const SESSIONS: &str = "/manage/sessions/";

/// Whose sessions a page shows, in its order.
fn shown(text: &str) -> Vec<&str> {
    let cards = text.split("<strong id=\"whose-").skip(1);
    cards
        .map(|card| card.split_once("\">").unwrap().1)
        .map(|link| link.split_once('>').unwrap().1.split('<').next().unwrap())
        .collect()
}

#[tokio::test]
async fn the_sessions_of_all_are_seen_and_ended() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    stage.user("bob", &[]).await;
    let mut alice = signed_in(&stage, "alice").await;
    let mut bob = Browser::new();
    bob.fields = format!("User-Agent: {EVIL}\r\n");
    bob.sign_in(gateway, "bob", PASSWORD).await;
    signed_in(&stage, "alice").await;
    let mut ada = ada(&stage).await;
    let text = page(&ada.go(gateway, SESSIONS).await, 200);
    assert_eq!(shown(&text), ["ada", "alice", "bob", "alice"]);
    says(&text, &["&lt;script&gt;", "127.0.0.1", "aria-current=\"page\">Sessions</a>"]);
    says(&text, &["<a href=\"&#x2f;manage&#x2f;user&#x2f;?name=bob\">bob</a>"]);
    assert_eq!(text.matches("this browser").count(), 1);
    is_moment(text.split_once("last used ").unwrap().1);

    for (query, found) in [
        ("?user=bob", &["bob"][..]),
        ("?user=+alice+&address=127.0.0.0%2F8", &["alice", "alice"]),
        ("?address=127.0.0.1", &["ada", "alice", "bob", "alice"]),
        ("?address=192.0.2.0%2F24", &[]),
        ("?before=1", &[]),
        ("?before=x&user=bob", &["bob"]),
    ] {
        let text = page(&ada.go(gateway, &format!("{SESSIONS}{query}")).await, 200);
        assert_eq!(shown(&text), found, "{query}");
        assert_eq!(text.contains("There are no such sessions."), found.is_empty(), "{query}");
    }

    let id = gateway.accounts.sessions(stage.alice.id, 9).await.unwrap()[1].id.to_string();
    let form = [("do", "session-end"), ("user", "alice"), ("session", id.as_str())];
    let filtered = format!("{SESSIONS}?user=alice&address=127.0.0.1");
    let text = page(&ada.post(gateway, &filtered, &form).await, 200);
    says(&text, &["End a session?", "<dd>alice</dd>", "<dd>127.0.0.1</dd>", "Back, and change"]);
    assert_eq!(question(&text).0, filtered);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 200, "asked, not done");
    let reply = send(&mut ada, gateway, &filtered, &form).await;
    let done = format!("{filtered}&done=session-end");
    goes_to(&reply, 303, &done);
    let text = page(&ada.go(gateway, &done).await, 200);
    assert_eq!(shown(&text), ["alice"]);
    says(&text, &["role=\"status\">The session has ended.", "value=\"127.0.0.1\""]);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 302);
    assert_eq!(bob.go(gateway, "/web/x").await.status, 200);
    // The record says who did it, and to whom.
    let text = page(&ada.go(gateway, "/manage/audit/?name=alice&event=session").await, 200);
    says(&text, &["session.ended", "why=operator", "user:1"]);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_beside_what_was_typed() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    signed_in(&stage, "alice").await;
    let mut ada = ada(&stage).await;
    for (query, status, said) in [
        ("?user=nobody", 404, &["there is no user", "value=\"nobody\""][..]),
        ("?address=%22%3E%3Cscript%3E", 422, &["no address and no network", "&lt;script&gt;"]),
        ("?address=10.0.0.0%2F33&user=alice", 422, &["10.0.0.0&#x2f;33", "value=\"alice\""]),
    ] {
        let text = page(&ada.go(gateway, &format!("{SESSIONS}{query}")).await, status);
        says(&text, said);
        says(&text, &["role=\"alert\""]);
        assert!(!text.contains("There are no such sessions."), "{text}");
    }
    let hers = gateway.accounts.sessions(stage.alice.id, 9).await.unwrap()[0].id.to_string();
    for (act, user, session, status, said) in [
        ("", "alice", hers.as_str(), 400, "there is no such act"),
        ("session-end-all", "alice", &hers, 400, "there is no such act"),
        ("session-end", "ada", &hers, 404, "no such session"),
        ("session-end", "nobody", &hers, 404, "there is no user"),
        ("session-end", "alice", EVIL, 404, "no such session"),
        ("session-end", "alice", "", 404, "no such session"),
    ] {
        let form = [("do", act), ("user", user), ("session", session)];
        let text = page(&ada.post(gateway, SESSIONS, &form).await, status);
        says(&text, &["role=\"alert\"", said]);
        assert_eq!(shown(&text), ["ada", "alice"]);
        // Said yes to, it is refused as well.
        let sure = [&form[..], &[("sure", "1")]].concat();
        let reply = ada.post(gateway, SESSIONS, &sure).await;
        assert!(matches!(reply.status, 400 | 404 | 422), "{reply:?}");
        says(&reply.text(), &["role=\"alert\""]);
    }
    let form =
        [("do", "session-end"), ("user", "alice"), ("session", hers.as_str()), ("sure", "1")];
    let mut alice = signed_in(&stage, "alice").await;
    page(&alice.go(gateway, SESSIONS).await, 403);
    page(&alice.post(gateway, SESSIONS, &form).await, 403);
    for from in ["", "Origin: http://evil.test\r\n", "Sec-Fetch-Site: same-site\r\n"] {
        says(&page(&ada.post_from(gateway, SESSIONS, from, &form).await, 403), &["cross_site"]);
    }
    assert_eq!(gateway.accounts.sessions(stage.alice.id, 9).await.unwrap().len(), 2);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn many_sessions_are_several_pages() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let bob = stage.user("bob", &[]).await;
    let gone = stage.user("gone", &[]).await;
    let mut agent = Browser::new();
    agent.fields = format!("User-Agent: {}\r\n", "Mozilla/5.0 \"><&'".repeat(12));
    for number in 0..32 {
        let name = ["alice", "bob", "gone"][number % 3];
        agent.cookies.clear();
        assert_eq!(agent.sign_in(gateway, name, PASSWORD).await.status, 303);
    }
    let everywhere = UserChange::LoggedOutEverywhere(gateway.clock().now());
    gateway.accounts.change(gone.id, everywhere).await.unwrap();
    let mut ada = ada(&stage).await;
    let all: Vec<_> = std::iter::once("ada")
        .chain((0..32).rev().map(|number| ["alice", "bob", "gone"][number % 3]))
        .filter(|name| *name != "gone")
        .collect();
    // The newest session takes the first place of a page, the next page begins with the next.
    let first = page(&ada.go(gateway, SESSIONS).await, 200);
    assert_eq!((shown(&first).as_slice(), all.len()), (&all[..23], 23));
    for _ in 0..8 {
        agent.cookies.clear();
        agent.sign_in(gateway, "bob", PASSWORD).await;
    }
    let all = [&["bob"; 8][..], &all].concat();
    let first = page(&ada.go(gateway, SESSIONS).await, 200);
    assert_eq!(shown(&first), &all[..25]);
    assert!(!first.contains("Back to the newest"), "{first}");
    let next = first.split_once("?before=").unwrap().1.split('"').next().unwrap();
    let second = page(&ada.go(gateway, &format!("{SESSIONS}?before={next}")).await, 200);
    assert_eq!(shown(&second), &all[25..]);
    says(&second, &["Back to the newest"]);
    assert!(!second.contains("rel=\"next\""), "{second}");
    let text = page(&ada.go(gateway, &format!("{SESSIONS}?user=bob&before={next}")).await, 200);
    assert!(shown(&text).iter().all(|name| *name == "bob"), "{text}");
    // The question finds what is on any page of the list.
    let oldest = gateway.accounts.sessions(bob.id, 99).await.unwrap().pop().unwrap().id.to_string();
    let form = [("do", "session-end"), ("user", "bob"), ("session", oldest.as_str())];
    let there = format!("{SESSIONS}?before={next}");
    let reply = send(&mut ada, gateway, &there, &form).await;
    goes_to(&reply, 303, &format!("{there}&done=session-end"));
    stage.finish_untouched().await;
}
