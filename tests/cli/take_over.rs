//! One process takes the place of another, and nobody who is connected notices.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Folder, Gateway, ask_at};

/// A folder with a policy for one address, and the upstream that it has.
struct Stage {
    folder: Folder,
    upstream: TcpListener,
    address: String,
}

/// A response that goes on, as its client and its upstream see it.
struct Stream {
    client: BufReader<TcpStream>,
    server: TcpStream,
}

impl Stage {
    fn new() -> Self {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        // Free again at once: the next process finds the same policy.
        let address = socket().local_addr().unwrap().to_string();
        let stage = Self { folder: Folder::new(), upstream: socket(), address };
        stage.write("");
        stage.folder.add("alice").done();
        stage.folder.add("bob").done();
        stage
    }

    /// The policy, with more tables.
    fn write(&self, more: &str) {
        let (address, upstream) = (&self.address, self.upstream.local_addr().unwrap());
        let policy = format!(
            "listen = [\"{address}\"]\nworkers = 2\n[admin]\nwatch = false\n[upstreams]\n\
             up = {{ to = \"http://{upstream}\" }}\nme = {{ whoami = true }}\n[routes]\n\
             \"/*\" = {{ to = \"me\" }}\n\"/live/*\" = {{ to = \"up\" }}\n\
             \"/ws/*\" = {{ to = \"up\", websocket = true }}\n{more}"
        );
        self.folder.write("portcullis.toml", &policy);
    }

    /// The first process.
    fn first(&self) -> Gateway {
        self.folder.serve_as_written()
    }

    fn take_over(&self) -> Gateway {
        Folder::start_as(self.folder.command(&["serve", "--take-over"]))
    }

    /// Opens something that goes on.
    fn open(&self, gateway: &Gateway, head: &str, answer: &str) -> Stream {
        let mut client = BufReader::new(TcpStream::connect(&gateway.address).unwrap());
        client.get_mut().write_all(head.as_bytes()).unwrap();
        let (mut server, _) = self.upstream.accept().unwrap();
        read_head(&mut BufReader::new(&mut server));
        server.write_all(answer.as_bytes()).unwrap();
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 101"), "{head}");
        Stream { client, server }
    }

    fn events(&self, gateway: &Gateway, token: &str) -> Stream {
        let head =
            format!("GET /live/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";
        self.open(gateway, &head, answer)
    }

    fn websocket(&self, gateway: &Gateway, token: &str) -> Stream {
        let head = format!(
            "GET /ws/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        self.open(gateway, &head, answer)
    }
}

fn read_head(from: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(from.read_line(&mut head).unwrap() > 0, "cut off: {head:?}");
    }
    head
}

impl Stream {
    /// Whether what the upstream sends still comes.
    fn is_live(&mut self, sent: &[u8]) {
        self.server.write_all(sent).unwrap();
        let mut got = vec![0; sent.len()];
        self.client.read_exact(&mut got).unwrap();
        assert_eq!(got, sent);
    }

    /// What comes before the end.
    fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset says the same.
        drop(self.client.read_to_end(&mut rest));
        rest
    }
}

const CHUNK: &[u8] = b"5\r\ndata:\r\n";
const FRAME: &[u8] = b"\x81\x02hi";

