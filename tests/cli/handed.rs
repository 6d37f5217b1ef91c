//! Sockets that a service manager opened: who listens through a restart, and what it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::{Folder, Gateway, ask_at};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const ROUTES: &str =
    "[upstreams]\na = { whoami = true }\n[routes]\n\"/*\" = { to = \"a\", allow = \"anyone\" }\n";

/// `serve` with that file as the only one that is handed over.
fn handed(folder: &Folder, file: impl Into<OwnedFd>) -> Command {
    handed_to(&["serve"], folder, file)
}

fn handed_to(words: &[&str], folder: &Folder, file: impl Into<OwnedFd>) -> Command {
    let mut command = Command::new("sh");
    // Number 3 is the first, and the process has to be the one that is named.
    let script = "LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    command.args(["-c", script, env!("CARGO_BIN_EXE_portcullis")]).args(words);
    command.current_dir(folder.path());
    command.env_remove("RUST_LOG").env_remove("PORTCULLIS_CONFIG");
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "gate.socket");
    command.stdin(Stdio::from(file.into()));
    command
}

fn listening_at(folder: &Folder) -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    folder.write("portcullis.toml", &format!("listen = [\"{address}\"]\nworkers = 2\n{ROUTES}"));
    (socket, address)
}

fn end(gateway: &mut Gateway) {
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn requests_made_while_it_restarts_are_answered() {
    let folder = Folder::new();
    let (socket, address) = listening_at(&folder);
    let start = || Folder::start_as(handed(&folder, socket.try_clone().unwrap()));
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        while !over.load(Ordering::Relaxed) {
            let answer = ask_at(&address, GET);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        // They come before anybody answers.
        let clients = [scope.spawn(client), scope.spawn(client), scope.spawn(client)];
        for _ in 0..3 {
            let mut gateway = start();
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 30 {
                assert!(clients.iter().all(|client| !client.is_finished()), "one was not answered");
                std::thread::yield_now();
            }
            end(&mut gateway);
        }
        over.store(true, Ordering::Relaxed);
        // For the last that wait.
        let mut gateway = start();
        for client in clients {
            client.join().unwrap();
        }
        end(&mut gateway);
    });
}

#[test]
fn a_client_that_was_let_in_just_before_the_end_is_answered() {
    let folder = Folder::new();
    folder.write("portcullis.toml", &format!("workers = 1\n{ROUTES}"));
    for _ in 0..3 {
        let mut gateway = folder.serve();
        let mut early = TcpStream::connect(&gateway.address).unwrap();
        // In turn: this one is answered, and so the one before it has been let in.
        assert!(gateway.ask(GET).starts_with("HTTP/1.1 200"));
        gateway.signal("TERM");
        gateway.log_line("draining");
        early.write_all(GET.as_bytes()).unwrap();
        let mut answer = String::new();
        early.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert_eq!(gateway.wait(), Some(0));
    }
}

#[test]
fn the_file_of_a_unix_socket_that_was_given_stays() {
    let folder = Folder::new();
    let path = folder.file("http.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let text = format!("listen = [\"unix:http.sock\", \"127.0.0.1:0\"]\n{ROUTES}");
    folder.write("portcullis.toml", &text);
    for _ in 0..2 {
        let mut gateway = Folder::start_as(handed(&folder, socket.try_clone().unwrap()));
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(GET.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        end(&mut gateway);
        assert!(path.exists());
    }
}

#[test]
fn a_socket_that_belongs_to_no_listener_is_an_error_and_nothing_was_made() {
    let folder = Folder::new();
    let (_socket, _address) = listening_at(&folder);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = stranger.local_addr().unwrap();
    let said = Folder::end_of_given(handed(&folder, stranger)).failed(1);
    assert!(
        said.contains(&format!("a socket for {at} was handed over as \"gate.socket\"")),
        "{said}"
    );
    assert!(said.contains("`listen` has no such address"), "{said}");
    assert!(!folder.file("portcullis.redb").exists());

    let file = std::fs::File::open(folder.file("portcullis.toml")).unwrap();
    let said = Folder::end_of_given(handed(&folder, file)).failed(1);
    assert!(said.contains("no listening stream socket"), "{said}");

    let mut command = folder.command(&["serve"]);
    command.env("LISTEN_PID", "one").env("LISTEN_FDS", "1");
    let said = Folder::end_of(command, b"").failed(1);
    assert!(said.contains("LISTEN_PID and LISTEN_FDS are numbers"), "{said}");
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let folder = Folder::new();
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "7");
    let mut gateway = Folder::start_as(command);
    end(&mut gateway);
}

/// The next message, line by line.
fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 1024];
    let length = manager.recv(&mut message).unwrap();
    let text = std::str::from_utf8(message.get(..length).unwrap()).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

fn manager(at: &Path) -> UnixDatagram {
    let manager = UnixDatagram::bind(at).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    manager
}

#[test]
fn the_service_manager_hears_of_the_start_a_reload_and_the_end() {
    let folder = Folder::new();
    let manager = manager(&folder.file("notify"));
    let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", folder.file("notify"));
    let mut gateway = Folder::start_as(command);
    assert_eq!(told(&manager), ["READY=1"]);
    gateway.signal("HUP");
    let [reloading, now] = told(&manager).try_into().unwrap();
    assert_eq!(reloading, "RELOADING=1");
    assert!(now.strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(told(&manager), ["READY=1"]);
    gateway.signal("TERM");
    assert_eq!(told(&manager), ["STOPPING=1"]);
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn sockets_of_a_service_manager_and_of_a_gateway_exclude_one_another() {
    let folder = Folder::new();
    let (socket, _) = listening_at(&folder);
    let refused = Folder::end_of_given(handed_to(&["serve", "--take-over"], &folder, socket));
    assert!(refused.failed(1).contains("leave one of the two out"));
}
