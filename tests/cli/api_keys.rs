//! `portcullis api-key`, with the gateway running and without.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = "[auth.keys]\nper_user = 3\n[auth.password]\nmemory = \"8KiB\"\n\
                      [upstreams]\nwho = { whoami = true }\n[routes]\n\"/*\" = { to = \"who\" }\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("alice").done();
    folder.run(&["user", "role", "add", "alice", "editor"]).done();
    folder.run(&["user", "role", "add", "alice", "admin"]).done();
    folder
}

/// What stands behind `key: `.
fn handed_out(said: &str) -> String {
    let (_, text) = said.split_once("\nkey: ").unwrap();
    text.trim_end().to_owned()
}

fn ask(gateway: &Gateway, key: &str) -> String {
    let mut client = TcpStream::connect(&gateway.address).unwrap();
    write!(
        client,
        "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer.to_lowercase()
}

#[test]
fn a_key_made_by_the_command_line_opens_what_it_says() {
    let folder = folder();
    let add = ["api-key", "add", "alice", "--name", "backup"];
    let offline = folder.run(&add).done();
    let gateway = folder.serve();
    let narrow = [&add[..], &["--scope", "editor", "--expires", "90d"]].concat();
    let online = folder.run(&narrow).done();
    assert!(offline.starts_with("API key 1 of alice, until 20"), "{offline}");
    assert!(online.starts_with("API key 2 of alice, until 20"), "{online}");
    let (wide, narrow) = (handed_out(&offline), handed_out(&online));
    let (all, some) = (ask(&gateway, &wide), ask(&gateway, &narrow));
    assert!(all.starts_with("http/1.1 200 ") && all.contains("admin,editor"), "{all}");
    assert!(some.starts_with("http/1.1 200 ") && !some.contains("admin"), "{some}");
    // Only what it is found by is kept.
    let file = std::fs::read(folder.file("portcullis.redb")).unwrap();
    for key in [&wide, &narrow] {
        assert!(!file.windows(key.len()).any(|part| part == key.as_bytes()));
    }
    assert_eq!(
        folder.run(&["api-key", "revoke", "1"]).done(),
        "API key 1 opens nothing any more\n"
    );
    assert!(ask(&gateway, &wide).starts_with("http/1.1 401 "));
    assert!(ask(&gateway, &narrow).starts_with("http/1.1 200 "));
    let said = folder.run(&["api-key", "revoke", "1"]).failed(1);
    assert_eq!(said, "portcullis: there is no API key 1\n");
}

#[test]
fn keys_are_listed_without_what_was_handed_out() {
    let folder = folder();
    folder.add("bob").done();
    assert_eq!(folder.run(&["api-key", "list", "--json"]).done(), "[]\n");
    let mut keys = Vec::new();
    for (user, name) in [("alice", "one"), ("bob", "two"), ("alice", "three")] {
        let said = folder.run(&["api-key", "add", user, "--name", name, "--json"]).done();
        let made: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&made["username"], &made["name"]), (&user.into(), &name.into()));
        keys.push(made["key"].as_str().unwrap().to_owned());
    }
    let listed = folder.run(&["api-key", "list"]).done();
    assert!(listed.starts_with("ID  USER   NAME "), "{listed}");
    assert!(listed.contains("2   bob    two "), "{listed}");
    let _gateway = folder.serve();
    let listed = folder.run(&["api-key", "list", "alice", "--json"]).done();
    let read: Value = serde_json::from_str(&listed).unwrap();
    let names: Vec<_> = read.as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["one", "three"]);
    for key in keys {
        assert!(!listed.contains(&key), "{listed}");
    }
    let said = folder.run(&["api-key", "list", "nobody"]).failed(1);
    assert_eq!(said, "portcullis: there is no user `nobody`\n");
}

#[test]
fn an_export_carries_keys_and_nothing_that_opens() {
    let folder = folder();
    let said = folder.run(&["api-key", "add", "alice", "--name", "backup"]).done();
    folder.run(&["export", "users.jsonl"]).done();
    let lines = std::fs::read_to_string(folder.file("users.jsonl")).unwrap();
    let key = handed_out(&said);
    assert!(lines.contains("\"name\":\"backup\"") && !lines.contains(&key), "{lines}");
    let other = Folder::new();
    other.write("portcullis.toml", POLICY);
    other.write("users.jsonl", &lines);
    other.run(&["import", "portcullis", "users.jsonl"]).done();
    let gateway = other.serve();
    let answer = ask(&gateway, &key);
    assert!(answer.starts_with("http/1.1 200 ") && answer.contains("alice"), "{answer}");
}

#[test]
fn what_cannot_be_made_is_refused() {
    let folder = folder();
    for (args, code, part) in [
        (&["nobody", "--name", "n"][..], 1, "there is no user `nobody`"),
        (&["alice"], 2, "--name"),
        (&["alice", "--name", " "], 1, "This field may not be blank."),
        (&["alice", "--name", "a\u{7}b"], 1, "Control characters are not allowed."),
        (&["alice", "--name", "n", "--scope", "root"], 1, "`alice` does not have the role `root`"),
        (&["alice", "--name", "n", "--scope", "Not A Role"], 1, "no role name"),
        (&["alice", "--name", "n", "--expires", "366d"], 1, "a key lives for 365d at most"),
        (&["alice", "--name", "n", "--expires", "soon"], 2, "write a duration"),
    ] {
        let said = folder.run(&[&["api-key", "add"], args].concat()).failed(code);
        assert!(said.contains(part), "{args:?}: {said}");
    }
    assert_eq!(folder.run(&["api-key", "list", "--json"]).done(), "[]\n");
    for _ in 0..3 {
        folder.run(&["api-key", "add", "alice", "--name", "n"]).done();
    }
    let said = folder.run(&["api-key", "add", "alice", "--name", "n"]).failed(1);
    assert!(said.contains("`alice` has 3 API keys already; revoke one first"), "{said}");
    folder.run(&["api-key", "revoke", "x"]).failed(2);
    folder.write("portcullis.toml", "[auth.password]\nmemory = \"8KiB\"\n");
    let said = folder.run(&["api-key", "add", "alice", "--name", "n"]).failed(1);
    assert!(said.contains("add [auth.keys] to the policy file"), "{said}");
    // What there is can be seen and revoked all the same.
    folder.run(&["api-key", "revoke", "1"]).done();
}
