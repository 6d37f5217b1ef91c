//! `explain` on the admin site: what it says there is what the command says.

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = r#"
[upstreams]
api = { to = "http://127.0.0.1:9", timeout = "5s" }
me = { whoami = true }
[identity]
X-User-Id = "user_id"
X-User-Roles = "roles"
[routes]
"/*" = { to = "me", allow = "anyone" }
"GET,POST /api/*" = { to = "api", strip = "/api", prefix = "/v2", body = "2MB" }
"/admin/*" = { to = "me", allow = ["role:admin & claim:tenant=acme", "user:root"], from = ["127.0.0.0/8"] }
"/trial" = { to = "me", allow = "user", would_allow = "role:admin" }
"other.test/hello" = { to = "me" }
[pages]
[pages.admin]
[admin]
watch = false
"#;

fn start() -> (Folder, Gateway) {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("ada").done();
    folder.add("alice").done();
    folder.run(&["user", "role", "add", "ada", "admin"]).done();
    let gateway = folder.serve();
    (folder, gateway)
}

/// As a page has a text.
fn escaped(text: &str) -> String {
    let signs = [("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#x27;"), ("/", "&#x2f;")];
    let text = text.replace('&', "&amp;");
    signs.into_iter().fold(text, |text, (sign, code)| text.replace(sign, code))
}

/// What is asked, as the form sends it.
fn target([method, url, who, from]: [&str; 4]) -> String {
    let fields = [("method", method), ("url", url), ("as", who), ("from", from)];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("/manage/explain/?{query}")
}

