//! `would_allow`: a rule on trial, in the access log and in `check`.

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = r#"
expect = ["user GET /narrower -> me", "anyone GET /wider -> 401"]
[log]
format = "json"
[upstreams]
me = { whoami = true }
[routes]
"/narrower" = { to = "me", would_allow = ["role:admin", "user:root"] }
"/wider" = { to = "me", allow = "role:admin", would_allow = "user" }
"/open" = { to = "me", allow = "user", would_allow = "anyone" }
"/plain" = { to = "me" }
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder
}

/// Status of the answer, and the access line of the request.
fn asked(gateway: &mut Gateway, path: &str, token: Option<&str>) -> (String, Value) {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let answer = gateway
        .ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{bearer}\r\n"));
    let line = gateway.log_line(&format!("\"path\":\"{path}\""));
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, serde_json::from_str(&line).unwrap())
}

#[test]
fn a_request_that_would_end_otherwise_says_so_in_its_line_and_ends_as_it_did() {
    let folder = folder();
    folder.add("ann").done();
    let mut gateway = folder.serve();
    let login = r#"{"username":"ann","password":"Tr1cky-Phrase-77"}"#;
    let answer = gateway.post("token/", login);
    let (_, token) = answer.split_once("\"access\":\"").expect(&answer);
    let token = token.split('"').next();
    for (path, token, status, would) in [
        ("/narrower", token, "200", Some("refuse")),
        ("/narrower", None, "401", None),
        ("/wider", token, "403", Some("allow")),
        ("/wider", None, "401", None),
        ("/open", None, "401", Some("allow")),
        ("/open", token, "200", None),
        ("/plain", token, "200", None),
        // A broken credential is refused before any rule is asked.
        ("/open", Some("broken"), "401", None),
    ] {
        let (answered, line) = asked(&mut gateway, path, token);
        assert_eq!(answered, status, "{path}");
        assert_eq!(line.get("would").and_then(Value::as_str), would, "{line}");
    }
}

#[test]
fn check_shows_it() {
    let folder = folder();
    let said = folder.run(&["check"]).done();
    assert!(said.contains("user (would allow: role:admin, user:root)"), "{said}");
    assert!(!said.contains("open to anyone: /open"), "{said}");
    let said: Value = serde_json::from_str(&folder.run(&["check", "--json"]).done()).unwrap();
    let routes = said["routes"].as_array().unwrap();
    let rule = |key: &str| {
        let route = routes.iter().find(|route| route["route"] == key).unwrap();
        route["would_allow"].clone()
    };
    assert_eq!((rule("/wider"), rule("/plain")), ("user".into(), Value::Null));
}
