//! The pages of an account: made, looked after, got back by a letter.

use std::time::Duration;

use portcullis::rooms::session::NewKey;

use super::pages;
use super::pages_admin::{self, EVIL, question, says, send, signed_in};
use crate::common::browser::Browser;
use crate::common::smtp::Smtp;
use crate::common::{PASSWORD, Reply, Stage};

const NEW: &str = "another horse battery";

#[track_caller]
fn goes_to(reply: &Reply, to: &str) {
    assert_eq!((reply.status, reply.one("location")), (303, to), "{reply:?}");
}

/// What a page says, and that it is one.
#[track_caller]
fn page(reply: &Reply) -> String {
    assert_eq!(reply.one("content-type"), "text/html; charset=utf-8", "{reply:?}");
    reply.text()
}

#[tokio::test]
async fn somebody_makes_an_account_and_is_in() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    let form = [("username", "bob"), ("email", "bob@example.com"), ("password", "123")];
    let reply = browser.post(gateway, "/auth/register/", &form).await;
    let text = page(&reply);
    assert_eq!(reply.status, 400);
    assert!(text.contains("This password is too short. It must contain at least 8 characters."));
    assert!(text.contains("value=\"bob@example.com\"") && !text.contains("\"123\""), "{text}");
    let form = [("username", "alice"), ("email", ""), ("password", NEW)];
    let reply = browser.post(gateway, "/auth/register/", &form).await;
    assert!(page(&reply).contains("A user with that username already exists."));
    // Nothing but the fields of the form counts.
    let form = [("username", "bob"), ("password", NEW), ("is_staff", "1"), ("roles", "admin")];
    goes_to(&browser.post(gateway, "/auth/register/", &form).await, "/auth/");
    let text = page(&browser.go(gateway, "/auth/").await);
    assert!(text.contains("bob") && !text.contains("admin"), "{text}");
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    assert_eq!(browser.go(gateway, "/web/admin/x").await.status, 403);
    stage.finish().await;
}

#[tokio::test]
async fn whoever_makes_an_account_first_is_led_on_as_well() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    let says = |reply: &Reply| page(reply).replace("&#x2f;", "/");
    let text = says(&browser.go(gateway, "/auth/sign-in/?next=%2Fweb%2Fx%3Fy%3D1").await);
    let register = "/auth/register/?next=%2Fweb%2Fx%3Fy%3D1";
    assert!(text.contains(&format!("href=\"{register}\"")), "{text}");
    let text = says(&browser.go(gateway, register).await);
    assert!(text.contains("name=\"next\" value=\"/web/x?y=1\""), "{text}");
    let back = "href=\"/auth/sign-in/?next=%2Fweb%2Fx%3Fy%3D1\"";
    assert!(text.contains(back), "{text}");
    // A form that comes back has it still.
    let form = [("username", "bob"), ("password", "123"), ("next", "/web/x?y=1")];
    let text = says(&browser.post(gateway, "/auth/register/", &form).await);
    assert!(text.contains("name=\"next\" value=\"/web/x?y=1\"") && text.contains(back), "{text}");
    let form = [("username", "bob"), ("password", NEW), ("next", "/web/x?y=1")];
    let on = "/auth/sign-in/?done=in&next=%2Fweb%2Fx%3Fy%3D1";
    goes_to(&browser.post(gateway, "/auth/register/", &form).await, on);
    assert_eq!(browser.go(gateway, "/web/x?y=1").await.status, 200);

    for elsewhere in ["//evil.test/", "https://evil.test/", "/\\evil.test"] {
        let mut browser = Browser::new();
        let name = format!("carol{}", elsewhere.len());
        let form = [("username", &*name), ("password", NEW), ("next", elsewhere)];
        goes_to(&browser.post(gateway, "/auth/register/", &form).await, "/auth/");
    }
    stage.finish().await;
}

