//! Pages of a second factor: set up, asked for, lost, removed.

use portcullis::clock::Clock;

use super::pages;
use crate::common::browser::Browser;
use crate::common::{PASSWORD, Policy, Reply, Stage, otp};

const VAULT: &str = "[routes.\"/web/vault/*\"]\nto = \"up\"\nallow = \"mfa\"\nbrowser = true\n";
const PAGE: &str = "/auth/account/factors/";

async fn stage() -> Stage {
    Stage::with(|policy: Policy| policy.and(pages::ROUTES).and(VAULT)).await
}

fn code(stage: &Stage, secret: &str, ahead: u64) -> String {
    otp::code(secret, stage.gateway.clock().now().as_secs() + 30 * ahead)
}

#[track_caller]
fn goes_to(reply: &Reply, status: u16, to: &str) {
    assert_eq!((reply.status, reply.one("location")), (status, to), "{reply:?}");
}

/// What stands between two pieces of a page.
#[track_caller]
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

/// Sets an app up: its secret, and the recovery codes.
async fn set_up(stage: &Stage, browser: &mut Browser) -> (String, Vec<String>) {
    let form = [("do", "offer"), ("password", PASSWORD)];
    let text = browser.post(&stage.gateway, PAGE, &form).await.text();
    let secret = between(&text, "<code class=\"secret\">", "<").to_owned();
    let form = [("do", "confirm"), ("otp", &code(stage, &secret, 0))];
    let text = browser.post(&stage.gateway, PAGE, &form).await.text();
    let list = between(&text, "<ul class=\"codes\">", "</ul>");
    let codes = list.split("<code>").skip(1).map(|rest| rest.split_once('<').unwrap().0.to_owned());
    (secret, codes.collect())
}

/// The hidden field of that name in a form.
fn hidden(text: &str, name: &str) -> String {
    between(text, &format!("name=\"{name}\" value=\""), "\"").to_owned()
}

#[tokio::test]
async fn an_app_is_set_up_on_a_page() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    assert!(browser.go(gateway, "/auth/").await.text().contains("account&#x2f;factors&#x2f;"));
    let text = browser.go(gateway, PAGE).await.text();
    assert!(text.contains("Set up an authenticator app") && !text.contains("<svg"), "{text}");
    let form = [("do", "offer"), ("password", "wrong")];
    let reply = browser.post(gateway, PAGE, &form).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("Your password was entered incorrectly."), "{reply:?}");
    let form = [("do", "offer"), ("password", PASSWORD)];
    let reply = browser.post(gateway, PAGE, &form).await;
    let text = reply.text();
    assert_eq!((reply.status, reply.one("cache-control")), (200, "no-store"));
    // A picture without a word that the policy of the page would refuse.
    let picture = between(&text, "<svg", "</svg>");
    assert!(!picture.contains("style") && picture.contains("<path fill=\"#000\" d=\"M4 4h7"));
    let secret = between(&text, "<code class=\"secret\">", "<").to_owned();
    let uri = hidden(&text, "uri").replace("&amp;", "&").replace("&#x2f;", "/");
    assert!(uri.starts_with("otpauth://totp/") && uri.contains(&secret), "{uri}");
    // Mistyped: the same secret is still at hand, and nothing else is drawn.
    let form = [("do", "confirm"), ("otp", "000000"), ("secret", &secret), ("uri", &uri)];
    let reply = browser.post(gateway, PAGE, &form).await;
    let text = reply.text();
    assert_eq!(reply.status, 400);
    assert!(text.contains("This code is wrong") && text.contains("<svg"), "{text}");
    let form = [("do", "confirm"), ("otp", "1"), ("secret", "x"), ("uri", "javascript:alert(1)")];
    let text = browser.post(gateway, PAGE, &form).await.text();
    assert!(!text.contains("javascript") && !text.contains("<svg"), "{text}");
    let right = code(&stage, &secret, 0);
    let form = [("do", "confirm"), ("otp", &*right), ("next", "/web/vault/x?a=1")];
    let text = browser.post(gateway, PAGE, &form).await.text();
    let list = between(&text, "<ul class=\"codes\">", "</ul>");
    assert_eq!(list.matches("<code>").count(), 10);
    assert!(text.contains("href=\"&#x2f;web&#x2f;vault&#x2f;x?a=1\""), "{text}");
    let recovery = between(list, "<code>", "<").to_owned();
    // The session at hand is what it was, and the codes are nowhere any more.
    assert_eq!(browser.go(gateway, "/web/vault/x").await.status, 302);
    let text = browser.go(gateway, PAGE).await.text();
    assert!(text.contains("Recovery codes left") && !text.contains(&recovery), "{text}");
    stage.finish().await;
}

