//! `diff`: which requests of a real access log would end otherwise.

use std::fmt::Write;

use serde_json::Value;

use crate::harness::Folder;

const OLD: &str = r#"
[log]
format = "json"
[upstreams]
me = { whoami = true }
api = { whoami = true }
[routes]
"/*" = { to = "me", allow = "anyone" }
"/orders/*" = { to = "api" }
"/admin/*" = { to = "api", allow = "role:admin" }
"/gone/*" = { to = "api", allow = "anyone" }
"GET /one" = { to = "me" }
"#;

/// Others are let in, a route is narrower, one is gone, one has another upstream.
fn new() -> String {
    OLD.replace(
        "\"/orders/*\" = { to = \"api\" }",
        "\"/orders/*\" = { to = \"api\", allow = \"role:editor\" }",
    )
    .replace("\"/gone/*\" = { to = \"api\", allow = \"anyone\" }\n", "")
    .replace("\"role:admin\"", "[\"role:admin\", \"role:editor\"]")
    .replace("\"GET /one\"", "\"/one\"")
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", OLD);
    folder.write("new.toml", &new());
    folder
}

/// The lines of a gateway that has served real requests of two users and of nobody.
fn real_log(folder: &Folder) -> String {
    folder.add("ann").done();
    folder.add("bob").done();
    folder.run(&["user", "role", "add", "ann", "editor"]).done();
    let mut gateway = folder.serve();
    let mut log = String::new();
    for name in ["ann", "bob", ""] {
        let login = format!(r#"{{"username":"{name}","password":"Tr1cky-Phrase-77"}}"#);
        let answer = gateway.post("token/", &login);
        let token = answer.split_once("\"access\":\"").and_then(|(_, rest)| rest.split('"').next());
        assert_eq!(token.is_some(), !name.is_empty(), "{answer}");
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let bearer = bearer.unwrap_or_default();
        for (method, path) in [
            ("GET", "/orders/7"),
            ("GET", "/admin/x"),
            ("GET", "/gone/x"),
            ("POST", "/one"),
            ("GET", "/x"),
        ] {
            gateway.ask(&format!(
                "{method} {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n{bearer}\
                 Content-Length: 0\r\n\r\n"
            ));
            let line = gateway.log_line(&format!("\"path\":\"{path}\""));
            writeln!(log, "{line}").unwrap();
        }
    }
    log
}

fn diff(folder: &Folder, log: &str, more: &[&str]) -> Value {
    folder.write("access.jsonl", log);
    let args = ["diff", "portcullis.toml", "new.toml", "--log", "access.jsonl", "--json"];
    serde_json::from_str(&folder.run(&[&args[..], more].concat()).done()).unwrap()
}

/// Each group in short, in the order of the report.
fn groups(told: &Value) -> Vec<String> {
    let text = |group: &Value, key: &str| group[key].as_str().unwrap_or_default().to_owned();
    let groups = told["differences"].as_array().unwrap().iter().map(|group| {
        format!(
            "{} {} {}: {} => {}: {}",
            group["requests"],
            text(group, "method"),
            text(group, "old_route"),
            text(group, "old_outcome"),
            text(group, "new_route"),
            text(group, "new_outcome"),
        )
    });
    let mut groups: Vec<_> = groups.collect();
    groups.sort_unstable();
    groups
}

#[test]
fn real_requests_are_judged_by_the_roles_that_their_senders_have() {
    let folder = folder();
    let log = real_log(&folder);
    // Now no gateway runs, and the store is asked.
    let told = diff(&folder, &log, &[]);
    assert_eq!(
        groups(&told),
        [
            // Ann, who is an editor now.
            "1 GET /admin/*: 403 forbidden => /admin/*: api",
            // Bob, who is none.
            "1 GET /orders/*: api => /orders/*: 403 forbidden",
            // Nobody had been asked who it was: any user.
            "3 GET /gone/*: api => /*: me",
            "3 POST : 405 method_not_allowed => /one: me",
        ]
    );
    assert_eq!((&told["requests"], &told["differing"]), (&15.into(), &8.into()));
    assert_eq!(
        (&told["any_user"], &told["foreign"], &told["other_policy"]),
        (&3.into(), &0.into(), &0.into())
    );
    let example = &told["differences"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["new_outcome"] == "403 forbidden")
        .unwrap()["example"];
    assert_eq!(
        (&example["path"], &example["user"], &example["line"]),
        (&"/orders/7".into(), &"2".into(), &6.into())
    );
}

#[test]
fn a_running_gateway_is_asked_what_its_users_may_do() {
    let folder = folder();
    let log = real_log(&folder);
    let gateway = folder.serve();
    let told = diff(&folder, &log, &[]);
    assert_eq!(told["callers_known"], true);
    assert!(groups(&told).contains(&"1 GET /admin/*: 403 forbidden => /admin/*: api".to_owned()));
    drop(gateway);
}

/// A line as the gateway writes it.
fn line(fields: &str) -> String {
    format!(
        "{{\"timestamp\":\"2026-01-01T00:00:00Z\",\"level\":\"INFO\",\"request_id\":\"r\",\
         \"client\":\"192.0.2.1\",\"host\":\"a.test\",{fields},\"target\":\"portcullis::access\"}}\n"
    )
}

#[test]
fn who_is_not_known_is_judged_as_any_user_and_it_says_so() {
    let folder = folder();
    let log = line(
        r#""method":"GET","path":"/orders/7","status":200,"route":"/orders/*","user":"7""#,
    ) + &line(
        r#""method":"GET","path":"/orders/7","status":200,"route":"/orders/*","user":"corp:7""#,
    ) + &line(
        r#""method":"GET","path":"/orders/7","status":401,"code":"token_expired","route":"/orders/*""#,
    ) + &line(
        r#""method":"GET","path":"/orders/7","status":401,"code":"no_credentials","route":"/orders/*""#,
    );
    let told = diff(&folder, &log, &[]);
    assert_eq!(groups(&told), ["2 GET /orders/*: api => /orders/*: 403 forbidden"]);
    assert_eq!((&told["any_user"], &told["callers_known"]), (&2.into(), &false.into()));
    assert!(!folder.file("portcullis.redb").exists());
    let args = ["diff", "portcullis.toml", "new.toml", "--log", "access.jsonl"];
    let said = folder.run(&args).done();
    assert_eq!(
        said,
        "\
REQUESTS  METHOD  ROUTE      OUTCOME               EXAMPLE
2         GET     /orders/*  api -> 403 forbidden  a.test/orders/7 by 7 (line 1)

2 of 4 requests would end otherwise
2 with an unknown identity were judged as any user: no gateway and no store to ask for roles
callers were judged by the roles that they have now, and without a second factor; `rate`, `fresh` and `body` were not judged
"
    );
}

#[test]
fn foreign_lines_are_counted_and_passed_over() {
    let folder = folder();
    let log = format!(
        "{}not json\n\n{{\"target\":\"other\",\"status\":200}}\n\u{fffd}\n{}\n{}{}{}{}",
        line(r#""method":"GET","path":"/gone/a","status":200,"route":"/gone/*""#),
        "y".repeat(2 << 20),
        line(r#""method":"GET","path":"/gone/b","status":400,"code":"bad_framing""#),
        line(r#""method":"GET","path":"/gone/c","status":200,"route":"/older/*""#),
        // With a method that is none, and answered by a listener that only redirects.
        line(r#""method":"G T","path":"/gone/d","status":200"#),
        line(r#""method":"GET","path":"/gone/e","status":308"#),
    );
    let told = diff(&folder, &log, &[]);
    assert_eq!(groups(&told), ["2 GET /gone/*: api => /*: me"]);
    assert_eq!(
        (&told["foreign"], &told["malformed"], &told["other_policy"]),
        (&4.into(), &3.into(), &1.into())
    );
}

#[test]
fn what_a_log_cannot_tell_is_not_judged() {
    let folder = folder();
    let with_certificate = new().replace("\"role:editor\" }", "\"cert:billing\" }");
    folder.write("new.toml", &with_certificate);
    let log = line(
        r#""method":"GET","path":"/orders/7","status":401,"code":"no_credentials","route":"/orders/*""#,
    ) + &line(r#""method":"OPTIONS","path":"/one","status":204,"route":"GET /one""#);
    let told = diff(&folder, &log, &[]);
    assert_eq!(
        (&told["certificate"], &told["preflights"], &told["differing"]),
        (&1.into(), &1.into(), &0.into())
    );
}

#[test]
fn a_difference_is_a_failure_where_somebody_asks_for_that() {
    let folder = folder();
    folder.write(
        "access.jsonl",
        &line(r#""method":"GET","path":"/gone/a","status":200,"route":"/gone/*""#),
    );
    let args = ["diff", "portcullis.toml", "new.toml", "--log", "access.jsonl", "--exit-code"];
    assert_eq!(folder.run(&args).code, Some(1));
    let same =
        ["diff", "portcullis.toml", "portcullis.toml", "--log", "access.jsonl", "--exit-code"];
    assert!(folder.run(&same).done().starts_with("0 of 1 requests would end otherwise\n"));
    // From a pipe, too.
    let args = ["diff", "portcullis.toml", "new.toml", "--log", "-"];
    let piped = line(r#""method":"GET","path":"/gone/a","status":200,"route":"/gone/*""#);
    assert!(folder.run_with(&args, piped.as_bytes()).done().contains("1 of 1 requests"));
    let said = folder.run(&["diff", "portcullis.toml", "new.toml", "--log", "none"]).failed(1);
    assert!(said.contains("none"), "{said}");
    folder.write("new.toml", "listen = 7\n");
    assert!(folder.run(&args).failed(1).contains("new.toml:1:10: "));
}