#[tokio::test]
async fn accounts_are_made_as_the_policy_says() {
    let stage = Stage::with(|policy| policy.and("[pages]\n[auth]\nregister = \"closed\"")).await;
    let mut browser = Browser::new();
    let form = [("username", "bob"), ("password", NEW)];
    assert_eq!(browser.go(&stage.gateway, "/auth/register/").await.status, 403);
    assert_eq!(browser.post(&stage.gateway, "/auth/register/", &form).await.status, 403);
    let text = page(&browser.go(&stage.gateway, "/auth/sign-in/").await);
    assert!(!text.contains("register"), "{text}");
    stage.finish().await;
    let stage = Stage::with(|policy| policy.and("[pages]\n[auth]\nregister = \"invite\"")).await;
    let text = page(&browser.go(&stage.gateway, "/auth/sign-in/").await);
    assert!(text.contains("register&#x2f;\">I have an invitation"), "{text}");
    let text = page(&browser.go(&stage.gateway, "/auth/register/?invite=abc").await);
    assert!(text.contains("name=\"invite\" type=\"text\" value=\"abc\""), "{text}");
    let form = [("username", "bob"), ("password", NEW), ("invite", "abc")];
    let reply = browser.post(&stage.gateway, "/auth/register/", &form).await;
    assert!(page(&reply).contains("This invitation is not valid."), "{reply:?}");
    stage.finish().await;
}

#[tokio::test]
async fn another_password_ends_all_other_sessions() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let (mut browser, mut other) = (Browser::new(), Browser::new());
    browser.sign_in(gateway, "alice", PASSWORD).await;
    other.sign_in(gateway, "alice", PASSWORD).await;
    let form = [("old_password", "wrong"), ("new_password", NEW)];
    let reply = browser.post(gateway, "/auth/account/password/", &form).await;
    assert!(page(&reply).contains("Your old password was entered incorrectly."), "{reply:?}");
    assert_eq!(other.go(gateway, "/web/x").await.status, 200);
    let form = [("old_password", PASSWORD), ("new_password", NEW)];
    let reply = browser.post(gateway, "/auth/account/password/", &form).await;
    goes_to(&reply, "/auth/?done=password");
    assert!(page(&browser.go(gateway, "/auth/?done=password").await).contains("was changed"));
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    assert_eq!(other.go(gateway, "/web/x").await.status, 302);
    assert_eq!(other.sign_in(gateway, "alice", PASSWORD).await.status, 400);
    stage.finish().await;
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let (mut browser, mut other) = (Browser::new(), Browser::new());
    other.fields = "User-Agent: <script>alert(1)</script>\r\n".to_owned();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    other.sign_in(gateway, "alice", PASSWORD).await;
    stage.user("mallory", &[]).await;
    let mut mallory = Browser::new();
    mallory.sign_in(gateway, "mallory", PASSWORD).await;
    let text = page(&browser.go(gateway, "/auth/account/sessions/").await);
    assert!(text.contains("Tests&#x2f;1.0") && text.contains("this browser"), "{text}");
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{text}");
    let ids: Vec<_> = text.split("name=\"id\" value=\"").skip(1).collect();
    let ids: Vec<_> = ids.iter().filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.len(), 2, "{text}");
    for id in ids.iter().copied().chain(["", "1", "../logout/all", "x/y"]) {
        let reply = mallory.post(gateway, "/auth/account/sessions/", &[("id", id)]).await;
        assert_eq!(reply.status, 404, "{id}: {reply:?}");
    }
    assert_eq!(other.go(gateway, "/web/x").await.status, 200);
    // The newest is the first.
    let reply = browser.post(gateway, "/auth/account/sessions/", &[("id", ids[0])]).await;
    goes_to(&reply, "/auth/account/sessions/?done=ended");
    assert_eq!(other.go(gateway, "/web/x").await.status, 302);
    assert_eq!(browser.go(gateway, "/web/x").await.status, 200);
    let reply = send(&mut browser, gateway, "/auth/account/sessions/", &[("all", "1")]).await;
    goes_to(&reply, "/auth/sign-in/?done=out");
    assert_eq!(browser.token(), None);
    assert_eq!(browser.go(gateway, "/web/x").await.status, 302);
    stage.finish().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_and_signing_in_begins_another() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let mut planted = browser.clone();
    stage.user("bob", &[]).await;
    goes_to(&browser.sign_in(gateway, "bob", PASSWORD).await, "/auth/");
    assert_eq!(planted.go(gateway, "/web/x").await.status, 302, "the session before is over");
    let mut copy = browser.clone();
    assert!(page(&browser.go(gateway, "/auth/sign-out/").await).contains("method=\"post\""));
    assert_eq!(copy.go(gateway, "/web/x").await.status, 200, "a look changes nothing");
    goes_to(&browser.post(gateway, "/auth/sign-out/", &[]).await, "/auth/sign-in/?done=out");
    assert_eq!((browser.token(), copy.go(gateway, "/web/x").await.status), (None, 302));
    goes_to(&browser.post(gateway, "/auth/sign-out/", &[]).await, "/auth/sign-in/?done=out");
    stage.finish().await;
}

