//! Passkeys: what they open, what is recorded and told of them, and their pages.

use portcullis::clock::Clock;
use portcullis::store::UserChange;
use serde_json::{Value, json};

use super::{audit, fresh, pages};
use crate::common::browser::Browser;
use crate::common::passkey::{Device, IS_COPIED, Kind, MAY_BE_COPIED};
use crate::common::smtp::Smtp;
use crate::common::{PASSWORD, Policy, Reply, Stage, otp};

const ORIGIN: &str = "https://a.test";
const TOP: &str = "public = \"https://a.test\"\n";
const VAULT: &str = "[routes.\"/vault/*\"]\nto = \"up\"\nallow = \"mfa\"\n[identity]\n\
                     X-User-Name = \"username\"\nX-User-Amr = \"amr\"\nX-User-Acr = \"acr\"\n";
const PAGE: &str = "/auth/account/factors/";

async fn stage(more: &str) -> Stage {
    Stage::with(|policy: Policy| policy.top(TOP).and(VAULT).and(more)).await
}

/// What is asked for at an endpoint.
async fn asked(stage: &Stage, access: Option<&str>, path: &str, body: &Value) -> Value {
    let reply = stage.ask("POST", path, access, Some(body)).await;
    assert!([200, 201].contains(&reply.status), "{reply:?}");
    reply.json()["publicKey"].clone()
}

