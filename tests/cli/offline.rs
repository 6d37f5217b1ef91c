//! Commands while no gateway runs.

use std::process::Stdio;

use portcullis::store::{OpenMode, RedbStore};
use serde_json::Value;

use crate::harness::Folder;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn the_first_user_makes_the_store_and_hears_where() {
    let folder = Folder::new();
    let ran = folder.add("alice");
    let made = folder.path().canonicalize().unwrap();
    let (store, keys) = (made.join("portcullis.redb"), made.join("portcullis.keys"));
    let (store, keys) = (store.display(), keys.display());
    assert_eq!(ran.err, format!("made a new store at {store}\nmade a new key file at {keys}\n"));
    assert_eq!(ran.done(), "added alice (id 1)\n");
    let ran = folder.add("bob");
    assert_eq!(ran.err, "");
    assert_eq!(ran.done(), "added bob (id 2)\n");
    let users = json(&folder.run(&["user", "list", "--json"]).done());
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["alice", "bob"]);
}

#[test]
fn no_other_command_makes_a_store() {
    for args in [
        &["user", "list"][..],
        &["user", "show", "alice"],
        &["user", "set-password", "alice", "--generate"],
        &["user", "activate", "alice"],
        &["user", "deactivate", "alice"],
        &["user", "delete", "alice"],
        &["user", "role", "add", "alice", "admin"],
        &["user", "role", "remove", "alice", "admin"],
        &["user", "claim", "set", "alice", "a=b"],
        &["invite", "add"],
        &["invite", "list"],
        &["invite", "revoke", "1"],
        &["user", "group", "add", "alice", "staff"],
        &["group", "add", "staff"],
        &["group", "list"],
        &["key", "list"],
        &["key", "rotate"],
        &["health"],
        &["check"],
        &["doctor"],
        &["schema"],
        &["explain", "GET", "/"],
    ] {
        let folder = Folder::new();
        let ran = folder.run(args);
        if ["check", "doctor", "schema", "explain"].contains(&args[0]) {
            assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        } else {
            let said = ran.failed(1);
            let expected =
                if args == ["health"] { "no gateway answers" } else { "there is no store" };
            assert!(said.contains(expected), "{args:?}: {said}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}");
    }
}

#[test]
fn a_user_goes_through_every_change() {
    let folder = Folder::new();
    folder.run(&["user", "add", "alice", "--generate", "--role", "b", "--role", "a"]).done();
    let user = |args: &[&str]| folder.run(&[&["user"], args].concat()).done();
    assert_eq!(user(&["role", "add", "alice", "c"]), "alice has the roles a, b, c\n");
    assert_eq!(user(&["role", "remove", "alice", "a"]), "alice has the roles b, c\n");
    assert_eq!(user(&["claim", "set", "alice", "t=x=y"]), "alice has the claim t=x=y\n");
    assert_eq!(user(&["claim", "set", "alice", "t="]), "alice has no claims\n");
    assert_eq!(user(&["deactivate", "alice"]), "alice is shut out\n");
    assert_eq!(json(&user(&["show", "alice", "--json"]))["active"], false);
    assert_eq!(user(&["activate", "alice"]), "alice is active\n");
    // Nobody is asked where nobody could answer.
    assert_eq!(user(&["delete", "alice"]), "deleted alice\n");
    let said = folder.run(&["user", "show", "alice"]).failed(1);
    assert_eq!(said, "portcullis: there is no user `alice`\n");
}

#[test]
fn users_are_looked_for_and_their_addresses_set() {
    let folder = Folder::new();
    for name in ["alice", "bob", "eve"] {
        folder.add(name).done();
    }
    folder.run(&["user", "role", "add", "bob", "admin"]).done();
    folder.run(&["user", "deactivate", "eve"]).done();
    let set = &["user", "set-email", "alice", "Al@Example.com", "--verified"];
    assert_eq!(folder.run(set).done(), "alice has the address Al@example.com (verified)\n");
    for (args, names) in [
        (&["--search", "AL@"][..], &["alice"][..]),
        (&["--role", "admin"], &["bob"]),
        (&["--inactive"], &["eve"]),
        (&["--active", "--idle", "30"], &["alice", "bob"]),
        (&["--search", "nobody"], &[]),
    ] {
        let args = [&["user", "list", "--json"], args].concat();
        let users = json(&folder.run(&args).done());
        let found: Vec<_> = users.as_array().unwrap().iter().map(|it| &it["username"]).collect();
        assert_eq!(found, names, "{args:?}");
    }
    folder.run(&["user", "list", "--active", "--inactive"]).failed(2);
    folder.run(&["user", "list", "--idle", "0"]).failed(2);
    let said = folder.run(&["user", "set-email", "alice", "nowhere"]).failed(1);
    assert!(said.contains("Enter a valid email address."), "{said}");
    let removed = folder.run(&["user", "set-email", "alice", ""]).done();
    assert_eq!(removed, "alice has no address\n");
}

#[test]
fn a_generated_password_is_told_once() {
    let folder = Folder::new();
    let said = folder.run(&["user", "add", "alice", "--generate"]).done();
    let (_, password) = said.split_once("password: ").unwrap();
    assert!(password.trim().len() >= 25, "{said}");
    let said = json(&folder.run(&["user", "set-password", "alice", "--generate", "--json"]).done());
    assert_ne!(said["password"], password.trim());
    assert!(!folder.run(&["user", "show", "alice", "--json"]).done().contains("\"password\":"));
}

#[test]
fn a_password_that_no_client_could_send_is_refused() {
    for (input, why) in [
        (&b""[..], "is empty"),
        (b"\n", "is empty"),
        (b" Tr1cky-Phrase-77\n", "begins or ends with white space"),
        (b"Tr1cky-Phrase-77 \n", "begins or ends with white space"),
        (b"Tr1cky-Phrase-77\n\n", "begins or ends with white space"),
        (b"Tr1cky-Phrase-77\nsecond\n", "more than one line"),
        (b"Tr1cky\xff-77\n", "not UTF-8"),
    ] {
        let folder = Folder::new();
        let ran = folder.run_with(&["user", "add", "alice", "--stdin", "--force"], input);
        let said = ran.failed(1);
        assert!(said.contains(why), "{input:?}: {said}");
        assert!(!folder.file("portcullis.redb").exists());
    }
}

#[test]
fn a_weak_password_is_refused_unless_it_is_forced() {
    let folder = Folder::new();
    let said = folder.run_with(&["user", "add", "alice", "--stdin"], b"1234\n").failed(1);
    assert!(said.contains("This password is entirely numeric."), "{said}");
    folder.run_with(&["user", "add", "alice", "--stdin", "--force"], b"1234\n").done();
}

#[test]
fn without_a_terminal_no_password_is_asked_for() {
    let folder = Folder::new();
    let said = folder.run(&["user", "add", "alice"]).failed(1);
    assert!(said.contains("--stdin") && said.contains("--generate"), "{said}");
    assert!(!folder.file("portcullis.redb").exists());
}

#[test]
fn wrong_usage_is_two() {
    let folder = Folder::new();
    for args in [
        &["frobnicate"][..],
        &["user"],
        &["user", "add"],
        &["user", "add", "alice", "--stdin", "--generate"],
        &["user", "add", "alice", "--password", "x"],
        &["user", "claim", "set", "alice", "no-value"],
        &["serve", "--listen", "8080"],
    ] {
        assert!(!folder.run(args).failed(2).is_empty(), "{args:?}");
    }
    assert!(folder.run(&["--help"]).done().contains("serve"));
    assert!(folder.run(&["--version"]).done().starts_with("portcullis "));
}

#[test]
fn a_locked_store_is_named_and_left_alone() {
    let folder = Folder::new();
    folder.add("alice").done();
    let path = folder.file("portcullis.redb");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let held = RedbStore::open(&path, OpenMode::Existing).unwrap();
    for args in [&["user", "list"][..], &["user", "add", "bob", "--generate"], &["key", "rotate"]] {
        let said = folder.run(args).failed(1);
        assert!(said.contains("portcullis.redb: the store is in use by another process"), "{said}");
        assert!(said.contains("portcullis.sock"), "{said}");
    }
    drop(held);
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
}

#[test]
fn a_foreign_file_is_named_and_left_alone() {
    let folder = Folder::new();
    folder.write("portcullis.redb", "precious");
    let said = folder.add("alice").failed(1);
    assert!(said.contains("portcullis.redb: this is no store of portcullis"), "{said}");
    assert_eq!(std::fs::read_to_string(folder.file("portcullis.redb")).unwrap(), "precious");
}

#[test]
fn the_policy_file_says_where_the_store_is() {
    let folder = Folder::new();
    std::fs::create_dir(folder.file("data")).unwrap();
    folder.write("other.toml", "[store]\npath = \"data/users.redb\"\n");
    let args = ["--config", "other.toml", "user", "add", "alice", "--generate"];
    let ran = folder.run(&args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(folder.file("data/users.redb").exists());
    // The file in the folder is taken without being named.
    folder.write("portcullis.toml", "[store]\npath = \"data/users.redb\"\n");
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
}

#[test]
fn a_broken_policy_file_stops_every_command() {
    let folder = Folder::new();
    folder.write("portcullis.toml", "listen = 7\n");
    for args in [&["serve"][..], &["user", "list"], &["key", "list"], &["health"]] {
        let said = folder.run(args).failed(1);
        assert!(said.contains("portcullis.toml:1:10: "), "{args:?}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = Folder::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = folder.command(&["check"]);
    let ran = command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((ran.status.code(), ran.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn what_clients_chose_does_not_move_the_cursor() {
    let folder = Folder::new();
    folder.add("alice").done();
    let said = folder.run(&["user", "show", "a\u{1b}[2Jb"]).failed(1);
    assert_eq!(said, "portcullis: there is no user `a\\u{1b}[2Jb`\n");
}

#[test]
fn a_group_goes_through_every_change() {
    let folder = Folder::new();
    folder.add("alice").done();
    folder.add("bob").done();
    let run = |args: &[&str]| folder.run(args).done();
    let shown = |group: &str, roles: &str| {
        let text = format!("group       {group}\nroles       {roles}");
        format!("{}\n", text.trim_end())
    };
    let admins = "Portal Admins";
    assert_eq!(run(&["group", "add", admins]), shown(admins, ""));
    assert_eq!(run(&["group", "role", "add", admins, "admin"]), shown(admins, "admin"));
    assert_eq!(run(&["group", "role", "add", admins, "a"]), shown(admins, "a, admin"));
    assert_eq!(run(&["group", "role", "remove", admins, "a"]), shown(admins, "admin"));
    assert_eq!(
        run(&["user", "group", "add", "alice", admins]),
        "alice is in the group Portal Admins\n"
    );
    run(&["user", "group", "add", "bob", admins]);
    run(&["user", "role", "add", "alice", "editor"]);
    let members = format!("{}members     alice, bob\n", shown(admins, "admin"));
    assert_eq!(run(&["group", "show", admins]), members);
    assert_eq!(run(&["group", "list"]), "GROUP          ROLES\nPortal Admins  admin\n");
    let alice = json(&run(&["user", "show", "alice", "--json"]));
    assert_eq!(alice["roles"], serde_json::json!(["admin", "editor"]));
    assert_eq!(alice["inherited"], serde_json::json!(["admin"]));
    assert_eq!(alice["groups"], serde_json::json!([admins]));
    // What a group gives is taken at the group.
    assert_eq!(
        run(&["user", "role", "remove", "alice", "admin"]),
        "alice has the roles admin, editor\n"
    );
    assert_eq!(run(&["user", "group", "remove", "bob", admins]), "bob is in no groups\n");
    assert_eq!(
        json(&run(&["group", "show", admins, "--json"]))["members"],
        serde_json::json!(["alice"])
    );
    assert_eq!(run(&["group", "delete", admins]), "deleted the group Portal Admins\n");
    assert_eq!(
        json(&run(&["user", "show", "alice", "--json"]))["roles"],
        serde_json::json!(["editor"])
    );

    run(&["group", "add", "staff"]);
    for (args, why) in [
        (&["group", "add", "staff"][..], "there is a group `staff` already"),
        (&["group", "add", ""], "is no name of a group"),
        (&["group", "add", " x"], "is no name of a group"),
        (&["group", "add", "a\u{1b}[31m"], "is no name of a group"),
        (&["group", "add", &"x".repeat(151)], "is no name of a group"),
        (&["group", "show", "nobody"], "there is no group `nobody`"),
        (&["group", "delete", "nobody"], "there is no group `nobody`"),
        (&["group", "role", "add", "nobody", "a"], "there is no group `nobody`"),
        (&["group", "role", "add", "staff", "a,b"], "is no role name"),
        (&["user", "group", "add", "alice", "nobody"], "there is no group `nobody`"),
        (&["user", "group", "remove", "alice", "nobody"], "there is no group `nobody`"),
        (&["user", "group", "add", "nobody", "staff"], "there is no user `nobody`"),
    ] {
        let said = folder.run(args).failed(1);
        assert!(said.contains(why), "{args:?}: {said}");
    }
    assert!(!folder.run(&["group", "role", "add", "staff"]).failed(2).is_empty());
    assert!(folder.run(&["audit", "verify"]).done().starts_with("whole: "));
}
