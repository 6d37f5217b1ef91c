//! The audit record: what commands leave in it, and what is said of it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use portcullis::Config;
use portcullis::clock::{Clock, SystemClock};
use portcullis::rooms::audit::{Audit, AuditSettings, Event, KEY_PURPOSE, Kind};
use portcullis::rooms::keys::KeyRing;
use serde_json::Value;

use crate::harness::Folder;

/// The last lines of the record, as they stand in it.
fn tail(folder: &Folder, count: usize) -> Vec<Value> {
    let said = folder.run(&["audit", "tail", "--json", "-n", &count.to_string()]).done();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

#[test]
fn what_operators_do_is_in_the_record_whether_the_gateway_runs_or_not() {
    let folder = Folder::new();
    folder.add("alice").done();
    let mut gateway = folder.serve();
    folder.run(&["user", "role", "add", "alice", "admin"]).done();
    folder.run(&["user", "role", "add", "nobody", "admin"]).failed(1);
    folder.run(&["key", "rotate"]).done();
    // What only looks leaves nothing.
    folder.run(&["user", "list"]).done();
    folder.run(&["user", "show", "alice"]).done();
    folder.run(&["key", "list"]).done();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    folder.run(&["user", "list"]).done();
    folder.run(&["user", "delete", "alice"]).done();

    let lines = tail(&folder, 100);
    assert_eq!(
        events(&lines),
        [
            "record.begun",
            "command",
            "user.added",
            "gateway.started",
            "command",
            "role.added",
            "command",
            "command.refused",
            "command",
            "key.rotated",
            "gateway.stopped",
            "command",
            "user.deleted",
        ]
    );
    let uid = fs::metadata(folder.path()).map(|made| std::os::unix::fs::MetadataExt::uid(&made));
    let actor = format!("uid:{}", uid.unwrap());
    for line in &lines {
        let own = ["record.begun", "gateway.started", "gateway.stopped"].map(Value::from);
        let expected = if own.contains(&line["event"]) { "gateway" } else { &actor };
        assert_eq!(line["actor"], expected, "{line}");
    }
    assert_eq!(
        (&lines[4]["facts"]["command"], &lines[4]["name"]),
        (&"user role add".into(), &"alice".into())
    );
    assert_eq!(lines[7]["facts"]["why"], "not_found");
    assert_eq!(lines[7]["facts"]["outcome"], Value::Null);
    let mode = fs::metadata(folder.file("portcullis.audit")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = folder.run(&["audit", "verify"]).done();
    assert_eq!(said, "whole: 13 good lines in 1 files, number 1 to 13\n");
}

#[test]
fn an_altered_record_is_told_by_file_and_line() {
    let folder = Folder::new();
    folder.add("alice").done();
    folder.run(&["user", "role", "add", "alice", "admin"]).done();
    let path = folder.file("portcullis.audit");
    let good = fs::read_to_string(&path).unwrap();
    assert_eq!(good.lines().count(), 5);
    fs::write(&path, good.replace("\"role\":\"admin\"", "\"role\":\"editor\"")).unwrap();
    let ran = folder.run(&["audit", "verify"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (
            Some(1),
            "portcullis.audit:5: this line is not as it was written\n\
             portcullis.audit: line number 5 is missing at the end\n\
             NOT whole: 4 good lines in 1 files, number 1 to 4\n"
        )
    );
    let ran = folder.run(&["audit", "verify", "--json"]);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &told["whole"], &told["faults"][0]["line"]),
        (Some(1), &false.into(), &5.into())
    );
    // Whoever goes on with it says so, and the fault stays.
    folder.run(&["user", "role", "add", "alice", "b"]).done();
    assert_eq!(events(&tail(&folder, 3)), ["record.broken", "command", "role.added"]);
    assert_eq!(folder.run(&["audit", "verify"]).code, Some(1));
}

#[test]
fn a_record_that_is_not_there_has_no_lines_and_no_key() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["audit", "tail"]).done(), "");
    let said = folder.run(&["audit", "verify"]).failed(1);
    assert!(said.contains("sealed with a key of the gateway"), "{said}");
    for args in [&["audit"][..], &["audit", "tail", "-n", "x"], &["audit", "verify", "here"]] {
        assert!(!folder.run(args).failed(2).is_empty(), "{args:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_record_that_is_switched_off_is_not_made() {
    let folder = Folder::new();
    folder.write("portcullis.toml", "[audit]\nenabled = false\n");
    folder.add("alice").done();
    assert!(!folder.file("portcullis.audit").exists() && !folder.file("portcullis.keys").exists());
}

#[test]
fn a_record_that_another_process_writes_stops_the_start() {
    let folder = Folder::new();
    folder.add("alice").done();
    let held = OpenOptions::new().write(true).open(folder.file("portcullis.audit.head")).unwrap();
    held.try_lock().unwrap();
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["user", "deactivate", "alice"]] {
        let said = folder.run(args).failed(1);
        assert!(
            said.contains("portcullis.audit: another process writes this audit record"),
            "{said}"
        );
    }
    // Nothing is recorded of a look.
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
    drop(held);
    folder.run(&["user", "deactivate", "alice"]).done();
}

