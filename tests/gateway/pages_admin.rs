//! The admin site: who comes in, what is found and done there, and what is recorded of it.

use std::time::Duration;

use portcullis::rooms::session::{NewAccount, NewKey, Registered};
use portcullis::store::UserChange;
use serde_json::Value;

use crate::common::browser::Browser;
use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, TestGateway, Upstream};

pub(crate) const SITE: &str = "[pages]\n[pages.admin]\n[auth.keys]\n\
    [routes.\"a.test/web/*\"]\nto = \"up\"\nbrowser = true\n";
pub(crate) const EVIL: &str = "<script>alert(1)</script>";

pub(crate) async fn stage_with(policy: impl FnOnce(Policy) -> Policy) -> Stage {
    let upstream = Upstream::start().await;
    // With keys that stay there is an audit record.
    let setup = Setup::new(&policy(Policy::to(&upstream))).keeps_keys();
    Stage::of(upstream, setup).await
}

pub(crate) async fn stage() -> Stage {
    stage_with(|policy| policy.and(SITE)).await
}

/// Somebody who is signed in.
pub(crate) async fn signed_in(stage: &Stage, name: &str) -> Browser {
    let mut browser = Browser::new();
    let reply = browser.sign_in(&stage.gateway, name, PASSWORD).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    browser
}

/// Ada, who may do everything.
pub(crate) async fn ada(stage: &Stage) -> Browser {
    stage.user("ada", &["admin"]).await;
    signed_in(stage, "ada").await
}

#[track_caller]
pub(crate) fn goes_to(reply: &Reply, status: u16, to: &str) {
    assert_eq!((reply.status, reply.one("location")), (status, to), "{reply:?}");
}

/// What a page says: one without anything that runs, and for nobody to keep.
#[track_caller]
pub(crate) fn page(reply: &Reply, status: u16) -> String {
    assert_eq!((reply.status, reply.one("cache-control")), (status, "no-store"), "{reply:?}");
    let policy = reply.one("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = reply.text();
    assert!(!text.contains("<script>") && text.len() < 60 * 1024, "{text}");
    text
}

#[track_caller]
pub(crate) fn says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "`{wanted}` is not in\n{text}");
    }
}

/// The form of a page that asks once: where it goes, and what it sends.
#[track_caller]
pub(crate) fn question(text: &str) -> (String, Vec<(String, String)>) {
    let plain = |text: &str| {
        [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">")]
            .into_iter()
            .fold(text.to_owned(), |text, (sign, plain)| text.replace(sign, plain))
            .replace("&amp;", "&")
    };
    let (_, form) = text.split_once("<form method=\"post\" action=\"").unwrap();
    let (action, form) = form.split_once("\">").unwrap();
    let (fields, _) = form.split_once("</form>").unwrap();
    let fields = fields.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        (plain(name), plain(rest.split_once('"').unwrap().0))
    });
    let fields: Vec<_> = fields.collect();
    assert!(fields.contains(&("sure".to_owned(), "1".to_owned())), "{text}");
    (plain(action), fields)
}

/// Sends a form as who is sure: if something is asked first, that is said yes to.
pub(crate) async fn send(
    browser: &mut Browser,
    gateway: &TestGateway,
    target: &str,
    form: &[(&str, &str)],
) -> Reply {
    let reply = browser.post(gateway, target, form).await;
    if reply.status != 200 || !reply.text().contains("name=\"sure\"") {
        return reply;
    }
    let (action, yes) = question(&reply.text());
    let yes: Vec<_> = yes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post(gateway, &action, &yes).await
}

/// Whether a text begins with a moment that the script of the pages puts into the reader's zone.
#[track_caller]
pub(crate) fn is_moment(text: &str) {
    let rest = text.strip_prefix("<time datetime=\"").unwrap_or_else(|| panic!("none in {text}"));
    let (at, rest) = rest.split_once("\">").unwrap();
    let (shown, _) = rest.split_once("</time>").unwrap();
    assert!(at.len() > 16 && at.ends_with('Z'), "{at}");
    assert_eq!(shown, format!("{} UTC", at.get(..16).unwrap().replace('T', " ")));
}

const USER: &str = "/manage/user/?name=alice";
/// Where its forms go: with the number that the name had when they were shown.
const ACT: &str = "/manage/user/?name=alice&id=1";
const DELETE: &str = "/manage/user/delete/?name=alice&id=1";