#[tokio::test]
async fn a_forgotten_password_is_got_back_by_a_letter() {
    let mut smtp = Smtp::start().await;
    let mail = smtp.policy();
    let routes = "[routes.\"/web/*\"]\nto = \"up\"\nbrowser = true\n";
    // The cookie of the pages is for this name, and so are the links.
    let top = "public = \"http://localhost\"\n";
    let hosts = "[routes.\"a.test/app/x\"]\nto = \"up\"\n";
    let stage =
        Stage::with(|policy| policy.top(top).and(&format!("{mail}[pages]\n{routes}{hosts}"))).await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    for email in ["alice@example.com", "nobody@example.com"] {
        let reply = browser.post(gateway, "/auth/forgot/", &[("email", email)]).await;
        assert!(reply.status == 200 && page(&reply).contains("Check your e-mail"));
    }
    let letter = smtp.mail().await;
    let (uid, token) = letter.link();
    assert!(letter.text().contains("http://localhost/auth/reset/?uid="), "{}", letter.text());
    let target = format!("/auth/reset/?uid={uid}&token={token}");
    assert!(page(&browser.go(gateway, &target).await).contains(&format!("value=\"{token}\"")));
    let form = |password| [("uid", &*uid), ("token", &*token), ("new_password", password)];
    let reply = browser.post(gateway, "/auth/reset/", &form("12345678")).await;
    assert!(page(&reply).contains("This password is entirely numeric."), "{reply:?}");
    let reply = browser.post(gateway, "/auth/reset/", &form(NEW)).await;
    goes_to(&reply, "/auth/sign-in/?done=reset");
    let reply = browser.post(gateway, "/auth/reset/", &form(NEW)).await;
    assert!(reply.status == 400 && page(&reply).contains("This link is not valid"), "{reply:?}");
    goes_to(&browser.sign_in(gateway, "alice", NEW).await, "/auth/");
    // The address is confirmed by another letter, and that by a button.
    let reply = browser.post(gateway, "/auth/account/verify/", &[]).await;
    goes_to(&reply, "/auth/?done=verify");
    let (uid, token) = smtp.mail().await.link();
    let target = format!("/auth/verify/?uid={uid}&token={token}");
    assert!(page(&browser.go(gateway, &target).await).contains("<button>Confirm</button>"));
    assert!(page(&browser.go(gateway, "/auth/").await).contains("not confirmed"));
    let reply = browser.post(gateway, "/auth/verify/", &[("uid", &uid), ("token", &token)]).await;
    goes_to(&reply, "/auth/?done=verified");
    assert!(!page(&browser.go(gateway, "/auth/").await).contains("not confirmed"));
    // Another address takes the password, and counts when its letter was followed.
    let form = [("email", "new@example.com"), ("password", "wrong")];
    let reply = browser.post(gateway, "/auth/account/email/", &form).await;
    assert!(page(&reply).contains("Your password was entered incorrectly."), "{reply:?}");
    let form = [("email", "new@example.com"), ("password", NEW)];
    let reply = browser.post(gateway, "/auth/account/email/", &form).await;
    goes_to(&reply, "/auth/?done=email");
    assert!(page(&browser.go(gateway, "/auth/").await).contains("alice@example.com"));
    let (uid, token) = smtp.mail().await.link();
    browser.post(gateway, "/auth/verify/", &[("uid", &uid), ("token", &token)]).await;
    assert!(page(&browser.go(gateway, "/auth/").await).contains("new@example.com"));
    stage.finish().await;
}

