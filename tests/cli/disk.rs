//! A disk that takes no more: what is known goes on, the rest is refused until there is room.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Folder, Gateway, post_to};

/// A gateway with a user, and two logins of it, of which nobody has used the tokens so far.
fn gateway(folder: &Folder) -> (Gateway, [[String; 2]; 2]) {
    folder.add("alice").done();
    let gateway = folder.serve_within("-S -f unlimited");
    let logins = [gateway.log_in("alice"), gateway.log_in("alice")];
    (gateway, logins)
}

fn refused(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
}

fn served(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// With room for nothing behind the first page, and with room for nothing at all: not even the
/// mark that the file is in use can be written then.
#[test]
fn what_is_known_goes_on_while_nothing_can_be_written() {
    const LOGIN: &str = r#"{"username": "alice", "password": "Tr1cky-Phrase-77"}"#;
    for room in ["16384", "0"] {
        let folder = Folder::new();
        let (mut gateway, [[first, _], [second, refresh]]) = gateway(&folder);
        let renew = format!(r#"{{"refresh": "{refresh}"}}"#);
        gateway.limit_file_size(room);
        for _ in 0..3 {
            refused(&gateway.post("token/", LOGIN));
            refused(&gateway.post("token/refresh/", &renew));
            refused(&gateway.post(
                "register/",
                r#"{"username": "bob", "email": "b@b.test", "password": "Tr1cky-Phrase-77"}"#,
            ));
            served(&gateway.get("/api/auth/profile/", &first));
            served(
                &gateway.ask("GET /public/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            );
        }
        gateway.log_line("the store cannot be written");
        served(&gateway.get("/api/auth/profile/", &second));
        assert!(folder.run(&["user", "list"]).done().contains("alice"));
        let said = folder.run(&["user", "deactivate", "alice"]).failed(1);
        // Refused by the record, or by the store where the record had room.
        let known = ["nothing was changed", "store unavailable"];
        assert!(known.iter().any(|why| said.contains(why)), "{said}");

        gateway.lift_file_size();
        comes_back(&gateway, LOGIN);
        log_in_until_told(&mut gateway, LOGIN);
        served(&gateway.get("/api/auth/profile/", &first));
        // The refresh token was not spent by those who were refused.
        served(&gateway.post("token/refresh/", &renew));
        folder.run(&["user", "deactivate", "alice"]).done();
        gateway.signal("TERM");
        assert_eq!(gateway.wait(), Some(0));
        assert!(folder.run(&["user", "show", "alice"]).done().contains("no"));
        // Where only the store had no room, the record says that nobody knows what became of it.
        let record = std::fs::read_to_string(folder.file("portcullis.audit")).unwrap();
        assert_eq!(record.contains(r#""outcome":"unknown""#), room != "0", "{record}");
        assert!(folder.run(&["audit", "verify"]).done().starts_with("whole: "));
    }
}

/// The disk is asked again a second after it refused: as the answer says.
fn comes_back(gateway: &Gateway, login: &str) {
    let begun = std::time::Instant::now();
    loop {
        let answer = gateway.post("token/", login);
        if answer.starts_with("HTTP/1.1 200") {
            return;
        }
        refused(&answer);
        assert!(begun.elapsed().as_secs() < 20, "it does not come back: {answer}");
    }
}

/// The log says that the disk is well when it has been for a while.
fn log_in_until_told(gateway: &mut Gateway, login: &str) {
    let (address, told) = (gateway.address.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !told.load(Ordering::Relaxed) {
                served(&post_to(&address, "token/", login));
            }
        });
        gateway.log_line("the store is written again");
        told.store(true, Ordering::Relaxed);
    });
}

/// What stood in its store and its key file is enough for a start.
#[test]
fn a_gateway_starts_on_a_full_disk() {
    let folder = Folder::new();
    let (mut gateway, [[access, _], _]) = gateway(&folder);
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let gateway = folder.serve_within("-S -f 16");
    served(&gateway.get("/api/auth/profile/", &access));
    refused(&gateway.post("token/", r#"{"username": "alice", "password": "Tr1cky-Phrase-77"}"#));
    served(&gateway.get("/api/auth/profile/", &access));
}

/// A gateway that was told to end while its disk is full ends, and what it acknowledged is there.
#[test]
fn a_gateway_ends_on_a_full_disk() {
    let folder = Folder::new();
    let (mut gateway, [[_, _], [second, _]]) = gateway(&folder);
    gateway.limit_file_size("0");
    refused(&gateway.post("token/", r#"{"username": "alice", "password": "Tr1cky-Phrase-77"}"#));
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    let gateway = folder.serve();
    served(&gateway.get("/api/auth/profile/", &second));
}

#[test]
fn a_key_that_cannot_be_written_changes_nothing() {
    let folder = Folder::new();
    let (gateway, _) = gateway(&folder);
    let before = std::fs::read(folder.file("portcullis.keys")).unwrap();
    gateway.limit_file_size("0");
    let said = folder.run(&["key", "rotate"]).failed(1);
    assert!(said.contains("cannot be written"), "{said}");
    assert_eq!(std::fs::read(folder.file("portcullis.keys")).unwrap(), before);
    gateway.lift_file_size();
    folder.run(&["key", "rotate"]).done();
    assert_ne!(std::fs::read(folder.file("portcullis.keys")).unwrap(), before);
}

#[test]
fn a_first_start_on_a_full_disk_says_so_and_leaves_nothing() {
    let folder = Folder::new();
    let args = ["user", "add", "alice", "--generate"];
    let said = Folder::end_of(folder.command_within("-f 0", &args), b"").failed(1);
    assert!(said.contains("portcullis.redb: cannot open the store"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{said}");
}
