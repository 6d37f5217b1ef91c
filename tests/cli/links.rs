//! Links to choose a new password, from the command line to the endpoint that takes them.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::Folder;

const POLICY: &str = "public = \"https://app.test\"\n\
    [auth]\nreset_page = \"/new#{uid}/{token}\"\n\
    [upstreams]\nw = { whoami = true }\n[routes]\n\"/*\" = { to = \"w\" }\n";

/// The `uid` and `token` of a link as the policy has it.
fn parts(link: &str) -> (&str, &str) {
    let rest = link.trim().strip_prefix("https://app.test/new#").unwrap();
    rest.split_once('/').unwrap()
}

#[test]
fn a_link_is_printed_for_who_is_there_and_let_in() {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("alice").done();
    let ran = folder.run(&["user", "reset-link", "alice"]);
    assert!(ran.err.starts_with("for alice alone, once, until 20"), "{}", ran.err);
    let first = ran.done();
    let (uid, token) = parts(&first);
    assert_eq!((uid, token.len()), ("1", 43));
    let said = folder.run(&["user", "reset-link", "alice", "--json"]).done();
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["username"], "alice");
    assert_ne!(parts(json["link"].as_str().unwrap()).1, token);
    assert!(json["expires"].as_str().unwrap().starts_with("20"));

    let said = folder.run(&["user", "reset-link", "bob"]).failed(1);
    assert_eq!(said, "portcullis: there is no user `bob`\n");
    folder.run(&["user", "deactivate", "alice"]).done();
    let said = folder.run(&["user", "reset-link", "alice"]).failed(1);
    assert!(said.contains("`alice` is shut out"), "{said}");
    folder.run(&["user", "reset-link"]).failed(2);
}

#[test]
fn without_a_public_name_there_is_no_link() {
    let folder = Folder::new();
    folder.add("alice").done();
    let said = folder.run(&["user", "reset-link", "alice"]).failed(1);
    assert!(said.contains("add public = \"https://app.example.com\""), "{said}");
}

#[test]
fn a_link_sets_a_password_at_the_running_gateway() {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    let mut gateway = folder.serve();
    folder.add("alice").done();
    let link = folder.run(&["user", "reset-link", "alice"]).done();
    let (uid, token) = parts(&link);
    let confirm = |password: &str| {
        let body = format!("uid={uid}&token={token}&new_password={password}");
        let mut client = TcpStream::connect(&gateway.address).unwrap();
        let head = "POST /api/auth/password/reset/confirm/ HTTP/1.1\r\nHost: app.test\r\n\
            Connection: close\r\nContent-Type: application/x-www-form-urlencoded";
        write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        reply.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(confirm("1234"), "400");
    assert_eq!(confirm("another-horse-battery"), "200");
    assert_eq!(confirm("yet-another-horse"), "400");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}