#[track_caller]
fn serves(gateway: &Gateway, token: &str) {
    let answer = gateway.get("/x", token);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn log_out(gateway: &Gateway, token: &str) {
    let answer = gateway.ask(&format!(
        "POST /api/auth/logout/all/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[test]
fn what_is_live_goes_on_until_its_user_may_not_and_then_the_old_process_ends() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    let [bob, refresh] = old.log_in("bob");
    let mut events = stage.events(&old, &alice);
    let mut socket = stage.websocket(&old, &bob);
    let new = stage.take_over();
    assert_eq!(new.address, old.address);
    old.log_line("another process has taken over");
    // Whoever was logged in is, and the store and the operator's door are the new one's.
    serves(&new, &alice);
    new.log_in("alice");
    assert!(stage.folder.run(&["session", "list", "alice"]).done().lines().count() >= 2);
    // A refresh is no reason to end what its session has open.
    let refreshed = new.post("token/refresh/", &format!(r#"{{"refresh": "{refresh}"}}"#));
    assert!(refreshed.starts_with("HTTP/1.1 200"), "{refreshed}");
    events.is_live(CHUNK);
    socket.is_live(FRAME);
    assert!(old.is_running());

    log_out(&new, &alice);
    // An event stream ends properly, so that its client comes again.
    assert_eq!(events.rest(), b"0\r\n\r\n");
    socket.is_live(FRAME);
    assert!(old.is_running());
    stage.folder.run(&["user", "deactivate", "bob"]).done();
    // 1008: the policy has changed (RFC 6455 section 7.4.1).
    let rest = socket.rest();
    assert_eq!(rest.get(..4), Some(&[0x88, rest[1], 0x03, 0xf0][..]), "{rest:?}");
    assert_eq!(old.wait(), Some(0));
}

#[test]
fn changes_reach_the_first_of_three_processes() {
    let stage = Stage::new();
    let mut first = stage.first();
    let [alice, _] = first.log_in("alice");
    let mut events = stage.events(&first, &alice);
    let mut second = stage.take_over();
    let third = stage.take_over();
    second.log_line("another process has taken over");
    events.is_live(CHUNK);
    serves(&third, &alice);
    assert!(first.is_running() && second.is_running());
    log_out(&third, &alice);
    assert_eq!(events.rest(), b"0\r\n\r\n");
    // The second had nothing of its own left, and was there for the first.
    assert_eq!((first.wait(), second.wait()), (Some(0), Some(0)));
}

#[test]
fn nothing_is_live_where_nobody_would_hear_of_changes() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    let mut socket = stage.websocket(&old, &alice);
    let mut new = stage.take_over();
    // Before it knows that, it would begin again in the place of one that fails.
    old.log_line("another process has taken over");
    socket.is_live(FRAME);
    new.signal("KILL");
    new.wait();
    // 1001: going away.
    let rest = socket.rest();
    assert_eq!(rest.get(..4), Some(&[0x88, rest[1], 0x03, 0xe9][..]), "{rest:?}");
    assert_eq!(old.wait(), Some(0));
}

#[test]
fn under_another_policy_nothing_of_the_old_one_goes_on() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    let socket = stage.websocket(&old, &alice);
    stage.write("\"/more\" = { to = \"me\", allow = \"anyone\" }\n");
    let new = stage.take_over();
    let rest = socket.rest();
    assert_eq!(rest.get(..4), Some(&[0x88, rest[1], 0x03, 0xe9][..]), "{rest:?}");
    assert_eq!(old.wait(), Some(0));
    serves(&new, &alice);
}

#[test]
fn a_signal_ends_what_was_left_to_the_old_process() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    let socket = stage.websocket(&old, &alice);
    let new = stage.take_over();
    old.log_line("another process has taken over");
    old.signal("TERM");
    assert_eq!(old.wait(), Some(0));
    assert!(!socket.rest().is_empty());
    serves(&new, &alice);
}

#[test]
fn where_the_new_process_fails_the_old_one_goes_on() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    // In the very file that the old one has.
    std::fs::create_dir(stage.folder.file("folder")).unwrap();
    stage.write("[audit]\npath = \"folder\"\n");
    let failed = stage.folder.run(&["serve", "--take-over"]);
    let said = failed.failed(1);
    assert!(said.contains("folder"), "{said}");
    old.log_line("this one starts again");
    old.out_line("listening on http://");
    serves(&old, &alice);
    let [again, _] = old.log_in("alice");
    serves(&old, &again);
    stage.folder.run(&["health"]).done();

    // And it can be taken over by one that is better.
    stage.write("");
    let new = stage.take_over();
    serves(&new, &again);
    assert_eq!(old.wait(), Some(0));
}

#[test]
fn a_process_that_cannot_begin_leaves_the_old_one_alone() {
    let stage = Stage::new();
    let mut old = stage.first();
    let [alice, _] = old.log_in("alice");
    let mut socket = stage.websocket(&old, &alice);
    stage.folder.write("broken.toml", "listen = 7\n");
    let broken = stage.folder.run(&["--config", "broken.toml", "serve", "--take-over"]);
    assert!(broken.failed(1).contains("broken.toml:1:"));
    socket.is_live(FRAME);
    serves(&old, &alice);
    drop(socket);
    // Without the flag it is as ever: the store is in use.
    let other = stage.folder.run(&["serve"]);
    assert!(other.err.contains("in use"), "{other:?}");
    old.signal("TERM");
    assert_eq!(old.wait(), Some(0));
}

#[test]
fn where_none_runs_it_is_an_ordinary_start() {
    let stage = Stage::new();
    let mut gateway = stage.take_over();
    gateway.log_line("no gateway runs at the admin socket");
    gateway.log_in("alice");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn over_the_network_nobody_is_handed_anything() {
    let folder = Folder::new();
    let token = "0123456789abcdef0123456789abcdef";
    folder.write(
        "portcullis.toml",
        &format!(
            "listen = [\"127.0.0.1:0\"]\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{token}\"\n"
        ),
    );
    let mut gateway = folder.serve_as_written();
    let door = gateway.out_line("operators at http://");
    let answer = ask_at(
        door.trim_start_matches("operators at http://"),
        &format!(
            "POST /v1/take-over HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Connection: upgrade\r\nUpgrade: portcullis-take-over/1\r\n\r\n"
        ),
    );
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait(), Some(0));
}
