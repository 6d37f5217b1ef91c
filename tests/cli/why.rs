//! `portcullis why`: a request that is over, and what decided it.

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = r#"[admin]
watch = false
recent = 5
[upstreams]
me = { whoami = true }
[routes]
"/mine/*" = { to = "me", would_allow = "role:admin" }
"/staff/*" = { to = "me", allow = ["role:staff & claim:team=a", "user:root"] }
"/near" = { to = "me", allow = "anyone", from = "192.0.2.0/24" }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("ann").done();
    folder
}

/// The id of a request that was answered.
fn ask(gateway: &Gateway, path: &str, token: Option<&str>) -> String {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let answer = gateway
        .ask(&format!("GET {path} HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n{bearer}\r\n"));
    let id = answer.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("x-request-id: ").map(str::to_owned)
    });
    assert!(id.is_some(), "{answer}");
    id.unwrap()
}

fn json(folder: &Folder, id: &str) -> Value {
    let all: Value = serde_json::from_str(&folder.run(&["why", id, "--json"]).done()).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    all.get(0).cloned().unwrap()
}

#[test]
fn a_refusal_is_told_with_its_route_its_line_and_what_the_caller_lacks() {
    let folder = folder();
    let gateway = folder.serve();
    let [token, _] = gateway.log_in("ann");
    let id = ask(&gateway, "/staff/./a%41?secret=1", Some(&token));
    let said = folder.run(&["why", &id]).done();
    for told in [
        "refused      403 forbidden: caller may not use this route\n",
        "request      GET /staff/./a%41 at x.test\n",
        "path         /staff/aA\n",
        "by           user 1 (ann)\n",
        "roles        none\n",
        "with         an access token of session 1-",
        "still good\n",
        "route        /staff/*  (portcullis.toml:8)\n",
        "not met: role:staff & claim:team=a, for lack of role:staff and claim:team=a\n",
        "not met: user:root, for lack of user:root\n",
        ", in force\n",
    ] {
        assert!(said.contains(told), "{told}: {said}");
    }
    for secret in ["secret", token.as_str()] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn what_became_of_the_credential_and_the_policy_since_is_told() {
    let folder = folder();
    let gateway = folder.serve();
    let [token, _] = gateway.log_in("ann");
    let id = ask(&gateway, "/mine/x", Some(&token));
    let past = json(&folder, &id);
    assert_eq!(past["end"]["status"], 200, "{past}");
    assert_eq!(past["end"]["code"], Value::Null, "{past}");
    assert_eq!(past["caller"]["known"]["now"], Value::Null, "{past}");
    assert_eq!(past["route"]["would_allow"], "role:admin", "{past}");
    assert_eq!(past["route"]["would"], "refuse", "{past}");
    assert_eq!(past["policy"]["in_force"], true, "{past}");
    let session = past["caller"]["known"]["session"].as_str().unwrap().to_owned();

    folder.run(&["session", "end", "ann", &session]).done();
    folder.write("portcullis.toml", &format!("# a line more\n{POLICY}"));
    folder.run(&["reload"]).done();
    let past = json(&folder, &id);
    assert_ne!(past["caller"]["known"]["now"], Value::Null, "{past}");
    // The line that it had then, said as such.
    assert_eq!(past["route"]["line"], 7, "{past}");
    assert_eq!(past["policy"]["in_force"], false, "{past}");
    let said = folder.run(&["why", &id]).done();
    for told in ["good then, and now: ", "(the file as it was:7)", "no longer in force"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let past = json(&folder, &ask(&gateway, "/mine/x", Some(&token)));
    assert_eq!(
        (&past["route"]["line"], &past["end"]["status"]),
        (&8.into(), &401.into()),
        "{past}"
    );
}

#[test]
fn what_met_no_rule_is_told_as_well() {
    let folder = folder();
    let gateway = folder.serve();
    for (path, token, told) in [
        ("/mine/x", None, "401 no_credentials: no credentials"),
        ("/mine/x", Some("broken"), "401 token_not_valid: token refused: Token is invalid\n"),
        ("/nowhere", None, "404 "),
        ("/near", None, "403 forbidden_address: address may not use this route"),
        ("/a%00b", None, "400 "),
        ("/api/auth/profile/", None, "401 "),
    ] {
        let id = ask(&gateway, path, token);
        let said = folder.run(&["why", &id]).done();
        let first = said.split_inclusive('\n').next().unwrap();
        assert!(first.starts_with("refused ") && first.contains(told), "{path}: {said}");
        assert!(said.contains("by           nobody: "), "{path}: {said}");
    }
}

#[test]
fn an_endpoint_is_told_with_its_user() {
    let folder = folder();
    let gateway = folder.serve();
    let [token, _] = gateway.log_in("ann");
    let past = json(&folder, &ask(&gateway, "/api/auth/profile/", Some(&token)));
    assert_eq!(past["endpoint"], "/api/auth/profile/", "{past}");
    assert_eq!(past["caller"]["user_id"], "1", "{past}");
}

#[test]
fn what_is_not_remembered_is_said_so() {
    let folder = folder();
    let gateway = folder.serve();
    let wrong = folder.run(&["why", "no\u{1b}such"]).failed(1);
    assert!(wrong.contains("no request `no\\u{1b}such` is remembered"), "{wrong}");
    assert!(wrong.contains("`[admin] recent`"), "{wrong}");
    drop(gateway);
    let wrong = folder.run(&["why", "x"]).failed(1);
    assert!(wrong.contains("portcullis.sock"), "{wrong}");
}

#[test]
fn nothing_is_remembered_where_nothing_shall_be() {
    let folder = folder();
    folder.write("portcullis.toml", &POLICY.replace("recent = 5", "recent = 0"));
    let gateway = folder.serve();
    let id = ask(&gateway, "/mine/x", None);
    let wrong = folder.run(&["why", &id]).failed(1);
    assert!(wrong.contains("no request"), "{wrong}");
}