#[tokio::test]
async fn it_is_for_admins_who_have_signed_in_lately() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut nobody = Browser::new();
    let reply = nobody.go(gateway, "/manage/?q=x").await;
    goes_to(&reply, 302, "/auth/sign-in/?next=%2Fmanage%2F%3Fq%3Dx");
    let mut alice = signed_in(&stage, "alice").await;
    for target in ["/manage/", USER, "/manage/user/delete/?name=alice", "/manage/audit/"] {
        says(&page(&alice.go(gateway, target).await, 403), &["You have no access"]);
    }
    for act in ["role-add", "set-password", "deactivate"] {
        let form = [("do", act), ("role", "admin"), ("password", "another horse battery")];
        page(&alice.post(gateway, ACT, &form).await, 403);
    }
    page(&alice.post(gateway, "/manage/user/delete/?name=alice", &[]).await, 403);
    // A token is no cookie.
    let (token, _) = stage.log_in("alice").await;
    assert_eq!(stage.get_as("/manage/", &token).await.status, 302);

    let mut ada = ada(&stage).await;
    page(&ada.go(gateway, "/manage/").await, 200);
    page(&ada.go(gateway, "/manage/nowhere/").await, 404);
    let reply = ada.post(gateway, "/manage/audit/", &[]).await;
    assert_eq!((reply.status, reply.one("allow")), (405, "GET, HEAD"));
    gateway.clock().advance(Duration::from_secs(901));
    let back = "/auth/sign-in/?next=%2Fmanage%2Fuser%2F%3Fname%3Dalice&anew=1";
    goes_to(&ada.go(gateway, USER).await, 302, back);
    let back = back.replace("&anew=1", "%26id%3D1&anew=1");
    goes_to(&ada.post(gateway, ACT, &[("do", "deactivate")]).await, 302, &back);
    let user = gateway.accounts.find("alice").await.unwrap().unwrap();
    assert!(user.active && user.roles == ["editor"], "{user:?}");
    ada.sign_in(gateway, "ada", PASSWORD).await;
    page(&ada.go(gateway, USER).await, 200);
    // Who is no admin any more is out at once.
    let id = gateway.accounts.find("ada").await.unwrap().unwrap().id;
    gateway.accounts.change(id, UserChange::RemoveRole("admin".to_owned())).await.unwrap();
    page(&ada.go(gateway, "/manage/").await, 403);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn it_is_where_the_operator_puts_it_and_for_whom() {
    let other = "[pages]\n[pages.admin]\npath = \"/x/ops\"\nfrom = [\"192.0.2.0/24\"]";
    let stage = stage_with(|policy| policy.top("trust = [\"127.0.0.1\"]").and(other)).await;
    let mut ada = ada(&stage).await;
    for target in ["/x/ops/", "/x/ops", "/x/ops/user/?name=alice", "/x/ops/nowhere/"] {
        says(&page(&ada.go(&stage.gateway, target).await, 403), &["forbidden_address"]);
    }
    assert_eq!(ada.go(&stage.gateway, "/manage/").await.status, 404);
    ada.fields.push_str("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n");
    page(&ada.go(&stage.gateway, "/x/ops/").await, 200);
    stage.finish_untouched().await;
    let stage = stage_with(|policy| policy.and("[pages]")).await;
    let mut ada = self::ada(&stage).await;
    let reply = ada.go(&stage.gateway, "/manage/").await;
    says(&page(&reply, 404), &["no_route"]);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn users_are_found_among_many_page_by_page() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    for number in 0..60 {
        let roles = if number % 20 == 0 { vec!["rare".to_owned()] } else { Vec::new() };
        let username = format!("user-{number}");
        let email = format!("U{number}@example.com");
        let account = NewAccount { username, email, password: None, roles };
        let made = gateway.accounts.create(account).await.unwrap();
        let Registered::Created(user) = made else { panic!("{made:?}") };
        if number == 20 {
            gateway.accounts.change(user.id, UserChange::Active(false)).await.unwrap();
        }
    }
    let mut ada = ada(&stage).await;
    let mut listed = async |query: &str| {
        let text = page(&ada.go(gateway, &format!("/manage/{query}")).await, 200);
        let names = text.split("user&#x2f;?name=").skip(1);
        let names = names.map(|rest| rest.split('"').next().unwrap().to_owned());
        let next = text.split("rel=\"next\"").count() == 2;
        (names.collect::<Vec<_>>(), next)
    };
    let (names, next) = listed("").await;
    assert_eq!((names.len(), next, names[0].as_str()), (50, true, "alice"));
    let (rest, next) = listed("?after=50").await;
    // Alice, 60 of them, and Ada.
    assert_eq!((rest.len(), next), (12, false));
    assert!(rest.iter().all(|name| !names.contains(name)), "{rest:?}");
    for (query, found) in [
        ("?role=rare", &["user-0", "user-20", "user-40"][..]),
        ("?role=rare&state=active", &["user-0", "user-40"]),
        ("?q=USER-2&state=inactive", &["user-20"]),
        ("?q=u59%40EXAMPLE", &["user-59"]),
        ("?q=nobody", &[]),
        ("?q=a&idle=30&role=editor", &["alice"]),
        ("?q=ada&idle=30", &[]),
        ("?q=ada&idle=%3Cx&after=x&state=x", &["ada"]),
    ] {
        assert_eq!(listed(query).await, (found.iter().map(|it| (*it).to_owned()).collect(), false));
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_user_is_looked_after() {
    let public = "public = \"http://localhost:8080\"\n";
    let stage = stage_with(|policy| policy.top(public).and(SITE)).await;
    let gateway = &stage.gateway;
    gateway.accounts.create_group("staff").await.unwrap().unwrap();
    let mut alice = signed_in(&stage, "alice").await;
    let mut ada = ada(&stage).await;
    let name = NewKey { name: "backup".to_owned(), scopes: None, life: None };
    gateway.accounts.make_key(&stage.alice, name).await.unwrap();
    let text = page(&ada.go(gateway, USER).await, 200);
    says(&text, &["alice@example.com", "editor", "staff", "Tests&#x2f;1.0", "backup"]);
    says(&text, &["All sessions of the user end."]);

    let mut act = async |act: &str, field: &str, value: &str| {
        let reply = send(&mut ada, gateway, ACT, &[("do", act), (field, value)]).await;
        goes_to(&reply, 303, &format!("{USER}&done={act}"));
        page(&ada.go(gateway, &format!("{USER}&done={act}")).await, 200)
    };
    let text = act("email", "email", "new@example.com").await;
    says(&text, &["The address was changed.", "new@example.com"]);
    says(&act("role-add", "role", " viewer ").await, &["viewer"]);
    act("role-remove", "role", "editor").await;
    act("group-join", "group", "staff").await;
    let user = gateway.accounts.find("alice").await.unwrap().unwrap();
    assert_eq!((user.roles, user.groups), (vec!["viewer".into()], vec!["staff".into()]));
    assert_eq!((user.email.as_str(), user.email_verified), ("new@example.com", false));
    act("group-leave", "group", "staff").await;
    act("api-key-revoke", "id", "1").await;
    assert!(gateway.accounts.keys_of(stage.alice.id).await.unwrap().is_empty());

    assert_eq!(alice.go(gateway, "/web/x").await.status, 200);
    says(&act("deactivate", "", "").await, &["shut out", "Let in again"]);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 302);
    act("activate", "", "").await;
    let mut alice = signed_in(&stage, "alice").await;
    let session = gateway.accounts.sessions(stage.alice.id, 1).await.unwrap()[0].id.to_string();
    act("session-end", "session", &session).await;
    assert_eq!(alice.go(gateway, "/web/x").await.status, 302);
    let mut alice = signed_in(&stage, "alice").await;
    act("session-end-all", "", "").await;
    assert_eq!(alice.go(gateway, "/web/x").await.status, 302);
    let text = act("set-password", "password", "another horse battery").await;
    assert!(!text.contains("another horse"), "{text}");
    assert_eq!(alice.sign_in(gateway, "alice", PASSWORD).await.status, 400);
    assert_eq!(alice.sign_in(gateway, "alice", "another horse battery").await.status, 303);
    let text = page(&ada.post(gateway, ACT, &[("do", "reset-link")]).await, 200);
    says(&text, &["http:&#x2f;&#x2f;localhost:8080&#x2f;auth&#x2f;reset&#x2f;?uid=1&amp;token="]);
    is_moment(text.split_once("(expires ").unwrap().1);
    stage.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let before = gateway.accounts.find("alice").await.unwrap();
    let hers = gateway.accounts.find("ada").await.unwrap().unwrap().id;
    let hers = gateway.accounts.sessions(hers, 1).await.unwrap()[0].id.to_string();
    for (act, field, value, status, said) in [
        ("", "", "", 400, "there is no such act"),
        ("delete", "", "", 400, "there is no such act"),
        ("export", "", "", 400, "there is no such act"),
        ("role-add", "role", "Big Boss", 422, "is no role name"),
        ("role-add", "role", EVIL, 422, "is no role name"),
        ("role-add", "role", "", 422, "is no role name"),
        ("group-join", "group", "none", 404, "there is no group"),
        ("email", "email", "no address", 422, "Enter a valid email address."),
        ("set-password", "password", "123", 422, "too short"),
        ("set-password", "password", "", 422, "the password is empty"),
        ("session-end", "session", "../x", 422, "is no session id"),
        ("session-end", "session", hers.as_str(), 404, "no living session"),
        ("api-key-revoke", "id", "-1", 400, "there is no such act"),
        ("api-key-revoke", "id", "7", 404, "the user has no API key 7"),
        ("reset-link", "", "", 422, "links are made from `public`"),
    ] {
        let form = [("do", act), (field, value), ("sure", "1")];
        let text = page(&ada.post(gateway, ACT, &form).await, status);
        says(&text, &["role=\"alert\"", "<h2>alice</h2>"]);
        says(&text.replace("&#x2f;", "/"), &[said]);
        assert!(!text.contains("\"123\""), "{text}");
    }
    for target in ["/manage/user/", "/manage/user/?name=nobody", "/manage/user/delete/?name=x"] {
        says(&page(&ada.go(gateway, target).await, 404), &["there is no user"]);
        page(&ada.post(gateway, target, &[("do", "deactivate")]).await, 404);
    }
    // From pages of others nothing is done at all.
    for from in ["", "Origin: http://evil.test\r\n", "Sec-Fetch-Site: same-site\r\n"] {
        let form = [("do", "deactivate")];
        says(&page(&ada.post_from(gateway, ACT, from, &form).await, 403), &["cross_site"]);
        page(&ada.post_from(gateway, DELETE, from, &[]).await, 403);
    }
    assert_eq!(gateway.accounts.find("alice").await.unwrap(), before);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn whatever_users_write_runs_nowhere() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let evil = || EVIL.to_owned();
    gateway.accounts.create_group(EVIL).await.unwrap().unwrap();
    gateway.accounts.create_group("<b>other</b>").await.unwrap().unwrap();
    let name = NewKey { name: evil(), scopes: None, life: None };
    gateway.accounts.make_key(&stage.alice, name).await.unwrap();
    for change in [
        UserChange::Email { email: "<script>@x.test".to_owned(), verified: false },
        UserChange::JoinGroup(evil()),
        UserChange::SetClaim { name: "note".to_owned(), value: evil() },
        UserChange::AddRole("<script>".to_owned()),
    ] {
        gateway.accounts.change(stage.alice.id, change).await.unwrap();
    }
    let mut alice = Browser::new();
    alice.fields = format!("User-Agent: {EVIL}\r\n");
    alice.sign_in(gateway, "alice", PASSWORD).await;
    let mut ada = ada(&stage).await;
    for target in [
        USER,
        "/manage/?q=alice",
        "/manage/user/delete/?name=alice",
        "/manage/audit/",
        "/manage/?q=%22%3E%3Cscript%3E&role=%22%3E%3Cscript%3E",
        "/manage/audit/?name=%22%3E%3Cscript%3E&event=%22%3E%3Cscript%3E",
        "/manage/user/?name=%3Cscript%3E",
    ] {
        let status = if target.contains("user/?name=%3C") { 404 } else { 200 };
        says(&page(&ada.go(gateway, target).await, status), &["&lt;script&gt;"]);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_is_deleted_is_named_first() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut alice = signed_in(&stage, "alice").await;
    let mut ada = ada(&stage).await;
    let delete = "/manage/user/delete/?name=alice";
    let text = page(&ada.go(gateway, delete).await, 200);
    says(&text, &["Delete for good", "<dd>alice</dd>", "<dd>alice@example.com</dd>", "<dd>1</dd>"]);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 200, "nothing has happened yet");
    page(&ada.post(gateway, delete, &[]).await, 409);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 200, "whose page it was is not known");
    goes_to(&ada.post(gateway, DELETE, &[]).await, 303, "/manage/?done=deleted");
    says(&page(&ada.go(gateway, "/manage/?done=deleted").await, 200), &["The user is gone."]);
    assert_eq!(alice.go(gateway, "/web/x").await.status, 302);
    page(&ada.post(gateway, DELETE, &[]).await, 404);
    stage.finish().await;
}

