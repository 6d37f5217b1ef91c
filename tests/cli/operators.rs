//! The operators' door over the network, and the end of a gateway that a balancer watches.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Folder, Gateway};

const TOKEN: &str = "aee4f4a7b1d64a0e9c0d1f2b3a4c5d6e";

const GET_A: &str = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn start(more: &str) -> (Folder, Gateway, String) {
    let folder = Folder::new();
    folder.write("token", &format!("{TOKEN}\n"));
    folder.write(
        "portcullis.toml",
        &format!(
            "[upstreams]\necho = {{ whoami = true }}\n\
             [routes]\n\"/a\" = {{ to = \"echo\", allow = \"anyone\" }}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken = {{ file = \"token\" }}\n{more}"
        ),
    );
    let mut gateway = folder.serve();
    let line = gateway.out_line("operators at http://");
    (folder, gateway, line.trim_start_matches("operators at http://").to_owned())
}

fn ask(addr: &str, request: &str, token: bool) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    let bearer = if token { format!("Authorization: Bearer {TOKEN}\r\n") } else { String::new() };
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{bearer}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn metrics_and_commands_are_for_those_who_have_the_token() {
    let (folder, gateway, admin) = start("");
    assert!(gateway.ask(GET_A).starts_with("HTTP/1.1 200 "));
    assert!(ask(&admin, "GET /metrics", false).starts_with("HTTP/1.1 401 "));
    let metrics = ask(&admin, "GET /metrics", true);
    assert!(metrics.contains("application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(metrics.contains("portcullis_requests_total{route=\"/a\",class=\"2xx\"} 1\n"));
    let add = r#"{"command": "user-add", "name": "alice", "email": "", "roles": []}"#;
    assert!(ask(&admin, &format!("POST /v1/command\n{add}"), false).starts_with("HTTP/1.1 401 "));
    let done = ask(&admin, &format!("POST /v1/command\n{add}"), true);
    assert!(done.starts_with("HTTP/1.1 200 "), "{done}");
    assert!(folder.run(&["user", "show", "alice"]).done().contains("alice"));
    let record = folder.run(&["audit", "tail", "-n", "50"]).done();
    let line = record.lines().find(|line| line.contains("user.added")).unwrap();
    assert!(line.contains("operator") && line.contains("127.0.0.1"), "{line}");
    // The main listener has none of it.
    assert!(gateway.ask(&GET_A.replace("/a", "/metrics")).starts_with("HTTP/1.1 404 "));
}

#[test]
fn readiness_goes_before_the_listeners_do() {
    let (_folder, mut gateway, admin) = start("[limits]\ndrain_delay = \"2s\"\n");
    assert!(ask(&admin, "GET /readyz", false).starts_with("HTTP/1.1 200 "));
    gateway.signal("TERM");
    gateway.log_line("draining");
    let told = ask(&admin, "GET /readyz", false);
    assert!(told.starts_with("HTTP/1.1 503 ") && told.ends_with("{\"ready\":false}"), "{told}");
    assert!(ask(&admin, "GET /healthz", false).starts_with("HTTP/1.1 200 "));
    // Whoever has not noticed yet is served.
    assert!(gateway.ask(GET_A).starts_with("HTTP/1.1 200 "));
    assert_eq!(gateway.wait(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let folder = Folder::new();
    folder.write("token", TOKEN);
    let admin = format!("[admin]\nlisten = \"{addr}\"\ntoken = {{ file = \"token\" }}\n");
    folder.write("portcullis.toml", &admin);
    let ran = folder.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains(&format!("[admin] listen: cannot listen at {addr}")), "{}", ran.err);
}
