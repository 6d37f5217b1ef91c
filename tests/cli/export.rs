//! Exports, and what becomes of them when they come in again.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::Folder;
use crate::import::{counts, log_in, report, said};

#[test]
fn an_export_comes_back_as_it_was() {
    let folder = Folder::new();
    folder.add("ada").done();
    folder
        .run(&["user", "add", "bob", "--generate", "--role", "b", "--email", "b@example.com"])
        .done();
    folder.run(&["user", "claim", "set", "bob", "tenant=acme"]).done();
    folder.add("gone").done();
    for args in [
        &["group", "add", "Portal Admins"][..],
        &["group", "add", "empty"],
        &["group", "role", "add", "Portal Admins", "admin"],
        &["group", "role", "add", "Portal Admins", "b"],
        &["user", "group", "add", "bob", "Portal Admins"],
        &["user", "group", "add", "bob", "empty"],
        &["invite", "add", "--uses", "3", "--role", "guest", "--email", "eve@example.com"],
        &["invite", "add"],
        &["invite", "add"],
        &["invite", "revoke", "2"],
    ] {
        folder.run(args).done();
    }
    let mut gateway = folder.serve();
    assert_eq!(log_in(&gateway, "ada", "Tr1cky-Phrase-77"), 200);
    assert_eq!(log_in(&gateway, "ada", "Tr1cky-Phrase-77"), 200);
    folder.run(&["user", "delete", "gone"]).done();
    let ran = folder.run(&["export", "all.jsonl"]);
    assert!(
        ran.err.contains(
            "exported 2 users, 2 groups and 2 invitations to all.jsonl; password hashes are in it"
        ),
        "{ran:?}"
    );
    assert!(ran.err.contains("not in it: the keys beside the store, letters that wait"), "{ran:?}");
    assert_eq!(ran.done(), "");
    let mode = std::fs::metadata(folder.file("all.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = folder.run(&["export", "all.jsonl"]).failed(1);
    assert!(refused.contains("all.jsonl") && refused.contains("exists"), "{refused}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));

    let text = std::fs::read_to_string(folder.file("all.jsonl")).unwrap();
    assert_eq!(folder.run(&["export"]).done(), text, "with no gateway, and to standard output");
    let other = Folder::new();
    other.write("all.jsonl", &text);
    let dry = other.run(&["import", "portcullis", "all.jsonl", "--dry-run"]).done();
    assert!(dry.contains("2 groups would be stored") && dry.contains("2 users would be"), "{dry}");
    let told = other.run(&["import", "portcullis", "all.jsonl"]).done();
    assert!(told.contains("2 groups stored\n2 invitations stored\n2 users stored"), "{told}");
    assert_eq!(other.run(&["export"]).done(), text);
    let again = report(&other.run(&["import", "portcullis", "all.jsonl", "--json"]).done());
    assert_eq!(counts(&again), [0, 2, 0, 0, 0]);
    assert_eq!(again["counts"]["invitations were here already"], 2, "{again:#}");
    assert_eq!(other.run(&["export"]).done(), text);
    let bob = report(&other.run(&["user", "show", "bob", "--json"]).done());
    assert_eq!((&bob["roles"], &bob["inherited"]), (&json!(["admin", "b"]), &json!(["admin"])));
    assert!(other.add("next").done().contains("(id 4)"), "no id is given twice");
    let gateway = other.serve();
    assert_eq!(log_in(&gateway, "ada", "Tr1cky-Phrase-77"), 200);
    drop(gateway);
    nothing_comes_again(&other);
}

/// What was used up or taken back does not come again, nor does an id.
#[expect(clippy::indexing_slicing, reason = "what is not as it must be fails the test")]
fn nothing_comes_again(other: &Folder) {
    other.run(&["invite", "revoke", "3"]).done();
    other.run(&["user", "delete", "bob", "--yes"]).done();
    let again = report(&other.run(&["import", "portcullis", "all.jsonl", "--json"]).out);
    // A login has left its time, and a session: no difference.
    assert_eq!(counts(&again), [0, 1, 0, 0, 2], "{again:#}");
    assert_eq!(said(&again, "invitation 3")[0].0, "refused", "{again:#}");
    assert_eq!(report(&other.run(&["invite", "add", "--json"]).done())["id"], 4);
}

#[test]
fn an_export_of_the_first_form_is_read() {
    let folder = Folder::new();
    let lines = [
        r#"{"portcullis":1,"last_user":9,"last_session":4}"#,
        r#"{"id":2,"username":"ada","email":"","email_verified":false,"active":true,"roles":["a"],"claims":{},"created":5}"#,
        r#"{"id":3,"username":"bob","email":"b@example.com","email_verified":true,"active":false,"roles":[],"claims":{"x":"y"},"created":6}"#,
    ];
    folder.write("old.jsonl", &lines.join("\n"));
    let told = report(&folder.run(&["import", "portcullis", "old.jsonl", "--json"]).done());
    assert_eq!(counts(&told), [2, 0, 0, 0, 0]);
    let exported = folder.run(&["export"]).done();
    for line in &lines[1..] {
        assert!(exported.contains(line.trim_start_matches('{')), "{exported}");
    }
    assert!(folder.add("next").done().contains("(id 10)"));
}

#[test]
fn a_line_of_an_export_that_is_broken_harms_no_other() {
    let folder = Folder::new();
    let lines = [
        r#"{"portcullis":1,"last_user":9,"last_session":0}"#,
        r#"{"id":1,"username":"ada","active":true,"created":0}"#,
        r#"{"id":2,"username":"bob","active":true,"created":0,"is_staff":true}"#,
        r#"{"id":3,"username":"carl","active":true,"created":0,"roles":["Admin,x"]}"#,
        r#"{"id":4,"username":"dora","active":true,"created":0,"password":"hunter2"}"#,
        r#"{"id":5,"username":"eve","active":true,"created":0,"key":{"plain":"short"}}"#,
        r#"{"id":6,"username":"fay","active":true,"created":0,"claims":{"user_id":"1"}}"#,
        r#"{"id":7,"username":"gil","active":true,"created":0,"email":"none"}"#,
        r#"{"id":8,"username":"","active":true,"created":0}"#,
        r#"{"id":9,"username":"hal","active":true,"created":0,"sessions":[{"sid":"x","started":0,"last_used":0,"expires":0,"ends":0}]}"#,
        "hunter2",
    ];
    folder.write("all.jsonl", &lines.join("\n"));
    let ran = folder.run(&["import", "portcullis", "all.jsonl", "--json"]);
    let told = report(&ran.out);
    assert_eq!((ran.code, counts(&told)), (Some(1), [1, 0, 0, 0, 9]), "{told:#}");
    assert!(!ran.out.contains("hunter2"), "{told:#}");

    // The same with kinds, and what is of another one.
    let kinds = lines.map(|line| line.replace("{\"id\"", "{\"kind\":\"user\",\"id\""));
    let hash = "0".repeat(64);
    let more = [
        r#"{"kind":"group","name":" a"}"#.to_owned(),
        r#"{"kind":"group","name":"a","roles":["A,b"]}"#.to_owned(),
        r#"{"kind":"group","name":"b","members":["ada"]}"#.to_owned(),
        format!(
            r#"{{"kind":"invitation","id":0,"hash":"{hash}","left":1,"created":0,"expires":0}}"#
        ),
        format!(
            r#"{{"kind":"invitation","id":1,"hash":"{hash}","left":0,"created":0,"expires":0}}"#
        ),
        r#"{"kind":"invitation","id":1,"hash":"hunter2","left":1,"created":0,"expires":0}"#
            .to_owned(),
        r#"{"kind":"deleted","ids":[1,3,11,12]}"#.to_owned(),
        r#"{"kind":"user","id":13,"username":"ida","active":true,"created":0,"groups":["\u0007"]}"#
            .to_owned(),
    ];
    let records = kinds.len() - 1 + more.len();
    let end = format!("{{\"kind\":\"end\",\"records\":{records}}}");
    let kinds = kinds.into_iter().chain(more).chain([end]).collect::<Vec<_>>().join("\n");
    folder.write("kinds.jsonl", &kinds.replace("\"portcullis\":1", "\"portcullis\":2"));
    let ran = folder.run(&["import", "portcullis", "kinds.jsonl", "--json"]);
    let told = report(&ran.out);
    assert_eq!((ran.code, counts(&told)), (Some(1), [0, 1, 0, 0, 17]), "{told:#}");
    assert!(!ran.out.contains("hunter2"), "{told:#}");
    let alive = "1 is the id of a user here; the others are noted";
    assert_eq!(said(&told, "line 18"), [("refused", alive)], "{told:#}");
    assert_eq!(said(&told, "line 3"), [("refused", "no user of an export")], "{told:#}");
    assert!(folder.run(&["group", "list", "--json"]).done().starts_with("[]"));
    assert!(folder.add("next").done().contains("(id 13)"));
}
