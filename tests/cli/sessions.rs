//! `portcullis session`, with a gateway running and without.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Folder, Gateway};

fn ask(gateway: &Gateway, request: &str) -> (u16, String) {
    let mut client = TcpStream::connect(&gateway.address).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// An access token, by a login from a device of that name.
fn log_in(gateway: &Gateway, name: &str, device: &str) -> String {
    let body = format!("username={name}&password=Tr1cky-Phrase-77");
    let (status, body) = ask(
        gateway,
        &format!(
            "POST /api/auth/token/ HTTP/1.1\r\nHost: x\r\nUser-Agent: {device}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    body.get("access").and_then(Value::as_str).unwrap().to_owned()
}

fn opens(gateway: &Gateway, token: &str) -> u16 {
    let request = format!(
        "GET /api/auth/profile/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    ask(gateway, &request).0
}

fn list(folder: &Folder, name: &str) -> Vec<Value> {
    serde_json::from_str(&folder.run(&["session", "list", name, "--json"]).done()).unwrap()
}

fn id(session: &Value) -> &str {
    session.get("id").and_then(Value::as_str).unwrap()
}

#[test]
fn an_operator_sees_and_ends_sessions() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    for name in ["alice", "bob"] {
        folder.add(name).done();
    }
    assert_eq!(list(&folder, "alice"), [] as [Value; 0]);
    let phone = log_in(&gateway, "alice", "phone");
    let laptop = log_in(&gateway, "alice", "laptop");
    let bob = log_in(&gateway, "bob", "tv");
    let table = folder.run(&["session", "list", "alice"]).done();
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    for (row, word) in rows.iter().zip(["LAST USED", "laptop", "phone"]) {
        assert!(row.contains(word), "{table}");
    }
    let sessions = list(&folder, "alice");
    let [newest, oldest] = sessions.as_slice() else { panic!("{sessions:?}") };
    let members: Vec<_> = oldest.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["id", "username", "device", "address", "started", "last_used"]);
    assert_eq!(oldest.get("address").unwrap(), "127.0.0.1");

    let ended = folder.run(&["session", "end", "alice", id(oldest)]).done();
    assert_eq!(ended, format!("ended {} of alice\n", id(oldest)));
    assert_eq!([&phone, &laptop, &bob].map(|token| opens(&gateway, token)), [401, 200, 200]);
    let again = folder.run(&["session", "end", "alice", id(oldest)]).failed(1);
    assert!(again.contains("alice has no living session"), "{again}");

    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let left = list(&folder, "alice");
    assert_eq!(left.iter().map(id).collect::<Vec<_>>(), [id(newest)]);
    let all = folder.run(&["session", "end", "alice", "--all", "--json"]).done();
    assert_eq!(all, "{\"username\":\"alice\",\"session\":null}\n");
    assert_eq!(list(&folder, "alice"), [] as [Value; 0]);
    let gateway = folder.serve();
    assert_eq!([&phone, &laptop, &bob].map(|token| opens(&gateway, token)), [401, 401, 200]);
    let json = folder.run(&["session", "end", "bob", id(&list(&folder, "bob")[0]), "--json"]);
    assert!(json.done().starts_with("{\"username\":\"bob\",\"session\":\"3-"));
}

#[test]
fn what_is_no_session_of_the_user_is_told() {
    let folder = Folder::new();
    let gateway = folder.serve();
    for name in ["alice", "bob"] {
        folder.add(name).done();
    }
    log_in(&gateway, "bob", "tv");
    let bobs = list(&folder, "bob");
    let bobs = id(&bobs[0]);
    for (args, code, told) in [
        (vec!["list", "carol"], 1, "there is no user `carol`"),
        (vec!["end", "carol", "--all"], 1, "there is no user `carol`"),
        (vec!["end", "alice", bobs], 1, "alice has no living session"),
        (
            vec!["end", "alice", "7"],
            1,
            "`7` is no session id; `portcullis session list NAME` shows",
        ),
        (vec!["end", "alice", "\u{1b}[2J"], 1, "is no session id"),
        (vec!["end", "alice"], 2, "required"),
        (vec!["end", "alice", bobs, "--all"], 2, "cannot be used with"),
        (vec!["end"], 2, "required"),
        (vec!["list", "--address", "bob"], 1, "`bob` is no address and no network; write"),
        (vec!["list", "--address", "\u{1b}[2J"], 1, "is no address and no network"),
    ] {
        let err = folder.run(&[&["session"], args.as_slice()].concat()).failed(code);
        assert!(err.contains(told) && !err.contains('\u{1b}'), "{args:?}: {err}");
    }
    assert_eq!(list(&folder, "bob").len(), 1);
}

#[test]
fn the_sessions_of_all_are_listed_whoever_they_are_of() {
    let folder = Folder::new();
    let list = |args: &[&str]| -> Vec<Value> {
        let args = [&["session", "list", "--json"], args].concat();
        serde_json::from_str(&folder.run(&args).done()).unwrap()
    };
    let names = |sessions: &[Value]| -> Vec<String> {
        let name = |it: &Value| it["username"].as_str().unwrap().to_owned();
        sessions.iter().map(name).collect()
    };
    let mut gateway = folder.serve();
    for name in ["alice", "bob"] {
        folder.add(name).done();
    }
    assert_eq!(list(&[]), [] as [Value; 0]);
    for (name, device) in [("alice", "phone"), ("bob", "tv"), ("alice", "laptop")] {
        log_in(&gateway, name, device);
    }
    let all = list(&[]);
    assert_eq!(names(&all), ["alice", "bob", "alice"]);
    for (address, count) in [
        ("127.0.0.1", 3),
        ("::ffff:127.0.0.1", 3),
        ("127.0.0.0/8", 3),
        ("10.0.0.0/8", 0),
        ("::/0", 0),
    ] {
        assert_eq!(list(&["--address", address]).len(), count, "{address}");
    }
    assert_eq!(names(&list(&["bob", "--address", "127.0.0.1"])), ["bob"]);
    let table = folder.run(&["session", "list"]).done();
    let rows: Vec<_> = table.lines().collect();
    assert_eq!(rows.len(), 4, "{table}");
    for (row, words) in rows.iter().zip([
        ["USER", "DEVICE"],
        ["alice", "laptop"],
        ["bob", "tv"],
        ["alice", "phone"],
    ]) {
        assert!(words.iter().all(|word| row.contains(word)), "{table}");
    }
    folder.run(&["session", "end", "alice", id(&all[0])]).done();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    // And whether a gateway runs or not.
    assert_eq!(names(&list(&[])), ["bob", "alice"]);
    assert_eq!(list(&["--address", "10.0.0.0/8"]), [] as [Value; 0]);
}

#[test]
fn more_sessions_than_one_reply_has_are_all_listed() {
    let folder = Folder::new();
    let soon = 4_000_000_000_000_u64;
    let session = |number| {
        serde_json::json!({
            "started": 1000, "last_used": 1000, "expires": soon, "ends": soon,
            "device": format!("device-{number}."), "address": "192.0.2.7",
        })
    };
    let user = |id: u64, name: &str, sessions: Vec<Value>| {
        serde_json::json!({
            "id": id, "username": name, "active": true, "created": 1000,
            "sessions": sessions,
        })
    };
    let alice = user(1, "alice", (0..520).map(session).collect());
    let bob = user(2, "bob", vec![session(520)]);
    let head = r#"{"portcullis":1,"last_user":2,"last_session":0}"#;
    folder.write("all.jsonl", &format!("{head}\n{alice}\n{bob}\n"));
    folder.run(&["import", "portcullis", "all.jsonl"]).done();
    for (args, count) in [(vec![], 521), (vec!["alice"], 520), (vec!["bob"], 1)] {
        let args = [&["session", "list"], args.as_slice()].concat();
        let json = folder.run(&[args.as_slice(), &["--json"]].concat()).done();
        let sessions: Vec<Value> = serde_json::from_str(&json).unwrap();
        let mut ids: Vec<_> = sessions.iter().map(id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((sessions.len(), ids.len()), (count, count), "{args:?}");
        let table = folder.run(&args).done();
        assert_eq!(table.matches("device-").count(), count, "{args:?}");
    }
}
