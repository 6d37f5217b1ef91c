//! `portcullis invite`, with the gateway running and without.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Folder, Gateway};

const POLICY: &str = "[auth]\nregister = \"invite\"\n[auth.password]\nmemory = \"8KiB\"\n";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("portcullis.toml", POLICY);
    folder.add("alice").done();
    folder
}

/// What stands behind `invite: `.
fn handed_out(said: &str) -> String {
    let (_, text) = said.split_once("\ninvite: ").unwrap();
    text.trim_end().to_owned()
}

fn register(gateway: &Gateway, name: &str, invite: &str) -> String {
    let body = format!("username={name}&password=Tr1cky-Phrase-77&invite={invite}");
    let mut client = TcpStream::connect(&gateway.address).unwrap();
    write!(
        client,
        "POST /api/auth/register/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_invitation_made_by_the_command_line_registers_an_account() {
    let folder = folder();
    let offline = folder.run(&["invite", "add", "--role", "editor"]).done();
    let gateway = folder.serve();
    let online = folder.run(&["invite", "add", "--role", "b", "--role", "a", "--uses", "2"]).done();
    assert!(offline.starts_with("invitation 1: good once until 20"), "{offline}");
    assert!(online.starts_with("invitation 2: good 2 times until 20"), "{online}");
    for (name, invite, roles) in [
        ("bob", handed_out(&offline), "[\"editor\"]"),
        ("carol", handed_out(&online), "[\"a\",\"b\"]"),
        ("dave", handed_out(&online), "[\"a\",\"b\"]"),
    ] {
        let answer = register(&gateway, name, &invite);
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        let shown = folder.run(&["user", "show", name, "--json"]).done();
        assert!(shown.contains(&format!("\"roles\":{roles}")), "{shown}");
    }
    assert!(register(&gateway, "eve", &handed_out(&offline)).starts_with("HTTP/1.1 400 "));
    assert_eq!(folder.run(&["invite", "list", "--json"]).done(), "[]\n");
    // Only what it is found by is kept.
    let file = std::fs::read(folder.file("portcullis.redb")).unwrap();
    for said in [offline, online] {
        let text = handed_out(&said).into_bytes();
        assert!(!file.windows(text.len()).any(|part| part == text));
    }
}

#[test]
fn invitations_are_listed_without_what_was_handed_out_and_taken_back() {
    let folder = folder();
    let said = folder
        .run(&["invite", "add", "--email", "bob@example.com", "--expires", "12h", "--json"])
        .done();
    let made: Value = serde_json::from_str(&said).unwrap();
    let text = made["invite"].as_str().unwrap();
    assert_eq!((&made["email"], &made["left"]), (&"bob@example.com".into(), &1.into()));
    let listed = folder.run(&["invite", "list"]).done();
    assert!(listed.starts_with("ID  EMAIL "), "{listed}");
    assert!(listed.contains("1   bob@example.com") && !listed.contains(text), "{listed}");
    let gateway = folder.serve();
    assert!(!folder.run(&["invite", "list", "--json"]).done().contains(text));
    let revoked = folder.run(&["invite", "revoke", "1"]).done();
    assert_eq!(revoked, "invitation 1 is good for nothing now\n");
    assert!(register(&gateway, "bob", text).starts_with("HTTP/1.1 400 "));
    let said = folder.run(&["invite", "revoke", "1"]).failed(1);
    assert_eq!(said, "portcullis: there is no invitation 1; it may be used up\n");
}

#[test]
fn what_cannot_be_granted_is_refused() {
    let folder = folder();
    for (args, code, part) in [
        (&["--role", "Not A Role"][..], 1, "no role name"),
        (&["--email", "nobody"], 1, "Enter a valid email address."),
        (&["--uses", "0"], 2, "--uses"),
        (&["--uses", "-1"], 2, "-1"),
        (&["--expires", "0s"], 2, "write a duration"),
        (&["--expires", "soon"], 2, "write a duration"),
        (&["--expires", "1000y"], 2, "write a duration"),
    ] {
        let said = folder.run(&[&["invite", "add"], args].concat()).failed(code);
        assert!(said.contains(part), "{args:?}: {said}");
    }
    assert_eq!(folder.run(&["invite", "list", "--json"]).done(), "[]\n");
    folder.run(&["invite", "revoke", "x"]).failed(2);
}
