//! Backups that become the store again.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::backup::{beside, filled};
use crate::harness::{Folder, Gateway};
use crate::import::report;

pub(crate) fn read(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.file(name)).unwrap()
}

/// Another folder with that file.
pub(crate) fn elsewhere(folder: &Folder, name: &str) -> Folder {
    let other = Folder::new();
    std::fs::copy(folder.file(name), other.file(name)).unwrap();
    other
}

fn end(mut gateway: Gateway) {
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

fn is_let_in(gateway: &Gateway, token: &str) -> bool {
    let answer = gateway.get("/api/auth/profile/", token);
    let refused = answer.starts_with("HTTP/1.1 401");
    assert!(refused || answer.starts_with("HTTP/1.1 200"), "{answer}");
    !refused
}

#[test]
fn a_backup_comes_back_elsewhere_with_its_sessions_ended() {
    let folder = filled();
    let gateway = folder.serve();
    let [access, refresh] = gateway.log_in("ada");
    folder.run(&["backup", "a.backup"]).done();
    assert!(is_let_in(&gateway, &access));
    end(gateway);

    let other = elsewhere(&folder, "a.backup");
    let told = other.run(&["restore", "a.backup"]).done();
    assert!(told.starts_with("restored 2 users, 1 groups and 1 invitations, as they"), "{told}");
    assert!(told.contains("every session from before now is over"), "{told}");
    assert!(told.contains("the key file is back as "), "{told}");
    for name in ["portcullis.redb", "portcullis.keys"] {
        let mode = std::fs::metadata(other.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
    assert_eq!(read(&folder, "portcullis.keys"), read(&other, "portcullis.keys"));
    assert_eq!(beside(&other), ["a.backup"]);
    let gateway = other.serve();
    assert!(!is_let_in(&gateway, &access));
    let renewed = gateway.post("token/refresh/", &json!({ "refresh": refresh }).to_string());
    assert!(renewed.starts_with("HTTP/1.1 401"), "{renewed}");
    let [access, _] = gateway.log_in("ada");
    assert!(is_let_in(&gateway, &access));
    let bob = report(&other.run(&["user", "show", "bob", "--json"]).done());
    assert_eq!((&bob["roles"], &bob["groups"]), (&json!(["admin"]), &json!(["staff"])));
    // Ids that were given since, by a store that nobody has any more, are nobody's.
    assert!(other.add("next").done().contains("(id 100003)"));
    assert!(other.run(&["audit", "tail"]).done().contains("restore"));
    end(gateway);
    assert!(other.run(&["audit", "verify"]).done().starts_with("whole: "));
}

#[test]
fn sessions_are_kept_when_asked() {
    let folder = filled();
    let gateway = folder.serve();
    let [access, refresh] = gateway.log_in("ada");
    folder.run(&["backup", "a.backup"]).done();
    end(gateway);
    let other = elsewhere(&folder, "a.backup");
    let told = other.run(&["restore", "a.backup", "--keep-sessions"]).done();
    assert!(told.contains("what was ended since lives again"), "{told}");
    let gateway = other.serve();
    assert!(is_let_in(&gateway, &access));
    let renewed = gateway.post("token/refresh/", &json!({ "refresh": refresh }).to_string());
    assert!(renewed.starts_with("HTTP/1.1 200"), "{renewed}");
}

/// A restore goes back in time, and says what that gives back to whom.
#[test]
fn a_store_that_is_there_is_kept_and_its_numbers_go_on() {
    let folder = filled();
    let gateway = folder.serve();
    folder.run(&["backup", "a.backup"]).done();
    assert!(folder.add("later").done().contains("(id 3)"));
    folder.run(&["user", "deactivate", "bob"]).done();
    let [later, _] = gateway.log_in("later");
    let [ada, _] = gateway.log_in("ada");
    folder.run(&["key", "rotate"]).done();
    let keys = read(&folder, "portcullis.keys");

    let said = folder.run(&["restore", "a.backup", "--force"]).failed(1);
    assert!(said.contains("a gateway runs: stop it first"), "{said}");
    // Its lock says the same where its socket is not known.
    folder.write("other.toml", "[admin]\nsocket = \"other.sock\"\n");
    for args in [&["restore", "a.backup", "--force"][..], &["compact"], &["backup", "b.backup"]] {
        let said = folder.run(&[&["--config", "other.toml"], args].concat()).failed(1);
        assert!(said.contains("the store is in use by another process"), "{args:?}: {said}");
    }
    end(gateway);
    let before = read(&folder, "portcullis.redb");
    let said = folder.run(&["restore", "a.backup"]).failed(1);
    assert!(said.contains("portcullis.redb: there is a store; `--force`"), "{said}");
    assert!(read(&folder, "portcullis.redb") == before);
    let told = folder.run(&["restore", "a.backup", "--force"]).done();
    assert!(told.contains("goes with the backup, and stays"), "{told}");
    assert!(told.contains("was taken away since") && told.contains("user.deactivated"), "{told}");
    assert_eq!(read(&folder, "portcullis.keys"), keys, "a key that was retired stays so");
    let kept = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_kept = |path: &std::path::PathBuf| path.to_string_lossy().contains("redb.before-");
    let kept: Vec<_> = kept.filter(is_kept).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(std::fs::read(&kept[0]).unwrap() == before);

    let gateway = folder.serve();
    assert!(!is_let_in(&gateway, &later) && !is_let_in(&gateway, &ada));
    gateway.log_in("bob");
    assert!(folder.run(&["user", "show", "later"]).failed(1).contains("there is no user"));
    assert!(
        folder.add("next").done().contains("(id 4)"),
        "an id that was given is not given again"
    );
    end(gateway);
    assert!(folder.run(&["audit", "verify"]).done().starts_with("whole: "));
    let told = report(&folder.run(&["restore", "a.backup", "--force", "--json"]).done());
    assert_eq!((&told["logins"], &told["key_file"]), (&json!("ended"), &json!("kept")));
    assert_eq!((&told["next_user"], &told["users"]), (&json!(5), &json!(2)), "{told:#}");
    assert!(told["before"].as_str().unwrap().contains("redb.before-"), "{told:#}");
}

#[test]
fn what_is_no_whole_backup_changes_nothing() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let whole = read(&folder, "a.backup");
    let store = read(&folder, "portcullis.redb");
    let other = Folder::new();
    let newer_form = [b"portcullis backup 2\n", &whole[20..]].concat();
    let text = String::from_utf8_lossy(&whole);
    let at = text.find("\"store\":5").unwrap();
    let mut newer_store = whole.clone();
    newer_store[at + 8] = b'9';
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let cases: [(&[u8], &str); 9] = [
        (b"", "this is no backup of portcullis"),
        (b"SQLite format 3\0 and more of it", "this is no backup of portcullis"),
        (&store, "this is no backup of portcullis"),
        (&whole[..10], "the backup is cut short"),
        (&whole[..whole.len() - 1], "the backup is cut short"),
        (&flipped, "the backup is damaged"),
        (&[&whole[..], b"x"].concat(), "the backup is damaged: something follows its end"),
        (&newer_form, "the backup was written by a newer portcullis"),
        (&newer_store, "the backup is of a newer portcullis"),
    ];
    for (bytes, why) in cases {
        std::fs::write(other.file("b.backup"), bytes).unwrap();
        std::fs::write(folder.file("b.backup"), bytes).unwrap();
        let said = other.run(&["restore", "b.backup"]).failed(1);
        assert!(said.starts_with(&format!("portcullis: b.backup: {why}")), "{said}");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "{said}");
        let said = folder.run(&["restore", "b.backup", "--force"]).failed(1);
        assert!(said.contains(why), "{said}");
        assert!(read(&folder, "portcullis.redb") == store, "{said}");
        assert_eq!(other.run_with(&["restore", "-"], bytes).code, Some(1));
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1, "{said}");
    }
    let said = other.run(&["restore", "nothing.backup"]).failed(1);
    assert!(said.contains("nothing.backup: No such file"), "{said}");
    let said = other.run(&["restore", "."]).failed(1);
    assert!(said.contains("this is a folder"), "{said}");
    assert!(!other.run(&["restore", "b.backup", "--check", "--force"]).failed(2).is_empty());
    assert_eq!(beside(&folder), ["a.backup", "b.backup"]);
}

