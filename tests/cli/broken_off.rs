//! An import whose process is killed: nothing is half there, and the next one completes it.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::Folder;

const USERS: u64 = 1500;
const HASH: &str =
    "pbkdf2_sha256$1000000$Rk8SR0o0Ugq9CitIP3stOs$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=";

/// A dump with a group and a key for each user, so that one is more than a record.
fn dump() -> String {
    let mut rows: Vec<Value> = (1..=5)
        .map(|id| json!({"model": "auth.group", "pk": id, "fields": {"name": format!("g{id}")}}))
        .collect();
    for id in 1..=USERS {
        let fields = json!({
            "password": HASH, "last_login": null, "is_superuser": false,
            "username": format!("user{id}"), "first_name": "A", "last_name": "B",
            "email": format!("user{id}@example.com"), "is_staff": false, "is_active": true,
            "date_joined": "2024-05-01T12:00:00Z", "groups": [1 + id % 5], "user_permissions": [],
        });
        rows.push(json!({"model": "auth.user", "pk": id, "fields": fields}));
        let key = format!("{id:040x}");
        let fields = json!({"user": id, "created": "2024-05-01T12:00:00Z"});
        rows.push(json!({"model": "authtoken.token", "pk": key, "fields": fields}));
    }
    Value::from(rows).to_string()
}

/// The users of the store, with all that is theirs. Keys are sealed anew by each store, so only
/// that there is one is compared.
fn users(folder: &Folder) -> Vec<String> {
    let exported = folder.run(&["export"]).done();
    let lines = exported.lines().filter(|line| line.starts_with(r#"{"kind":"user""#));
    lines
        .map(|line| {
            let mut user: Value = serde_json::from_str(line).unwrap();
            let hash = user.pointer_mut("/key/sealed/hash").unwrap().take();
            user.as_object_mut().unwrap().insert("key".to_owned(), hash);
            user.to_string()
        })
        .collect()
}

/// Starts an import, kills it when the store has grown by so many bytes, and returns the users
/// that are there then; `None` if it was faster.
fn kill_when_grown(folder: &Folder, growth: u64) -> Option<Vec<String>> {
    let size = || std::fs::metadata(folder.file("portcullis.redb")).map_or(0, |found| found.len());
    let before = size();
    let mut command = folder.command(&["import", "django", "dump.json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while size() < before + growth {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return None;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    Some(users(folder))
}

#[test]
fn an_import_that_was_killed_left_whole_users_and_is_completed_by_the_next() {
    let folder = Folder::new();
    folder.write("dump.json", &dump());
    let whole = Folder::new();
    whole.write("dump.json", &dump());
    whole.run(&["import", "django", "dump.json"]).done();
    let all = users(&whole);
    assert_eq!(all.len() as u64, USERS);

    let (mut last, mut halves, mut growth) = (0, 0, 64 << 10);
    while let Some(some) = kill_when_grown(&folder, growth) {
        assert_eq!(some, all[..some.len()], "each as if nothing had happened");
        assert!(some.len() >= last, "what was stored stays");
        halves += u32::from(some.len() > last && some.len() < all.len());
        last = some.len();
        // Further each time, so that it ends.
        growth *= 2;
    }
    assert!(halves > 0, "it was never killed half way");
    folder.run(&["import", "django", "dump.json"]).done();
    assert_eq!(users(&folder), all);
    let lines = |folder: &Folder| folder.run(&["export"]).done().lines().count();
    assert_eq!(lines(&folder), lines(&whole), "groups once, too");
}