/// Every text of an answer, but for those that the page says in its own words.
fn texts(told: &Value, found: &mut Vec<String>) {
    match told {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            // Where the readings agree, what they lead to is told once, as the route.
            let agrees = members.get("agrees") == Some(&Value::Bool(true));
            // And a value stands in the place of its claim.
            let is_known = members.get("value").is_some_and(|value| !value.is_null());
            let own = |name: &str| {
                matches!(name, "outcome" | "file" | "would")
                    || (agrees && name == "leads_to")
                    || (is_known && name == "claim")
            };
            let said = members.iter().filter(|(name, _)| !own(name));
            said.for_each(|(_, value)| texts(value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn it_says_what_the_command_says() {
    let (folder, gateway) = start();
    let cookie = gateway.sign_in("ada");
    for asked in [
        ["GET", "/api/a%2fb", "role:x", ""],
        ["DELETE", "/api/x", "user", ""],
        ["GET", "/admin/x", "role:admin", ""],
        ["GET", "/admin/x", "role:admin & claim:tenant=acme", "127.0.0.1"],
        ["GET", "/admin/x", "user:root", "192.0.2.1"],
        ["GET", "/Admin/x", "", ""],
        ["GET", "/x%2F..%2Fadmin", "", ""],
        ["GET", "/trial", "user", ""],
        ["GET", "https://other.test/hello?q=1", "", ""],
        ["POST", "/api/auth/token/", "", ""],
        ["GET", "/api/auth/keys/", "", ""],
        ["GET", "/auth/sign-in/", "", ""],
        ["GET", "/manage/state/", "user", ""],
        ["TRACE", "/x", "", ""],
        ["CONNECT", "/x", "", ""],
        ["GET", "/<script>alert(1)</script>", "", ""],
    ] {
        let [method, url, who, from] = asked;
        let mut args = vec!["explain", "--json", method, url];
        let more = [("--as", who), ("--from", from)].into_iter().filter(|(_, it)| !it.is_empty());
        args.extend(more.flat_map(|(name, value)| [name, value]));
        let told: Value = serde_json::from_str(&folder.run(&args).done()).unwrap();
        let page = gateway.page(&target(asked), &cookie);
        assert!(page.starts_with("HTTP/1.1 200") && !page.contains("<script>"), "{page}");
        let mut said = Vec::new();
        texts(&told, &mut said);
        assert!(said.len() > 4, "{told}");
        for text in said {
            assert!(page.contains(&escaped(&text)), "{asked:?}: `{text}` is not in\n{page}");
        }
        let refused = told["decision"]["outcome"] == "refused";
        assert_eq!(page.contains("<strong>refused</strong>"), refused, "{asked:?}: {page}");
        if let Some(line) = told["route"]["line"].as_u64() {
            assert!(page.contains(&format!("<small>:{line}</small>")), "{asked:?}: {page}");
        }
    }
    let page = gateway.page("/manage/explain/?url=/trial", &cookie);
    assert!(page.contains("<strong>refused</strong> <code>401"), "GET is meant: {page}");
}

#[test]
fn what_else_is_the_gateways_own_is_answered_there() {
    let folder = Folder::new();
    let file = format!("trust = [\"127.0.0.1\"]\n{POLICY}[forward_auth]\npath = \"/check\"\n");
    folder.write("portcullis.toml", &file);
    for (path, what) in [
        ("/auth/", "a page of the gateway"),
        ("/manage/users/", "a page of the gateway"),
        ("/check/orders", "where other proxies ask for a second opinion"),
    ] {
        let said = folder.run(&["explain", "GET", path]).done();
        let first = said.lines().next().unwrap();
        assert_eq!(first, format!("answered     here: {what}"), "{path}");
    }
}

#[test]
fn a_wrong_question_is_answered_as_at_the_command_line() {
    let (folder, gateway) = start();
    let cookie = gateway.sign_in("ada");
    for asked in [
        ["get", "/x", "user", ""],
        ["GET", "/x", "admin\"><script>", ""],
        ["GET", "ftp://a/x", "", ""],
        ["GET", "a_b!/x", "", ""],
        ["GET", "", "user", ""],
    ] {
        let [method, url, who, _] = asked;
        let said = if who.is_empty() {
            folder.run(&["explain", method, url]).failed(1)
        } else {
            folder.run(&["explain", method, url, "--as", who]).failed(1)
        };
        let said = said.trim().strip_prefix("portcullis: ").unwrap();
        let page = gateway.page(&target(asked), &cookie);
        assert!(page.starts_with("HTTP/1.1 422") && !page.contains("<script>"), "{page}");
        assert!(page.contains(&escaped(said)), "{asked:?}: `{said}` is not in\n{page}");
    }
    let page = gateway.page(&target(["GET", "/x", "", "home"]), &cookie);
    assert!(page.starts_with("HTTP/1.1 422") && page.contains("`home` is no address"), "{page}");
}

#[test]
fn it_says_why_in_the_language_of_whoever_reads_it() {
    let (_folder, gateway) = start();
    let german = format!("{}\r\nAccept-Language: de", gateway.sign_in("ada"));
    for (asked, told) in [
        (["GET", "/trial", "", ""], &["die Route verlangt eine Anmeldung, und es gibt keine"][..]),
        (["GET", "/api/x", "user", ""], &["`allow` ist erfüllt", "timeout 5s des Upstreams"][..]),
        (
            ["POST", "/api/auth/token/", "", ""],
            &["ein Endpunkt des Gateways", "Tauscht Name und Passwort gegen Tokens.", "jeder"][..],
        ),
        (["GET", "/api/auth/token/", "", ""], &["der Endpunkt nimmt nur POST, OPTIONS an"][..]),
        (["get", "/x", "", ""], &["`get` ist keine Methode; schreiben Sie sie groß"][..]),
        (
            ["GET", "a_b!/x", "", ""],
            &["ist kein Host (ungültiger Name); beginnen Sie einen Pfad"][..],
        ),
    ] {
        let page = gateway.page(&target(asked), &german);
        for text in told {
            assert!(page.contains(&escaped(text)), "{asked:?}: `{text}` is not in\n{page}");
        }
    }
}

#[test]
fn it_is_for_those_who_are_let_in_to_the_site() {
    let (_folder, gateway) = start();
    let target = target(["GET", "/admin/x", "", ""]);
    let page = gateway.page(&target, &gateway.sign_in("alice"));
    assert!(page.starts_with("HTTP/1.1 403") && !page.contains("tenant=acme"), "{page}");
    let page = gateway.page(&target, "none");
    assert!(page.starts_with("HTTP/1.1 302"), "{page}");
}

#[test]
fn it_is_the_policy_in_force_that_is_asked() {
    let (folder, gateway) = start();
    let (target, cookie) = (target(["GET", "/x", "", ""]), gateway.sign_in("ada"));
    assert!(gateway.page(&target, &cookie).contains("<strong>forwarded</strong>"));
    folder.write("portcullis.toml", &POLICY.replace("allow = \"anyone\"", "allow = \"user:root\""));
    assert!(gateway.page(&target, &cookie).contains("<strong>forwarded</strong>"));
    folder.run(&["reload"]).done();
    let page = gateway.page(&target, &cookie);
    assert!(
        page.contains("<strong>refused</strong> <code>401") && page.contains("user:root"),
        "{page}"
    );
}