#[tokio::test]
async fn a_login_asks_for_it_in_the_way_that_it_was_on() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let (_, codes) = set_up(&stage, &mut browser).await;
    let recovery = codes[0].clone();
    let mut other = Browser::new();
    let form = [("username", "alice"), ("password", PASSWORD), ("next", "/web/x?b=2")];
    let reply = other.post(gateway, "/auth/sign-in/", &form).await;
    let text = reply.text();
    assert_eq!((reply.status, other.token()), (200, None), "{reply:?}");
    assert!(text.contains("Second step") && text.contains("autocomplete=\"one-time-code\""));
    let challenge = hidden(&text, "challenge");
    assert_eq!(hidden(&text, "next"), "&#x2f;web&#x2f;x?b=2");
    assert_eq!(other.go(gateway, "/web/x").await.status, 302, "half a login opens nothing");
    let step = |otp: &str, challenge: &str| {
        [("challenge", challenge), ("otp", otp), ("next", "/web/x?b=2")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let send = async |browser: &mut Browser, form: [(String, String); 3]| {
        let form = form.each_ref().map(|(name, value)| (name.as_str(), value.as_str()));
        browser.post(&stage.gateway, "/auth/sign-in/", &form).await
    };
    let reply = send(&mut other, step("000000", &challenge)).await;
    let text = reply.text();
    assert_eq!((reply.status, other.token()), (400, None));
    assert!(text.contains("This code is wrong") && hidden(&text, "challenge") == challenge);
    let reply = send(&mut other, step(&recovery, &challenge)).await;
    goes_to(&reply, 303, "/auth/sign-in/?done=in&next=%2Fweb%2Fx%3Fb%3D2");
    assert_eq!(other.go(gateway, "/web/vault/x").await.status, 200);
    // Used up: back to the beginning.
    let reply = send(&mut Browser::new(), step(&recovery, &challenge)).await;
    let text = reply.text();
    assert_eq!(reply.status, 400);
    assert!(text.contains("Challenge is invalid") && text.contains("name=\"username\""), "{text}");
    stage.finish().await;
}

#[tokio::test]
async fn a_route_that_asks_for_a_factor_leads_to_one() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let reply = browser.go(gateway, "/web/vault/x?a=1").await;
    let to = "/auth/sign-in/?next=%2Fweb%2Fvault%2Fx%3Fa%3D1&anew=1&factor=1";
    goes_to(&reply, 302, to);
    // Programs are told as ever.
    let reply = browser.send(gateway, "GET", "/web/vault/x", "", "").await;
    assert_eq!(reply.json()["code"], "insufficient_user_authentication");
    // Whoever has none sets one up, and goes on from there.
    let set = "/auth/account/factors/?next=%2Fweb%2Fvault%2Fx%3Fa%3D1";
    goes_to(&browser.go(gateway, to).await, 303, set);
    let form = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("next", "/web/vault/x?a=1"),
        ("factor", "1"),
    ];
    let mut other = Browser::new();
    goes_to(&other.post(gateway, "/auth/sign-in/", &form).await, 303, set);
    let text = browser.go(gateway, set).await.text();
    assert_eq!(hidden(&text, "next"), "&#x2f;web&#x2f;vault&#x2f;x?a=1");
    let evil = browser.go(gateway, "/auth/account/factors/?next=%2F%2Fevil.test").await.text();
    assert!(!evil.contains("evil"), "{evil}");
    let (secret, codes) = set_up(&stage, &mut browser).await;
    assert_eq!(codes.len(), 10);
    goes_to(&browser.go(gateway, "/web/vault/x?a=1").await, 302, to);
    // Each browser of hers shows password and code.
    goes_to(&other.go(gateway, "/web/vault/x?a=1").await, 302, to);
    let text = other.go(gateway, to).await.text();
    assert!(text.contains("Confirm that it is you") && hidden(&text, "factor") == "1", "{text}");
    let text = other.post(gateway, "/auth/sign-in/", &form).await.text();
    let challenge = hidden(&text, "challenge");
    let next = code(&stage, &secret, 1);
    let form =
        [("challenge", &*challenge), ("otp", &next), ("next", "/web/vault/x"), ("factor", "1")];
    let reply = other.post(gateway, "/auth/sign-in/", &form).await;
    goes_to(&reply, 303, "/auth/sign-in/?done=in&next=%2Fweb%2Fvault%2Fx");
    assert_eq!(other.go(gateway, "/web/vault/x").await.status, 200);
    stage.finish().await;
}

