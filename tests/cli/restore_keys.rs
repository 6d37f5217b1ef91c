//! What becomes of the key file when a backup comes back.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::backup::{beside, filled};
use crate::harness::Folder;
use crate::import::report;
use crate::restore::{elsewhere, read};

/// What a file is kept as when another takes its place.
fn kept(folder: &Folder, name: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let start = format!("{name}.before-");
    let kept = entries.filter(|path| path.to_string_lossy().contains(&start));
    kept.map(|path| std::fs::read(path).unwrap()).collect()
}

/// The name of the key that signs.
fn current(folder: &Folder) -> Value {
    let keys = report(&folder.run(&["key", "list", "--json"]).done());
    keys.pointer("/0/kid").unwrap().clone()
}

#[test]
fn a_key_file_that_others_may_read_is_not_taken_for_another_stores() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    folder.run(&["key", "rotate"]).done();
    let (keys, store) = (read(&folder, "portcullis.keys"), read(&folder, "portcullis.redb"));
    let mode = |mode| {
        let mode = PermissionsExt::from_mode(mode);
        std::fs::set_permissions(folder.file("portcullis.keys"), mode).unwrap();
    };
    mode(0o644);
    let said = folder.run(&["restore", "a.backup", "--force"]).failed(1);
    assert!(
        said.contains("portcullis.keys: others may read") && said.contains("chmod 600"),
        "{said}"
    );
    mode(0o600);
    assert!(read(&folder, "portcullis.keys") == keys);

    // Of a newer version.
    let text = String::from_utf8(keys).unwrap();
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    assert_ne!(newer, text);
    folder.write("portcullis.keys", &newer);
    let said = folder.run(&["restore", "a.backup", "--force"]).failed(1);
    assert!(said.contains("portcullis.keys: this key file was written by a newer"), "{said}");
    assert!(read(&folder, "portcullis.keys") == newer.as_bytes());
    assert!(read(&folder, "portcullis.redb") == store);
    assert_eq!(beside(&folder), ["a.backup"]);

    // What is no key file at all gives way when asked, and is kept.
    for damage in [&b"garbage"[..], b"\xff\xfe"] {
        std::fs::write(folder.file("portcullis.keys"), damage).unwrap();
        let said = folder.run(&["restore", "a.backup"]).failed(1);
        assert!(said.contains("--force"), "{said}");
        folder.run(&["restore", "a.backup", "--force"]).done();
        assert!(kept(&folder, "portcullis.keys").contains(&damage.to_vec()));
    }
}

#[test]
fn an_older_key_file_gives_way_to_that_of_the_backup() {
    let folder = filled();
    let older = read(&folder, "portcullis.keys");
    folder.run(&["key", "rotate"]).done();
    let rotated = current(&folder);
    folder.run(&["backup", "a.backup"]).done();
    let keys = read(&folder, "portcullis.keys");
    let other = elsewhere(&folder, "a.backup");
    std::fs::copy(folder.file("portcullis.keys"), other.file("portcullis.keys")).unwrap();
    std::fs::write(other.file("portcullis.keys"), &older).unwrap();
    let told = other.run(&["restore", "a.backup"]).done();
    assert!(told.contains("the one that was there was older"), "{told}");
    assert_eq!(kept(&other, "portcullis.keys"), [older]);
    assert!(read(&other, "portcullis.keys") == keys);
    assert_eq!(current(&other), rotated);
    // It goes on as that of the same store.
    assert!(other.run(&["restore", "a.backup", "--force"]).done().contains("and stays"));
}

/// Keys are only put in place where a gateway can go on with them.
#[test]
fn keys_of_another_algorithm_are_made_fit_or_change_nothing() {
    let folder = Folder::new();
    folder.write("secret", "not-for-production-but-long-enough");
    folder.write(
        "portcullis.toml",
        "[auth.signing]\nalgorithm = \"HS256\"\nsecret = { file = \"secret\" }\n",
    );
    folder.add("ada").done();
    folder.run(&["backup", "a.backup"]).done();

    let other = elsewhere(&folder, "a.backup");
    let told = other.run(&["restore", "a.backup"]).done();
    assert!(told.contains("the key file is back"), "{told}");
    drop(other.serve().log_in("ada"));

    let other = elsewhere(&folder, "a.backup");
    other.write("key", "no key at all");
    other.write("portcullis.toml", "[auth.signing]\nkey = { file = \"key\" }\n");
    let said = other.run(&["restore", "a.backup"]).failed(1);
    assert!(said.contains("not PEM"), "{said}");
    assert!(!other.file("portcullis.keys").exists() && !other.file("portcullis.redb").exists());
}

/// A restore that waits for the second half of its backup, with the first half read.
fn half_way(folder: &Folder, whole: &[u8]) -> Child {
    let mut command = folder.command(&["restore", "-", "--force"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (half, _) = whole.split_at(whole.len() / 2);
    child.stdin.as_mut().unwrap().write_all(half).unwrap();
    let is_draft = |name: String| name.starts_with("portcullis.redb.");
    let names =
        || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    while !names().any(|name| is_draft(name.into_string().unwrap())) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    child
}

#[test]
fn who_begins_a_store_while_a_backup_comes_keeps_it() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let whole = read(&folder, "a.backup");
    let (_, rest) = whole.split_at(whole.len() / 2);
    for stays in [true, false] {
        let other = Folder::new();
        let mut child = half_way(&other, &whole);
        let mut gateway = other.serve();
        let keys = read(&other, "portcullis.keys");
        if !stays {
            gateway.signal("TERM");
            assert_eq!(gateway.wait(), Some(0));
        }
        child.stdin.take().unwrap().write_all(rest).unwrap();
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains("meanwhile; nothing was changed"), "{said}");
        assert!(read(&other, "portcullis.keys") == keys, "{said}");
        assert!(kept(&other, "portcullis.keys").is_empty());
        drop(gateway);
        assert!(!other.run(&["user", "list"]).done().contains("ada"));
    }
}

/// Where data is on another disk, a link leads to it.
#[test]
fn links_to_store_and_keys_stay_and_lead_to_what_came_back() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let data = Folder::new();
    for name in ["portcullis.redb", "portcullis.keys"] {
        std::fs::rename(folder.file(name), data.file(name)).unwrap();
        std::os::unix::fs::symlink(data.file(name), folder.file(name)).unwrap();
    }
    folder.add("later").done();
    let before = read(&data, "portcullis.redb");
    folder.run(&["restore", "a.backup", "--force"]).done();
    assert!(folder.run(&["user", "show", "later"]).failed(1).contains("there is no user"));
    assert_eq!(kept(&data, "portcullis.redb"), [before]);
    assert!(kept(&folder, "portcullis.redb").is_empty());
    let keys = read(&data, "portcullis.keys");
    folder.run(&["key", "rotate"]).done();
    assert!(read(&data, "portcullis.keys") != keys);
    for name in ["portcullis.redb", "portcullis.keys"] {
        assert!(folder.file(name).symlink_metadata().unwrap().is_symlink(), "{name}");
    }
}