#[test]
fn new_lines_are_followed() {
    let folder = Folder::new();
    folder.add("alice").done();
    let mut command = folder.command(&["audit", "tail", "-n", "1", "--follow"]);
    let mut following = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(following.stdout.take().unwrap()));
    let line = lines.next().unwrap().unwrap();
    assert!(
        line.contains("user.added") && line.contains(" name=alice user=1 actor=uid:"),
        "{line}"
    );
    folder.run(&["user", "deactivate", "alice"]).done();
    assert!(lines.next().unwrap().unwrap().contains("command=user deactivate"));
    assert!(lines.next().unwrap().unwrap().contains("user.deactivated"));
    following.kill().unwrap();
    following.wait().unwrap();
}

/// Fills the record until little is left below so many bytes.
fn fill(folder: &Folder, bytes: u64) {
    let config = Config::built_in(folder.path()).unwrap().config;
    let keys = KeyRing::open_existing(config.keys, Duration::MAX, SystemClock.now()).unwrap();
    let settings = AuditSettings::at(folder.file("portcullis.audit"));
    let key = keys.derive(KEY_PURPOSE);
    let audit = Audit::start(&settings, &key, Arc::new(SystemClock)).unwrap();
    let long = "x".repeat(200);
    let facts = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let event =
        facts.iter().fold(Event::new(Kind::LoginFailed), |event, fact| event.with(fact, &long));
    let written = || fs::metadata(&settings.path).unwrap().len();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        while written() + 600_000 < bytes {
            for _ in 0..250 {
                audit.record(event.clone());
            }
            audit.note(Event::new(Kind::Started)).keep().await.unwrap();
        }
        while written() + 4000 < bytes {
            audit.note(Event::new(Kind::Started)).keep().await.unwrap();
        }
    });
}

#[test]
fn a_full_disk_stops_operators_and_nobody_else() {
    const MOST: u64 = 8 << 20;
    let folder = Folder::new();
    folder.add("alice").done();
    fill(&folder, MOST);
    let mut gateway = folder.serve_within(&format!("-S -f {}", MOST / 1024));
    let login = r#"{"username": "alice", "password": "Tr1cky-Phrase-77"}"#;
    // Enough failures to fill what is left, and more.
    for name in 0..20 {
        let wrong = format!(r#"{{"username": "n{name}", "password": "wrong"}}"#);
        assert!(gateway.post("token/", &wrong).starts_with("HTTP/1.1 400"));
    }
    gateway.log_line("the audit record cannot be written");
    assert!(gateway.post("token/", login).starts_with("HTTP/1.1 200"));
    let public = "GET /public/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(gateway.ask(public).starts_with("HTTP/1.1 200"));
    let said = folder.run(&["user", "deactivate", "alice"]).failed(1);
    assert!(said.contains("the audit record cannot be written"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(folder.run(&["user", "show", "alice", "--json"]).done().contains("\"active\":true"));

    gateway.lift_file_size();
    folder.run(&["user", "deactivate", "alice"]).done();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let lines = tail(&folder, 4);
    assert_eq!(events(&lines), ["record.lost", "command", "user.deactivated", "gateway.stopped"]);
    let lost: u32 = lines[0]["facts"]["lines"].as_str().unwrap().parse().unwrap();
    assert!((2..=22).contains(&lost), "{lost}");
    assert!(folder.run(&["audit", "verify"]).done().starts_with("whole: "));
}