#[tokio::test]
async fn the_record_names_who_acted_and_is_read_here() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let reply = ada.post(gateway, ACT, &[("do", "role-add"), ("role", "viewer")]).await;
    let id = reply.one("x-request-id").to_owned();
    page(&ada.post(gateway, ACT, &[("do", "role-add"), ("role", "?")]).await, 422);
    let text = page(&ada.go(gateway, "/manage/audit/?name=alice&event=role").await, 200);
    says(&text, &["role.added", "role=viewer", "user:2</a> 127.0.0.1"]);
    assert!(!text.contains("command"), "{text}");
    let text = page(&ada.go(gateway, "/manage/audit/?name=ada").await, 200);
    says(&text, &["command.refused", "why=invalid", "command=user role add"]);
    says(&page(&ada.go(gateway, USER).await, 200), &["role.added", "All lines about this user"]);
    let text = page(&ada.go(gateway, "/manage/audit/?check=1").await, 200);
    says(&text, &["Every line is there, and as it was written."]);
    for number in 0..30 {
        let act = if number % 2 == 0 { "deactivate" } else { "activate" };
        ada.post(gateway, ACT, &[("do", act), ("sure", "1")]).await;
    }
    let text = page(&ada.go(gateway, "/manage/audit/?name=alice").await, 200);
    assert_eq!(text.matches("<tr><td>").count(), 50);
    let next = text.split("before=").nth(1).unwrap().split('"').next().unwrap();
    let older =
        page(&ada.go(gateway, &format!("/manage/audit/?name=alice&before={next}")).await, 200);
    says(&older, &["role=viewer", "Back to the newest"]);

    let path = gateway.folder().join("portcullis.audit");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let command = lines.find(|line| line["event"] == "command").unwrap();
    assert_eq!((&command["actor"], &command["name"]), (&"user:2".into(), &"alice".into()));
    assert_eq!((&command["address"], &command["request"]), (&"127.0.0.1".into(), &id.into()));
    // A line that somebody altered is found.
    std::fs::write(&path, text.replacen("role=", "rule=", 1).replacen("viewer", "editor", 1))
        .unwrap();
    let text = page(&ada.go(gateway, "/manage/audit/?check=1").await, 200);
    says(&text, &["The record is NOT whole.", "this line is not as it was written"]);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn scripts_of_the_same_origin_neither_read_it_nor_act_on_it_unseen() {
    let stage = stage().await;
    let mut ada = ada(&stage).await;
    let script = "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n";
    let frame =
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n";
    for fields in [script, frame] {
        let reply = ada.send(&stage.gateway, "GET", USER, fields, "").await;
        says(&page(&reply, 403), &["cross_site"]);
        let fields = format!("Origin: http://a.test\r\n{fields}");
        let form = [("do", "role-add"), ("role", "admin")];
        page(&ada.post_from(&stage.gateway, ACT, &fields, &form).await, 403);
    }
    let user = stage.gateway.accounts.find("alice").await.unwrap().unwrap();
    assert_eq!(user.roles, ["editor"]);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn whose_right_is_taken_while_a_form_comes_has_done_nothing() {
    let stage = stage().await;
    let ada = ada(&stage).await;
    let id = stage.gateway.accounts.find("ada").await.unwrap().unwrap().id;
    let form = "do=role-add&role=admin";
    let head = format!(
        "POST {ACT} HTTP/1.1\r\nHost: a.test\r\nOrigin: http://a.test\r\nCookie: portcullis={}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        ada.token().unwrap(),
        form.len()
    );
    let (start, last) = form.split_at(form.len() - 1);
    for change in [UserChange::RemoveRole("admin".to_owned()), UserChange::Active(false)] {
        let mut conn = stage.connect().await;
        conn.write(format!("{head}{start}")).await;
        // It is let in before its body is there: the next request on another connection is behind.
        stage.get("/public/x", "").await;
        stage.gateway.accounts.change(id, change).await.unwrap();
        let reply = conn.ask(last).await;
        assert!([302, 403].contains(&reply.status), "{reply:?}");
    }
    let user = stage.gateway.accounts.find("alice").await.unwrap().unwrap();
    assert_eq!(user.roles, ["editor"]);
    stage.finish().await;
}

#[tokio::test]
async fn what_was_asked_for_one_user_is_done_to_no_other() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    let text = page(&ada.go(gateway, USER).await, 200);
    says(&text.replace("&#x2f;", "/").replace("&amp;", "&"), &[ACT]);
    // Another Alice has the name before the form is sent.
    gateway.accounts.delete(stage.alice.id).await.unwrap();
    stage.user("alice", &[]).await;
    for act in ["deactivate", "activate", "session-end-all", "reset-link"] {
        let text = page(&ada.post(gateway, ACT, &[("do", act)]).await, 409);
        says(&text, &["another user&#x27;s by now"]);
    }
    page(&ada.post(gateway, DELETE, &[]).await, 409);
    page(&ada.post(gateway, USER, &[("do", "deactivate")]).await, 409);
    assert!(gateway.accounts.find("alice").await.unwrap().unwrap().active);

    // And one user's page revokes no key of another.
    let bob = stage.user("bob", &[]).await;
    let name = NewKey { name: "bob's".to_owned(), scopes: None, life: None };
    gateway.accounts.make_key(&bob, name).await.unwrap();
    let key = gateway.accounts.keys_of(bob.id).await.unwrap()[0].id.to_string();
    let alice = gateway.accounts.find("alice").await.unwrap().unwrap().id.0;
    let act = format!("{USER}&id={alice}");
    let revoke = [("do", "api-key-revoke"), ("id", key.as_str())];
    says(&page(&ada.post(gateway, &act, &revoke).await, 404), &["the user has no API key"]);
    assert_eq!(gateway.accounts.keys_of(bob.id).await.unwrap().len(), 1);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn the_gateway_is_seen_as_it_runs() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    // What the gateway alone knows is not asked for at a door that knows accounts alone.
    page(&ada.go(gateway, "/manage/state/").await, 503);
    page(&ada.go(gateway, "/manage/explain/").await, 200);
    page(&ada.go(gateway, "/manage/explain/?url=/x").await, 503);
    let mut alice = signed_in(&stage, "alice").await;
    for target in ["/manage/state/", "/manage/explain/", "/manage/explain/?url=/x"] {
        page(&alice.go(gateway, target).await, 403);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn nobody_shuts_themselves_out() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut ada = ada(&stage).await;
    for name in ["ada", "\u{ff41}da"] {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let target = format!("/manage/user/?name={name}");
        for form in [&[("do", "deactivate")][..], &[("do", "role-remove"), ("role", "admin")]] {
            says(&page(&ada.post(gateway, &target, form).await, 409), &["shut you out"]);
        }
        let target = format!("/manage/user/delete/?name={name}");
        page(&ada.post(gateway, &target, &[]).await, 409);
    }
    page(&ada.go(gateway, "/manage/").await, 200);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_lost_factor_is_taken_away_when_it_was_asked_for_once() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let (access, _) = stage.log_in("alice").await;
    let mut ada = ada(&stage).await;
    says(&page(&ada.go(gateway, USER).await, 200), &["There is none: the password is enough."]);
    super::factors::enrol(&stage, &access).await;
    let text = page(&ada.go(gateway, USER).await, 200);
    says(&text, &["Authenticator app since", "<dd>10</dd>", "&#x2f;manage&#x2f;user&#x2f;factors"]);
    let reset = "/manage/user/factors/?name=alice";
    let text = page(&ada.go(gateway, reset).await, 200);
    says(&text, &["Remove the second factor of a user?", "alice", "Back, and change nothing"]);
    is_moment(text.split_once("<dt>Authenticator app since</dt><dd>").unwrap().1);
    assert!(gateway.accounts.factors(stage.alice.id).await.unwrap().is_some(), "asked, not done");
    // Neither somebody else's form nor somebody else does it; and nobody by this way to oneself.
    let evil = "Origin: http://evil.test\r\n";
    let done = "/manage/user/factors/?name=alice&id=1";
    page(&ada.post_from(gateway, done, evil, &[]).await, 403);
    page(&ada.post(gateway, "/manage/user/factors/?name=ada&id=2", &[]).await, 409);
    page(&ada.post(gateway, "/manage/user/factors/?name=nobody&id=1", &[]).await, 404);
    page(&ada.post(gateway, "/manage/user/factors/?name=alice&id=7", &[]).await, 409);
    says(&text, &["name=alice&amp;id=1"]);
    assert!(gateway.accounts.factors(stage.alice.id).await.unwrap().is_some());
    goes_to(&ada.post(gateway, done, &[]).await, 303, "/manage/user/?name=alice&done=factors");
    assert!(gateway.accounts.factors(stage.alice.id).await.unwrap().is_none());
    let text = page(&ada.go(gateway, "/manage/user/?name=alice&done=factors").await, 200);
    says(&text, &["The second factor was removed.", "user factors --reset", "factor.removed"]);
    stage.log_in("alice").await;
    stage.finish_untouched().await;
}