#[tokio::test]
async fn a_factor_is_removed_on_its_page_by_who_has_both() {
    let stage = stage().await;
    let gateway = &stage.gateway;
    let mut browser = Browser::new();
    browser.sign_in(gateway, "alice", PASSWORD).await;
    let (_, codes) = set_up(&stage, &mut browser).await;
    for (act, password, otp) in [
        ("remove", "wrong", &*codes[0]),
        ("remove", PASSWORD, "000000"),
        ("recovery", PASSWORD, ""),
        ("", PASSWORD, "000000"),
    ] {
        let form = [("do", act), ("password", password), ("otp", otp)];
        assert_eq!(browser.post(gateway, PAGE, &form).await.status, 400, "{act} {otp}");
    }
    let form = [("do", "recovery"), ("password", PASSWORD), ("otp", &*codes[0])];
    let text = browser.post(gateway, PAGE, &form).await.text();
    let new = between(between(&text, "<ul class=\"codes\">", "</ul>"), "<code>", "<").to_owned();
    let form = [("do", "remove"), ("password", PASSWORD), ("otp", &*codes[1])];
    assert_eq!(browser.post(gateway, PAGE, &form).await.status, 400, "it is void");
    let form = [("do", "remove"), ("password", PASSWORD), ("otp", &*new)];
    // Nobody's page but ours does it.
    for from in ["Origin: http://evil.test\r\n", "Sec-Fetch-Site: cross-site\r\n", ""] {
        assert_eq!(browser.post_from(gateway, PAGE, from, &form).await.status, 403, "{from}");
    }
    goes_to(&browser.post(gateway, PAGE, &form).await, 303, "/auth/account/factors/?done=removed");
    assert!(browser.go(gateway, &format!("{PAGE}?done=removed")).await.text().contains("removed"));
    assert_eq!(browser.go(gateway, "/web/vault/x").await.status, 302);
    goes_to(&Browser::new().sign_in(gateway, "alice", PASSWORD).await, 303, "/auth/");
    goes_to(
        &Browser::new().go(gateway, PAGE).await,
        302,
        "/auth/sign-in/?next=%2Fauth%2Faccount%2Ffactors%2F",
    );
    stage.finish().await;
}

#[tokio::test]
async fn where_nobody_may_enrol_the_page_says_so() {
    let off = "[auth.factors]\nenrol = false\n";
    let stage = Stage::with(|policy: Policy| policy.and(pages::ROUTES).and(off)).await;
    let mut browser = Browser::new();
    browser.sign_in(&stage.gateway, "alice", PASSWORD).await;
    let text = browser.go(&stage.gateway, PAGE).await.text();
    assert!(text.contains("none can be set up here") && !text.contains("<form class=\"narrow\""));
    let form = [("do", "offer"), ("password", PASSWORD)];
    assert_eq!(browser.post(&stage.gateway, PAGE, &form).await.status, 404);
    stage.finish().await;
}