#[tokio::test]
async fn what_needs_mail_says_so_without_it() {
    let stage = pages::stage().await;
    let mut browser = Browser::new();
    assert_eq!(browser.go(&stage.gateway, "/auth/forgot/").await.status, 501);
    let form = [("email", "alice@example.com")];
    assert_eq!(browser.post(&stage.gateway, "/auth/forgot/", &form).await.status, 501);
    assert!(!page(&browser.go(&stage.gateway, "/auth/sign-in/").await).contains("forgot"));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_needs_a_recent_login() {
    let stage = Stage::with(|policy| {
        policy.and("[pages]\n[auth.keys]\nprefix = \"shop\"\nfresh = \"15m\"\n")
    })
    .await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let reply = browser.post(gateway, "/auth/account/keys/", &[("name", "backup")]).await;
    let text = page(&reply);
    let key = text.split("class=\"secret\">").nth(1).and_then(|rest| rest.split('<').next());
    let key = key.expect("a key").to_owned();
    assert_eq!(stage.get_as("/app/x", &key).await.status, 200, "{key}");
    let text = page(&browser.go(gateway, "/auth/account/keys/").await);
    assert!(text.contains("backup") && !text.contains(&key), "{text}");
    let id = text.split("name=\"id\" value=\"").nth(1).and_then(|it| it.split('"').next()).unwrap();
    let reply = send(&mut browser, gateway, "/auth/account/keys/", &[("id", id)]).await;
    goes_to(&reply, "/auth/account/keys/?done=revoked");
    assert_eq!(stage.get_as("/app/x", &key).await.status, 401);
    gateway.clock().advance(Duration::from_secs(16 * 60));
    let reply = browser.post(gateway, "/auth/account/keys/", &[("name", "late")]).await;
    goes_to(&reply, "/auth/sign-in/?next=%2Fauth%2Faccount%2Fkeys%2F&anew=1");
    stage.finish().await;
}

#[tokio::test]
async fn a_key_and_all_sessions_go_when_that_was_asked_about() {
    let stage = pages_admin::stage().await;
    let (gateway, id) = (&stage.gateway, stage.alice.id);
    let mut alice = signed_in(&stage, "alice").await;
    let mut other = signed_in(&stage, "alice").await;
    let key = NewKey { name: EVIL.to_owned(), scopes: None, life: None };
    gateway.accounts.make_key(&stage.alice, key).await.unwrap();
    let left = async || {
        let keys = gateway.accounts.keys_of(id).await.unwrap();
        (keys.len(), gateway.accounts.sessions(id, 9).await.unwrap().len())
    };
    let keys = "/auth/account/keys/";
    let key = ["Revoke an API key?", "<dd>&lt;script&gt;alert(1)", "<dt>Created</dt><dd><time "];
    let everywhere = ["Sign out everywhere?", "<dd>2</dd>", "this one as well"];
    for (target, form, said, to, after) in [
        (keys, ("id", "1"), key, "/auth/account/keys/?done=revoked", (0, 2)),
        ("/auth/account/sessions/", ("all", "1"), everywhere, "/auth/sign-in/?done=out", (0, 0)),
    ] {
        let before = left().await;
        let text = pages_admin::page(&alice.post(gateway, target, &[form]).await, 200);
        says(&text, &said);
        let (action, yes) = question(&text);
        let yes: Vec<_> = yes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((action.as_str(), yes.as_slice()), (target, &[form, ("sure", "1")][..]));
        // Neither a look nor the page of somebody else does it.
        for value in [form.1, "99"] {
            let look = format!("{target}?{}={value}&sure=1", form.0);
            pages_admin::page(&alice.go(gateway, &look).await, 200);
        }
        for from in ["", "Origin: http://evil.test\r\n"] {
            pages_admin::page(&alice.post_from(gateway, target, from, &yes).await, 403);
        }
        assert_eq!(left().await, before);
        goes_to(&alice.post(gateway, target, &yes).await, to);
        assert_eq!(left().await, after);
    }
    assert_eq!((alice.token(), other.go(gateway, "/web/x").await.status), (None, 302));
    // Nobody is told of what is not theirs.
    let bob = stage.user("bob", &[]).await;
    let name = NewKey { name: "bob's".to_owned(), scopes: None, life: None };
    gateway.accounts.make_key(&bob, name).await.unwrap();
    let mut alice = signed_in(&stage, "alice").await;
    for id in ["2", "7", "x", EVIL] {
        let text = pages_admin::page(&alice.post(gateway, keys, &[("id", id)]).await, 404);
        assert!(!text.contains("bob"), "{text}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_endpoints_are_tried_out_in_ones_own_name() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    let text = page(&browser.go(gateway, "/auth/api/").await);
    for call in ["POST &#x2f;api&#x2f;auth&#x2f;token&#x2f;", "name=\"f.username\"", "name=\"id\""]
    {
        assert!(text.contains(call), "{call} in {text}");
    }
    let look = [("method", "GET"), ("endpoint", "profile")];
    let text = page(&browser.post(gateway, "/auth/api/", &look).await);
    assert!(text.contains("401 Unauthorized"), "{text}");
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let text = page(&browser.post(gateway, "/auth/api/", &look).await);
    assert!(text.contains("200 OK") && text.contains("alice@example.com"), "{text}");
    let wrong =
        [("method", "POST"), ("endpoint", "token"), ("f.username", "<b>"), ("f.password", "x")];
    let text = page(&browser.post(gateway, "/auth/api/", &wrong).await);
    assert!(text.contains("400 Bad Request") && text.contains("Invalid credentials"), "{text}");
    // What is no endpoint is asked of nobody.
    for (method, endpoint, id) in [
        ("GET", "../../app/x", ""),
        ("GET", "", ""),
        ("CONNECT", "token", ""),
        ("DELETE", "sessions", "../keys/1"),
        ("GET", "token?x=1", ""),
    ] {
        let form = [("method", method), ("endpoint", endpoint), ("id", id)];
        let text = page(&browser.post(gateway, "/auth/api/", &form).await);
        assert!(!text.contains("role=\"status\""), "{endpoint}: {text}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_changes_the_password_by_its_endpoint_stays_signed_in() {
    let stage = pages::stage().await;
    let gateway = &stage.gateway;
    let mut browser = signed_in(&stage, "alice").await;
    let mut other = signed_in(&stage, "alice").await;
    let before = browser.token().map(str::to_owned);
    let change = |old: &'static str| {
        let call = [("method", "POST"), ("endpoint", "password/change")];
        [call[0], call[1], ("f.old_password", old), ("f.new_password", "another password 42")]
    };
    let text = page(&browser.post(gateway, "/auth/api/", &change("wrong")).await);
    assert!(text.contains("400 Bad Request") && !text.contains("stay signed in"), "{text}");
    assert_eq!(browser.token().map(str::to_owned), before);
    let text = page(&browser.post(gateway, "/auth/api/", &change(PASSWORD)).await);
    assert!(text.contains("200 OK") && text.contains("You stay signed in here"), "{text}");
    // What the browser holds is shown to nobody.
    let token = browser.token().unwrap().to_owned();
    assert!(Some(&token) != before.as_ref() && !text.contains(&token), "{text}");
    assert!(text.contains("&quot;refresh&quot;: &quot;...&quot;"), "{text}");
    page(&browser.go(gateway, "/auth/").await);
    // All others are signed out, as ever.
    assert_eq!(other.go(gateway, "/auth/").await.status, 302);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_operator_may_leave_the_endpoints_out() {
    let stage = Stage::with(|policy| policy.and("[pages]\napi = false")).await;
    assert_eq!(Browser::new().go(&stage.gateway, "/auth/api/").await.status, 404);
    stage.finish_untouched().await;
}
