//! What a restore says: of what is back, of what cannot be restored, of a disk that is full.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::backup::filled;
use crate::harness::Folder;
use crate::import::report;
use crate::restore::{elsewhere, read};

#[test]
fn what_was_taken_away_since_is_told_and_what_is_not_known() {
    let folder = filled();
    let gateway = folder.serve();
    let [_, refresh] = gateway.log_in("ada");
    folder.run(&["backup", "a.backup"]).done();
    folder.run(&["invite", "revoke", "1"]).done();
    gateway.post("logout/", &json!({ "refresh": refresh }).to_string());
    drop(gateway);
    let told = folder.run(&["restore", "a.backup", "--force"]).done();
    assert!(told.contains("invitations are as they were at the backup"), "{told}");
    assert!(told.contains("invitation.revoked") && told.contains("invitation=1"), "{told}");
    assert!(!told.contains("session.ended") && !told.contains("it is not known"), "{told}");
    assert!(folder.run(&["invite", "list"]).done().contains('1'));

    folder.write("portcullis.toml", "[audit]\nenabled = false\n");
    let told = folder.run(&["restore", "a.backup", "--force"]).done();
    assert!(told.contains("it is not known whether more was taken away since"), "{told}");
    let told = folder.run(&["restore", "a.backup", "--force", "--json"]).done();
    let told = report(&told);
    assert_eq!((&told["undone"], &told["undone_before"]), (&json!([]), &json!(0)), "{told:#}");
    assert!(told["undone_unknown"].as_str().unwrap().contains("no audit record"), "{told:#}");
}

#[test]
fn sessions_that_live_again_are_told() {
    let folder = filled();
    let gateway = folder.serve();
    let [_, refresh] = gateway.log_in("ada");
    folder.run(&["backup", "a.backup"]).done();
    let answer = gateway.post("logout/", &json!({ "refresh": refresh }).to_string());
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    folder.run(&["session", "end", "ada", "--all"]).done();
    drop(gateway);
    let told = folder.run(&["restore", "a.backup", "--force", "--keep-sessions"]).done();
    assert!(told.contains("session.ended") || told.contains("logout.everywhere"), "{told}");
}

/// A backup of these frames, as it was written as far as its digest tells.
fn sealed(frames: &[(u8, &[u8])], rows: usize) -> Vec<u8> {
    let frame = |sign: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        [&[sign], &length[..], content].concat()
    };
    let frames = frames.iter().map(|(sign, content)| frame(*sign, content)).collect::<Vec<_>>();
    let mut bytes = [&b"portcullis backup 1\n"[..], &frames.concat()].concat();
    let end = json!({ "rows": rows }).to_string();
    let end = [end.as_bytes(), digest(&SHA256, &bytes).as_ref()].concat();
    bytes.extend(frame(b'e', &end));
    bytes
}

fn head(store: u64, rows: usize, version: &str) -> Vec<u8> {
    json!({ "version": version, "made": 7, "store": store, "rows": rows }).to_string().into_bytes()
}

/// A row as it stands in a frame.
fn row(key: &[u8], value: &[u8]) -> Vec<u8> {
    let piece =
        |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], bytes].concat();
    [piece(key), piece(value)].concat()
}

#[test]
fn a_backup_is_whole_only_if_it_can_be_restored() {
    let mark = row(b"portcullis", &3_u64.to_le_bytes());
    let stranger = row(b"a", b"b");
    let meta: [(u8, &[u8]); 2] = [(b't', b"meta"), (b'r', &mark)];
    let strangers: [(u8, &[u8]); 2] = [(b't', b"strangers"), (b'r', &stranger)];
    let made = |store, rows, version, parts: &[&[(u8, &[u8])]]| {
        let head = head(store, rows, version);
        sealed(&[&[(b'h', head.as_slice())][..], &parts.concat()].concat(), rows)
    };
    let folder = Folder::new();
    let whole = made(3, 1, "1.0\u{1b}[2J", &[&meta]);
    std::fs::write(folder.file("a.backup"), whole).unwrap();
    let told = folder.run(&["restore", "--check", "a.backup"]).done();
    assert!(told.starts_with("whole: 0 users"), "{told}");
    assert!(told.contains(r"portcullis 1.0\u{1b}[2J") && !told.contains('\u{1b}'), "{told}");
    elsewhere(&folder, "a.backup").run(&["restore", "a.backup"]).done();

    let cases = [
        (made(9, 1, "1", &[&meta]), "the backup is of a newer portcullis"),
        (made(3, 2, "1", &[&meta, &strangers]), "no store can be made of it: it has rows"),
        (made(3, 0, "1", &[]), ""),
    ];
    for (bytes, why) in cases {
        std::fs::write(folder.file("b.backup"), bytes).unwrap();
        for args in [&["restore", "--check", "b.backup"][..], &["restore", "b.backup"]] {
            let said = folder.run(args).failed(1);
            assert!(said.starts_with(&format!("portcullis: b.backup: {why}")), "{said}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

#[test]
fn what_a_backup_says_does_nothing_to_a_terminal() {
    let folder = Folder::new();
    let head = head(3, 0, "1");
    let why = b"\x1b[2J\x1b]0;owned\x07\r\n".repeat(1000);
    let bytes = sealed(&[(b'h', &head), (b'f', &why)], 0);
    std::fs::write(folder.file("a.backup"), bytes).unwrap();
    for args in [&["restore", "--check", "a.backup"][..], &["restore", "a.backup"]] {
        let said = folder.run(args).failed(1);
        assert!(said.contains("the backup was not finished: "), "{said}");
        let said = said.trim_end();
        assert!(!said.contains(char::is_control) && said.len() < 10_000, "{said}");
    }
}

/// Whatever it was that there was no room for, it is the disk that is named, and not the backup.
#[test]
fn a_disk_that_fills_at_any_moment_of_a_restore_is_named() {
    let folder = filled();
    folder.run(&["backup", "a.backup"]).done();
    let store = read(&folder, "portcullis.redb");
    let mut room = 8;
    loop {
        let limit = format!("-f {room}");
        let command = folder.command_within(&limit, &["restore", "a.backup", "--force"]);
        let ran = Folder::end_of(command, b"");
        if ran.code == Some(0) {
            break;
        }
        assert!(ran.err.contains("File too large"), "{room} KiB: {ran:?}");
        assert!(read(&folder, "portcullis.redb") == store, "{room} KiB");
        room += 8;
        assert!(room < 4096, "it never succeeds: {ran:?}");
    }
    assert!(room > 64, "{room}");
}