async fn add(stage: &Stage, access: &str, kind: Kind) -> (Device, Vec<String>) {
    let password = json!({ "password": PASSWORD });
    let options = asked(stage, Some(access), "factors/passkeys/add/", &password).await;
    let mut device = Device::new(ORIGIN, kind);
    device.flags |= MAY_BE_COPIED | IS_COPIED;
    let made = device.create(&options).to_string();
    let body = json!({ "name": "phone", "credential": made });
    let added = stage.ask("POST", "factors/passkeys/confirm/", Some(access), Some(&body)).await;
    assert_eq!(added.status, 201, "{added:?}");
    let codes = added.json()["recovery_codes"].as_array().unwrap().clone();
    (device, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

/// Sets an app up beside a passkey: its next code.
async fn add_app(stage: &Stage, access: &str, device: &Device) -> String {
    let options = asked(stage, Some(access), "factors/passkeys/challenge/", &json!({})).await;
    let body = json!({ "password": PASSWORD, "otp": device.get(&options).to_string() });
    let offered = stage.ask("POST", "factors/totp/", Some(access), Some(&body)).await.json();
    let secret = offered["secret"].as_str().unwrap();
    let code = |ahead: u64| otp::code(secret, stage.gateway.clock().now().as_secs() + 30 * ahead);
    let first = json!({ "otp": code(0) });
    let confirmed = stage.ask("POST", "factors/totp/confirm/", Some(access), Some(&first)).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    code(1)
}

async fn sign_in(stage: &Stage, device: &Device) -> Reply {
    let options = asked(stage, None, "token/passkey/", &json!({})).await;
    let body = json!({ "credential": device.get(&options).to_string() });
    stage.post("/api/auth/token/passkey/confirm/", &body).await
}

fn text(reply: &Reply, member: &str) -> String {
    reply.json()[member].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

#[tokio::test]
async fn a_route_that_asks_for_a_factor_is_opened_by_a_passkey_alone_and_beside_a_password() {
    let stage = stage("").await;
    let (plain, _) = stage.log_in("alice").await;
    let (device, codes) = add(&stage, &plain, Kind::Es256).await;
    assert_eq!(codes.len(), 10);
    let more = |reply: &Reply| {
        fresh::is_asked_for_more(reply, "A second factor is required.", "acr_values=\"mfa\"");
    };
    more(&stage.get_as("/vault/x", &plain).await);
    let alone = sign_in(&stage, &device).await;
    let access = text(&alone, "access");
    assert_eq!(stage.get_as("/vault/x", &access).await.status, 200);
    let renewed = json!({ "refresh": text(&alone, "refresh") });
    let renewed = stage.post("/api/auth/token/refresh/", &renewed).await;
    assert_eq!(stage.get_as("/vault/x", &text(&renewed, "access")).await.status, 200);
    let login = json!({ "username": "alice", "password": PASSWORD });
    let due = stage.post("/api/auth/token/", &login).await;
    let signed = device.get(&due.json()["publicKey"]).to_string();
    let both = json!({ "challenge": due.json()["challenge"], "otp": signed });
    let both = stage.post("/api/auth/token/factor/", &both).await;
    assert_eq!(stage.get_as("/vault/x", &text(&both, "access")).await.status, 200);
    // An operator takes it away: what came by it is asked for more, and the passkey opens nothing.
    assert!(stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap());
    more(&stage.get_as("/vault/x", &access).await);
    assert_eq!(sign_in(&stage, &device).await.status, 400);
    let seen = stage.finish().await;
    let amr: Vec<_> = seen.iter().map(|request| request.one("x-user-amr")).collect();
    assert_eq!(amr, ["pop,user,mfa", "pop,user,mfa", "pwd,pop,mfa"]);
    assert!(seen.iter().all(|request| request.one("x-user-acr") == "mfa"));
}

#[tokio::test]
async fn every_way_of_a_passkey_is_recorded() {
    let stage = audit::stage_with(|policy| policy.top(TOP)).await;
    let (access, _) = stage.log_in("alice").await;
    let (mut device, _) = add(&stage, &access, Kind::Rs256).await;
    device.count = 5;
    assert_eq!(sign_in(&stage, &device).await.status, 200);
    device.count = 4;
    assert_eq!(sign_in(&stage, &device).await.status, 400);
    let proof = asked(&stage, Some(&access), "factors/passkeys/challenge/", &json!({})).await;
    let body = json!({ "password": PASSWORD, "otp": device.get(&proof).to_string() });
    stage.ask("POST", "factors/recovery/", Some(&access), Some(&body)).await;
    device.count = 6;
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(sign_in(&stage, &device).await.status, 400);
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(true)).await.unwrap();
    assert_eq!(sign_in(&stage, &Device::new(ORIGIN, Kind::EdDsa)).await.status, 400);
    let options = asked(&stage, Some(&access), "factors/passkeys/challenge/", &json!({})).await;
    let listed = stage.ask("GET", "factors/passkeys/", Some(&access), None).await.json();
    let body = json!({
        "id": listed[0]["id"],
        "password": PASSWORD,
        "otp": device.get(&options).to_string(),
    });
    let name = json!({ "id": listed[0]["id"], "name": "work" });
    let renamed = stage.ask("POST", "factors/passkeys/rename/", Some(&access), Some(&name)).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let removed = stage.ask("POST", "factors/passkeys/remove/", Some(&access), Some(&body)).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    let lines = audit::finish(stage).await;
    let told = |line: &Value| {
        let fact = |name: &str| line["facts"][name].as_str().unwrap_or_default().to_owned();
        let what = line["event"].as_str().unwrap().to_owned();
        [what, fact("factor"), fact("why")].join(" ").trim().to_owned()
    };
    let about: Vec<_> = lines.iter().map(told).filter(|what| what.contains("passkey")).collect();
    let expected = [
        "factor.added passkey",
        "login passkey",
        "login.failed passkey count",
        "factor.failed passkey count",
        "login.failed passkey inactive",
        "login.failed passkey unknown",
        "factor.renamed passkey",
        "factor.removed passkey",
        "factor.used passkey",
    ];
    assert_eq!(about, expected);
    let names: Vec<_> = lines.iter().map(|line| &line["facts"]["passkey"]).collect();
    assert_eq!(names.iter().filter(|name| **name == &listed[0]["id"]).count(), 3, "{lines:#?}");
}

#[tokio::test]
async fn passkeys_are_told_to_a_verified_address() {
    let mut smtp = Smtp::start().await;
    let stage = stage(&smtp.policy()).await;
    let email = "alice@example.com".to_owned();
    let change = UserChange::Email { email, verified: true };
    stage.gateway.accounts.change(stage.alice.id, change).await.unwrap().unwrap();
    let (access, _) = stage.log_in("alice").await;
    let (device, _) = add(&stage, &access, Kind::EdDsa).await;
    let added = smtp.mail().await;
    assert_eq!(added.field("Subject"), "A passkey was added to your account at a.test");
    let app = add_app(&stage, &access, &device).await;
    assert_eq!(smtp.mail().await.field("Subject"), "Signing in at a.test asks for a second step");
    let body = json!({ "password": PASSWORD, "otp": app });
    stage.ask("POST", "factors/totp/remove/", Some(&access), Some(&body)).await;
    let removed = smtp.mail().await;
    let app_removed = "The authenticator app was removed from your account at a.test";
    assert_eq!(removed.field("Subject"), app_removed);
    let options = asked(&stage, Some(&access), "factors/passkeys/challenge/", &json!({})).await;
    let listed = stage.ask("GET", "factors/passkeys/", Some(&access), None).await.json();
    let proof = device.get(&options).to_string();
    let body = json!({ "id": listed[0]["id"], "password": PASSWORD, "otp": proof });
    stage.ask("POST", "factors/passkeys/remove/", Some(&access), Some(&body)).await;
    let removed = smtp.mail().await;
    assert_eq!(removed.field("Subject"), "A passkey was removed from your account at a.test");
    stage.finish().await;
}

/// Sends a form as a browser does that is at the public name.
async fn post(stage: &Stage, browser: &mut Browser, page: &str, form: &[(&str, &str)]) -> Reply {
    let from = "Origin: https://a.test\r\nSec-Fetch-Site: same-origin\r\n";
    browser.post_from(&stage.gateway, page, from, form).await
}

/// What a button of a page asks for.
#[track_caller]
fn button(page: &str) -> Value {
    let written = page.split_once("data-passkey=\"").unwrap_or_else(|| panic!("{page}")).1;
    let written = written.split_once('"').unwrap().0;
    let written = written.replace("&quot;", "\"").replace("&#x2f;", "/");
    serde_json::from_str(&written).unwrap()
}

#[tokio::test]
async fn passkeys_have_their_place_on_the_pages() {
    let stage = stage(pages::ROUTES).await;
    let mut browser = Browser::new();
    let form = [("username", "alice"), ("password", PASSWORD)];
    assert_eq!(post(&stage, &mut browser, "/auth/sign-in/", &form).await.status, 303);
    let form = [("do", "passkey"), ("password", PASSWORD), ("name", "phone <1>")];
    let made = post(&stage, &mut browser, PAGE, &form).await.text();
    assert!(made.contains("name=\"name\" value=\"phone &lt;1&gt;\""), "{made}");
    let mut device = Device::new(ORIGIN, Kind::Es256);
    let credential = device.create(&button(&made)).to_string();
    let form = [("do", "passkey-confirm"), ("name", "phone <1>"), ("credential", &credential)];
    let codes = post(&stage, &mut browser, PAGE, &form).await.text();
    assert_eq!(codes.matches("<li><code>").count(), 10, "{codes}");
    let page = browser.go(&stage.gateway, PAGE).await.text();
    assert!(page.contains("<strong>phone &lt;1&gt;</strong>"), "{page}");
    assert!(page.contains("Set up an authenticator app"), "an app may be had as well");
    // In by it alone, and where one wanted to go.
    let mut other = Browser::new();
    let page = other.go(&stage.gateway, "/auth/sign-in/?next=%2Fweb%2Fx").await.text();
    let credential = device.get(&button(&page)).to_string();
    let form = [("credential", &*credential), ("next", "/web/x")];
    let reply = post(&stage, &mut other, "/auth/sign-in/", &form).await;
    let to = "/auth/sign-in/?done=in&next=%2Fweb%2Fx";
    assert_eq!((reply.status, reply.one("location")), (303, to), "{reply:?}");
    assert_eq!(other.go(&stage.gateway, "/web/x").await.status, 200);
    let again = post(&stage, &mut Browser::new(), "/auth/sign-in/", &form).await;
    assert_eq!(again.status, 400);
    assert!(again.text().contains("Nobody can sign in with this passkey here"), "{again:?}");
    // No page but ours sends it.
    let page = other.go(&stage.gateway, "/auth/sign-in/?anew=1").await.text();
    let credential = device.get(&button(&page)).to_string();
    let form = [("credential", &*credential)];
    let from = "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\n";
    let foreign = Browser::new().post_from(&stage.gateway, "/auth/sign-in/", from, &form).await;
    assert_eq!(foreign.status, 403);
    // Behind the password, with a wrong code in between.
    let mut third = Browser::new();
    let form = [("username", "alice"), ("password", PASSWORD)];
    let step = post(&stage, &mut third, "/auth/sign-in/", &form).await.text();
    let hidden = |name: &str| {
        let rest = step.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1;
        let value = rest.split_once('"').unwrap().0;
        value.replace("&quot;", "\"").replace("&#x2f;", "/")
    };
    let (challenge, options) = (hidden("challenge"), hidden("passkey"));
    let form = [("challenge", &*challenge), ("passkey", &*options), ("otp", "000000")];
    let wrong = post(&stage, &mut third, "/auth/sign-in/", &form).await;
    assert_eq!(wrong.status, 400);
    let signed = device.get(&button(&wrong.text())).to_string();
    let form = [("challenge", &*challenge), ("passkey", &*options), ("otp", &*signed)];
    assert_eq!(post(&stage, &mut third, "/auth/sign-in/", &form).await.status, 303);
    // Removed on its page, by the passkey itself.
    let page = third.go(&stage.gateway, PAGE).await.text();
    let id = page.split_once("<option value=\"").unwrap().1.split_once('"').unwrap().0;
    let proof = device.get(&button(&page)).to_string();
    let form = [("do", "passkey-remove"), ("id", id), ("password", PASSWORD), ("otp", &*proof)];
    let gone = post(&stage, &mut third, PAGE, &form).await;
    assert_eq!(gone.one("location"), format!("{PAGE}?done=passkey-removed"));
    stage.finish().await;
}

#[tokio::test]
async fn passkeys_are_called_otherwise_and_the_app_goes_alone_on_their_page() {
    let stage = stage(pages::ROUTES).await;
    let mut browser = Browser::new();
    let form = [("username", "alice"), ("password", PASSWORD)];
    assert_eq!(post(&stage, &mut browser, "/auth/sign-in/", &form).await.status, 303);
    let (access, _) = stage.log_in("alice").await;
    let (device, _) = add(&stage, &access, Kind::Es256).await;
    let page = browser.go(&stage.gateway, PAGE).await.text();
    assert!(page.contains("Rename a passkey"), "{page}");
    assert!(!page.contains("Remove the authenticator app"), "{page}");
    let app = add_app(&stage, &access, &device).await;
    let page = browser.go(&stage.gateway, PAGE).await.text();
    assert!(page.contains("Remove the authenticator app"), "{page}");
    let id = page.split_once("<option value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let rename = |name: &'static str| [("do", "passkey-rename"), ("id", &*id), ("name", name)];
    let wrong = post(&stage, &mut browser, PAGE, &rename(" ")).await;
    assert_eq!(wrong.status, 400);
    let fault = "id=\"passkey-rename-name-fault\"><span>This field may not be blank.";
    assert!(wrong.text().contains(fault), "{wrong:?}");
    // In the form that was sent, and in no other.
    let chosen = format!("<option value=\"{id}\" selected>");
    assert_eq!(wrong.text().matches(&chosen).count(), 1, "{wrong:?}");
    let done = post(&stage, &mut browser, PAGE, &rename("work <2>")).await;
    assert_eq!(done.one("location"), format!("{PAGE}?done=passkey-renamed"));
    let page = browser.go(&stage.gateway, done.one("location")).await.text();
    for text in ["The passkey has another name.", "<strong>work &lt;2&gt;</strong>"] {
        assert!(page.contains(text), "{page}");
    }
    let remove = |otp: &str| {
        let otp = otp.to_owned();
        [("do", "app-remove".to_owned()), ("password", PASSWORD.to_owned()), ("otp", otp)]
    };
    for (otp, status) in [("000000", 400), (&*app, 303)] {
        let form = remove(otp);
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(post(&stage, &mut browser, PAGE, &form).await.status, status);
    }
    let page = browser.go(&stage.gateway, &format!("{PAGE}?done=app-removed")).await.text();
    assert!(page.contains("The authenticator app is removed."), "{page}");
    assert!(page.contains("work &lt;2&gt;") && page.contains("Set up an authenticator"), "{page}");
    assert!(!page.contains("Remove the authenticator app"), "{page}");
    stage.finish().await;
}

#[tokio::test]
async fn pages_without_a_name_for_them_have_no_passkeys() {
    let stage = Stage::with(|policy: Policy| policy.and(pages::ROUTES)).await;
    let mut browser = Browser::new();
    browser.sign_in(&stage.gateway, "alice", PASSWORD).await;
    for page in [PAGE, "/auth/sign-in/?anew=1"] {
        let page = browser.go(&stage.gateway, page).await.text();
        assert!(
            !page.contains("data-passkey")
                && page.contains("Current password") != page.contains("Confirm that"),
            "{page}"
        );
    }
    assert_eq!(stage.post("/api/auth/token/passkey/", &json!({})).await.status, 501);
    stage.finish_untouched().await;
}
