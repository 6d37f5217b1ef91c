//! Backups: of a gateway that runs and of a store at rest, to a file and through a pipe.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::Folder;
use crate::import::report;

/// A folder with a store that has something of most kinds.
pub(crate) fn filled() -> Folder {
    let folder = Folder::new();
    folder.add("ada").done();
    folder.add("bob").done();
    for args in [
        &["group", "add", "staff"][..],
        &["group", "role", "add", "staff", "admin"],
        &["user", "group", "add", "bob", "staff"],
        &["invite", "add", "--uses", "3"],
    ] {
        folder.run(args).done();
    }
    folder
}

/// The names of what is in a folder, but for what a gateway makes there.
pub(crate) fn beside(folder: &Folder) -> Vec<String> {
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("portcullis.")).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_running_gateway_is_backed_up_while_logins_go_on() {
    let folder = filled();
    let gateway = folder.serve();
    gateway.log_in("ada");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let logins = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                gateway.log_in("bob");
                count += 1;
            }
            count
        });
        for number in 0..3 {
            let file = format!("{number}.backup");
            let ran = folder.run(&["backup", &file]);
            let told = "backed up 2 users, 1 groups and 1 invitations to ";
            assert!(ran.err.contains(told), "{ran:?}");
            assert!(ran.err.contains("keys that sign tokens are in it"), "{ran:?}");
            assert_eq!(ran.done(), "");
            let mode = std::fs::metadata(folder.file(&file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
            let checked = folder.run(&["restore", "--check", &file]).done();
            let whole = "whole: 2 users, 1 groups and 1 invitations, with the key file\nmade at ";
            assert!(checked.starts_with(whole), "{checked}");
        }
        stop.store(true, Ordering::Relaxed);
        assert!(logins.join().unwrap() > 0);
    });
    assert_eq!(beside(&folder), ["0.backup", "1.backup", "2.backup"]);
    let audit = folder.run(&["audit", "tail"]).done();
    assert!(audit.contains("command") && audit.contains("backup"), "{audit}");
}

#[test]
fn a_store_at_rest_is_backed_up_as_it_is() {
    let folder = filled();
    let told = report(&folder.run(&["backup", "a.backup", "--json"]).done());
    let counts = ["users", "groups", "invitations", "sessions"].map(|count| told[count].clone());
    assert_eq!(counts, [2, 1, 1, 0].map(serde_json::Value::from), "{told:#}");
    assert_eq!((&told["keys"], &told["file"]), (&json!(true), &json!("a.backup")));
    let length = std::fs::metadata(folder.file("a.backup")).unwrap().len();
    assert_eq!(told["bytes"], length);
    let checked = report(&folder.run(&["restore", "--check", "a.backup", "--json"]).done());
    assert_eq!((&checked["made"], &checked["users"]), (&told["made"], &json!(2)));

    let without = folder.run(&["backup", "b.backup", "--without-keys"]);
    assert!(without.err.contains("the key file is not in it"), "{without:?}");
    without.done();
    let checked = folder.run(&["restore", "--check", "b.backup"]).done();
    assert!(checked.contains("without the key file"), "{checked}");
    let bytes = |name: &str| std::fs::read(folder.file(name)).unwrap();
    let has_seal = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"\"seal\"");
    assert!(has_seal(&bytes("a.backup")) && !has_seal(&bytes("b.backup")));
}

#[test]
fn a_file_that_is_there_is_overwritten_only_when_asked() {
    let folder = filled();
    folder.write("a.backup", "precious");
    std::fs::create_dir(folder.file("folder")).unwrap();
    let said = folder.run(&["backup", "a.backup"]).failed(1);
    assert!(said.contains("a.backup: there is a file already; `--force`"), "{said}");
    assert_eq!(std::fs::read(folder.file("a.backup")).unwrap(), b"precious");
    let said = folder.run(&["backup", "folder", "--force"]).failed(1);
    assert!(said.contains("this is a folder"), "{said}");
    let said = folder.run(&["backup", "nowhere/a.backup"]).failed(1);
    assert!(said.contains("nowhere/a.backup: "), "{said}");
    assert!(!folder.run(&["backup"]).failed(2).is_empty());
    folder.run(&["backup", "a.backup", "--force"]).done();
    folder.run(&["restore", "--check", "a.backup"]).done();
    assert_eq!(beside(&folder), ["a.backup", "folder"]);
}