#[test]
fn a_damaged_store_gives_way_to_its_backup() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    for damage in [&b""[..], b"garbage", &read(&folder, "portcullis.redb")[..8192]] {
        std::fs::write(folder.file("portcullis.redb"), damage).unwrap();
        let told = folder.run(&["restore", "a.backup", "--force"]).done();
        assert!(told.contains("the next user will have the id 100003"), "{told}");
        assert!(folder.run(&["user", "list"]).done().contains("bob"));
    }
}

#[test]
fn the_keys_of_another_store_are_not_lost() {
    let (folder, other) = (filled(), filled());
    folder.run(&["backup", "a.backup"]).done();
    std::fs::copy(folder.file("a.backup"), other.file("a.backup")).unwrap();
    std::fs::remove_file(other.file("portcullis.redb")).unwrap();
    let keys = read(&other, "portcullis.keys");
    let said = other.run(&["restore", "a.backup"]).failed(1);
    assert!(said.contains("this is the key file of another store; `--force`"), "{said}");
    assert_eq!(read(&other, "portcullis.keys"), keys);
    assert!(!other.file("portcullis.redb").exists());
    let told = other.run(&["restore", "a.backup", "--force"]).done();
    assert!(told.contains("the other one is kept beside it"), "{told}");
    assert_eq!(read(&other, "portcullis.keys"), read(&folder, "portcullis.keys"));
    let entries = std::fs::read_dir(other.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept = |path: &std::path::PathBuf| path.to_string_lossy().contains("keys.before-");
    let kept: Vec<_> = entries.filter(kept).collect();
    assert_eq!(kept.iter().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>(), [keys]);
}

#[test]
fn a_backup_without_keys_needs_them_from_elsewhere() {
    let folder = filled();
    let gateway = folder.serve();
    let [access, _] = gateway.log_in("ada");
    folder.run(&["backup", "a.backup", "--without-keys"]).done();
    end(gateway);
    let other = elsewhere(&folder, "a.backup");
    let told = other.run(&["restore", "a.backup", "--keep-sessions"]).done();
    assert!(told.contains("put it back as ") && told.contains("portcullis.keys"), "{told}");
    assert!(!other.file("portcullis.keys").exists());
    std::fs::copy(folder.file("portcullis.keys"), other.file("portcullis.keys")).unwrap();
    assert!(is_let_in(&other.serve(), &access));
}

/// What the key of `api-token-auth/` is sealed with comes back, too.
#[test]
fn sealed_keys_are_opened_after_a_restore() {
    let login = r#"{"username": "ada", "password": "Tr1cky-Phrase-77"}"#;
    let key = |gateway: &Gateway| {
        let answer = gateway.post("api-token-auth/", login);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let folder = filled();
    let gateway = folder.serve();
    let made = key(&gateway);
    folder.run(&["backup", "a.backup"]).done();
    end(gateway);
    let other = elsewhere(&folder, "a.backup");
    other.run(&["restore", "a.backup"]).done();
    assert_eq!(key(&other.serve()), made);
}

#[test]
fn a_restore_on_a_full_disk_changes_nothing() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let store = read(&folder, "portcullis.redb");
    let command = folder.command_within("-f 16", &["restore", "a.backup", "--force"]);
    let said = Folder::end_of(command, b"").failed(1);
    assert!(said.contains("File too large"), "{said}");
    assert!(read(&folder, "portcullis.redb") == store);
    assert_eq!(beside(&folder), ["a.backup"]);
    assert!(folder.run(&["user", "list"]).done().contains("bob"));
}

fn data() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stores")
}

