//! Commands while a gateway runs, and how it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::harness::Folder;

#[test]
fn commands_go_through_the_running_gateway() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    let ran = folder.add("alice");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
    assert!(folder.run(&["key", "list"]).done().contains("signs"));
    assert!(folder.run(&["health"]).done().starts_with("ready: portcullis "));
    let health = folder.run(&["health", "--json"]).done();
    assert!(health.contains(&gateway.address), "{health}");
    let mode = std::fs::metadata(folder.file("portcullis.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(!folder.file("portcullis.sock").exists());
    assert!(folder.run(&["health"]).failed(1).contains("no gateway answers"));
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
}

#[test]
fn a_gateway_says_what_it_made_and_where() {
    let folder = Folder::new();
    let made = folder.path().canonicalize().unwrap();
    let starts = |first: &str| {
        let mut gateway = folder.serve();
        gateway.signal("TERM");
        assert_eq!(gateway.wait(), Some(0));
        assert!(gateway.said().starts_with(first), "{}", gateway.said());
    };
    let store = made.join("portcullis.redb");
    let keys = made.join("portcullis.keys");
    let (store, keys) = (store.display(), keys.display());
    starts(&format!("made a new store at {store}\nmade a new key file at {keys}\n"));
    starts("portcullis ");
}

#[test]
fn a_gateway_listens_at_a_unix_socket_and_takes_it_along() {
    let folder = Folder::new();
    let socket = folder.file("http.sock");
    // Left behind by a gateway that was killed.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let text = "listen = [\"unix:http.sock\", \"127.0.0.1:0\"]\nworkers = 2\n\
        [upstreams]\na = { whoami = true }\n[routes]\n\"/*\" = { to = \"a\", allow = \"anyone\" }\n";
    folder.write("portcullis.toml", text);
    let mut gateway = folder.serve_as_written();
    for _ in 0..8 {
        let mut client = UnixStream::connect(&socket).unwrap();
        client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\"x-real-ip\": \"127.0.0.1\""), "{answer}");
    }
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_took_the_place_of_ours_stays() {
    let folder = Folder::new();
    let socket = folder.file("http.sock");
    let text = "listen = [\"unix:http.sock\", \"127.0.0.1:0\"]\n\
        [upstreams]\na = { whoami = true }\n[routes]\n\"/*\" = { to = \"a\", allow = \"anyone\" }\n";
    folder.write("portcullis.toml", text);
    let mut gateway = folder.serve_as_written();
    std::fs::remove_file(&socket).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
    drop(UnixStream::connect(&socket).unwrap());
}

#[test]
fn a_hangup_ends_nothing() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    gateway.signal("HUP");
    gateway.log_line("SIGHUP");
    folder.run(&["health"]).done();
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn a_second_gateway_is_refused_and_the_first_goes_on() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    let said = folder.run(&["serve", "--listen", "127.0.0.1:0"]).failed(1);
    assert!(said.contains("the store is in use by another process"), "{said}");
    folder.run(&["health"]).done();
    gateway.signal("INT");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn a_gateway_that_was_killed_leaves_nothing_in_the_way() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    folder.add("alice").done();
    gateway.signal("KILL");
    assert_eq!(gateway.wait(), None);
    assert!(folder.file("portcullis.sock").exists());
    assert!(folder.run(&["user", "list"]).done().contains("alice"));
    let _again = folder.serve();
    folder.run(&["health"]).done();
}

#[test]
fn the_three_lines_work_when_pasted() {
    let folder = Folder::new();
    let mut gateway = folder.serve();
    let register = gateway.out_line("curl ");
    let token = gateway.out_line("TOKEN=");
    let path = gateway.out_line("curl ");
    for shell in ["sh", "bash"] {
        let script = format!("{register}\necho\n{token}\n{path}\n");
        let ran = Command::new(shell).args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(ran.stdout).unwrap();
        assert!(said.contains("\"x-user-name\": \"demo-"), "{shell}: {said}");
    }
}

#[test]
fn what_runs_is_drained_and_a_second_signal_ends_it_at_once() {
    for second in [false, true] {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = Folder::new();
        let to = upstream.local_addr().unwrap();
        let text = format!(
            "[upstreams]\na = {{ to = \"http://{to}\" }}\n\
             [routes]\n\"/*\" = {{ to = \"a\", allow = \"anyone\" }}\n"
        );
        folder.write("portcullis.toml", &text);
        let mut gateway = folder.serve();
        let mut client = TcpStream::connect(&gateway.address).unwrap();
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let (mut slow, _) = upstream.accept().unwrap();
        gateway.signal("TERM");
        gateway.log_line("draining");
        let ran = folder.run(&["health"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.out.starts_with("not ready: "), "{ran:?}");
        if second {
            gateway.signal("TERM");
            assert_eq!(gateway.wait(), Some(1));
        } else {
            slow.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("hello"), "{answer}");
            assert_eq!(gateway.wait(), Some(0));
        }
    }
}

#[test]
fn the_access_log_can_be_switched_off_and_nothing_else() {
    let folder = Folder::new();
    folder.write("portcullis.toml", "[log]\naccess = false\nformat = \"json\"\n");
    let mut gateway = folder.serve();
    let mut client = TcpStream::connect(&gateway.address).unwrap();
    client.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    client.read_to_string(&mut String::new()).unwrap();
    folder.add("alice").done();
    let line = gateway.log_line("");
    assert!(line.contains("no [routes]"), "the file's warnings are told at every start: {line}");
    // The request was before it.
    let line = gateway.log_line("");
    assert!(line.contains("user added by an operator"), "{line}");
}