/// The gateway would go on with a store that has no name any more, and lose it at its end.
#[test]
fn a_backup_takes_the_place_of_nothing_that_the_gateway_lives_on() {
    let folder = filled();
    folder.write(
        "portcullis.toml",
        "[auth.signing]\nalgorithm = \"HS256\"\nsecret = { file = \"shared\" }\n\
         [tls.acme]\ndomains = \"gate.test\"\nterms_accepted = true\n\
         directory = \"https://ca.test/\"\n",
    );
    std::fs::create_dir_all(folder.file("portcullis.acme/ca.test-")).unwrap();
    folder.write("portcullis.acme/ca.test-/account.json", "{}");
    folder.write("shared", "not-for-production-but-long-enough");
    std::fs::create_dir(folder.file("sub")).unwrap();
    std::os::unix::fs::symlink("portcullis.redb", folder.file("link")).unwrap();
    std::fs::hard_link(folder.file("portcullis.keys"), folder.file("second.keys")).unwrap();
    let precious = ["portcullis.redb", "portcullis.keys", "portcullis.toml", "shared"];
    let file = |name: &str| std::fs::metadata(folder.file(name)).unwrap().ino();
    let before = precious.map(file);
    let targets = [
        ("portcullis.redb", "the store"),
        ("./sub/../portcullis.redb", "the store"),
        ("link", "the store"),
        ("portcullis.keys", "the key file"),
        ("second.keys", "the key file"),
        ("portcullis.toml", "the policy file"),
        ("portcullis.sock", "the admin socket"),
        ("portcullis.audit", "the audit record"),
        ("portcullis.audit.head", "the audit record"),
        ("shared", "a secret"),
        ("portcullis.acme/ca.test-/account.json", "the account at the authority"),
        ("portcullis.acme/ca.test-/certificate.pem", "the certificate with its key"),
    ];
    let refused = || {
        for (target, what) in targets {
            for args in [&["backup", target][..], &["backup", "--force", target]] {
                let said = folder.run(args).failed(1);
                assert!(said.contains(&format!("{target}: this is the place of {what}")), "{said}");
            }
        }
        assert_eq!(precious.map(file), before);
    };
    let bytes = || precious.map(|name| std::fs::read(folder.file(name)).unwrap());
    let at_rest = bytes();
    refused();
    assert!(bytes() == at_rest);
    let mut gateway = folder.serve();
    refused();
    folder.run(&["user", "deactivate", "bob"]).done();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let bob = report(&folder.run(&["user", "show", "bob", "--json"]).done());
    assert_eq!(bob["active"], json!(false), "{bob:#}");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let folder = Folder::new();
    let said = folder.run(&["backup", "a.backup"]).failed(1);
    assert!(said.contains("there is no store"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_backup_goes_through_a_pipe() {
    let folder = filled();
    let _gateway = folder.serve();
    let mut command = folder.command(&["backup", "-"]);
    let ran = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("backed up 2 users") && !told.contains(" to -"), "{told}");
    let checked = folder.run_with(&["restore", "--check", "-"], &ran.stdout).done();
    assert!(checked.starts_with("whole: 2 users"), "{checked}");
    let said = folder.run(&["backup", "-", "--json"]).failed(1);
    assert!(said.contains("`--json` goes with a file"), "{said}");

    // Whoever reads only half of it hears that it was no backup.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command(&["backup", "-"]);
    let ran = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
}

#[test]
fn a_full_target_leaves_nothing() {
    let folder = filled();
    let _gateway = folder.serve();
    let command = folder.command_within("-f 1", &["backup", "a.backup"]);
    let said = Folder::end_of(command, b"").failed(1);
    assert!(said.contains("a.backup: ") && said.contains("File too large"), "{said}");
    assert!(beside(&folder).is_empty(), "{:?}", beside(&folder));
}

/// A gateway that sends half a backup, and then nothing more until it is let go.
fn half_a_gateway(folder: &Folder, listener: &UnixListener) -> std::os::unix::net::UnixStream {
    // The look whether a gateway runs, and the request.
    drop(listener.accept().unwrap());
    let (mut peer, _) = listener.accept().unwrap();
    let mut head = [0; 64];
    assert!(peer.read(&mut head).unwrap() > 0);
    assert!(head.starts_with(b"POST /v1/backup "));
    let whole = std::fs::read(folder.file("whole.backup")).unwrap();
    let (half, _) = whole.split_at(whole.len() / 2);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len());
    peer.write_all(&[answer.as_bytes(), half].concat()).unwrap();
    peer
}

#[test]
fn half_a_backup_has_no_name() {
    let folder = filled();
    folder.run(&["backup", "whole.backup"]).done();
    let listener = UnixListener::bind(folder.file("portcullis.sock")).unwrap();
    let start = || {
        let mut command = folder.command(&["backup", "a.backup"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    // Killed in the middle of it: the draft is there, and no backup.
    let mut child = start();
    let peer = half_a_gateway(&folder, &listener);
    let draft = |name: &String| name.starts_with("a.backup.");
    while !beside(&folder).iter().any(draft) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(peer);
    assert!(!folder.file("a.backup").exists());
    for name in beside(&folder).iter().filter(|name| draft(name)) {
        std::fs::remove_file(folder.file(name)).unwrap();
    }

    // The gateway died in the middle of it.
    let child = start();
    drop(half_a_gateway(&folder, &listener));
    let ran = child.wait_with_output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("a.backup: the backup is cut short"), "{said}");
    assert_eq!(beside(&folder), ["whole.backup"]);
}

/// What an operator gets from a container: the file is made outside of it.
#[test]
fn a_backup_needs_no_room_where_the_gateway_is() {
    let folder = filled();
    let _gateway = folder.serve();
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let binary = env!("CARGO_BIN_EXE_portcullis");
    let mut shell = Command::new("bash");
    shell.args([
        "-c",
        &format!("ulimit -f 0; {binary} backup - | cat > /dev/null; exit ${{PIPESTATUS[0]}}"),
    ]);
    let ran = shell.current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
}