/// What is in the folder of old files, with that ending.
fn old_files(ending: &str) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    paths.sort_unstable();
    paths
}

#[test]
fn a_backup_of_each_form_comes_back() {
    let backups = old_files("backup");
    assert!(!backups.is_empty());
    for backup in backups {
        let folder = Folder::new();
        let backup = backup.to_str().unwrap();
        let told = report(&folder.run(&["restore", backup, "--json"]).done());
        let counts = ["users", "groups", "invitations", "sessions"].map(|what| told[what].clone());
        assert_eq!(counts, [2, 2, 1, 4].map(serde_json::Value::from), "{told:#}");
        let ada = report(&folder.run(&["user", "show", "ada", "--json"]).done());
        assert_eq!(
            (&ada["roles"], &ada["groups"]),
            (&json!(["admin", "editor"]), &json!(["staff"]))
        );
        assert!(folder.run(&["invite", "list"]).done().contains("eve@example.com"));
        assert!(folder.run(&["api-key", "list", "ada"]).done().contains("key 1"));
        assert_eq!(report(&folder.run(&["session", "list", "ada", "--json"]).done()), json!([]));
        drop(folder.serve());
    }
}

#[test]
#[ignore = "makes the file that the test above reads, once for each form"]
fn the_backup_of_the_present_form() {
    let folder = Folder::new();
    let store = old_files("redb").pop().unwrap();
    std::fs::copy(store, folder.file("portcullis.redb")).unwrap();
    folder.run(&["backup", "form.backup"]).done();
    let backup = read(&folder, "form.backup");
    let form = backup.strip_prefix(b"portcullis backup ").unwrap().split(|byte| *byte == b'\n');
    let form = String::from_utf8(form.take(1).collect::<Vec<_>>().concat()).unwrap();
    let target = data().join(format!("form-{form}.backup"));
    assert!(!target.exists(), "{} is there; it never changes", target.display());
    std::fs::write(target, backup).unwrap();
}

/// Root makes files that are root's, also in the folder of the one whom the gateway runs as.
#[test]
fn root_is_told_whose_the_files_should_be() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let other = elsewhere(&folder, "a.backup");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(other.path(), Some(12345), None).unwrap();
    }
    let ran = other.run(&["restore", "a.backup"]);
    assert_eq!(ran.err.contains("(`chown 12345 portcullis.redb*`)"), is_root, "{ran:?}");
    ran.done();
}
