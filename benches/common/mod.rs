//! What the benches that speak HTTP share: a tiny client, a tiny upstream, a gateway that runs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use portcullis::rooms::server::ListenAddr;
use portcullis::{Builder, ServeError};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn get(path: &str, more: &str) -> Vec<u8> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: gate.test\r\nAccept: */*\r\n{more}\r\n");
    head.into_bytes()
}

pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    head.into_bytes()
}

pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One request and its whole answer, which has a `Content-Length`: status and body.
pub(crate) fn ask(stream: &mut TcpStream, request: &[u8]) -> (u16, Vec<u8>) {
    stream.write_all(request).unwrap();
    let mut seen = Vec::with_capacity(1024);
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the connection was closed");
        seen.extend(buffer.iter().take(read));
        let Some(end) = end_of_head(&seen) else { continue };
        let body = seen.split_off(end);
        let head = String::from_utf8(seen).unwrap().to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        return (status, rest(stream, body, length));
    }
}

fn rest(stream: &mut TcpStream, mut body: Vec<u8>, length: usize) -> Vec<u8> {
    let missing = u64::try_from(length - body.len()).unwrap();
    stream.take(missing).read_to_end(&mut body).unwrap();
    body
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// A server of one fixed answer: as little work as a server can do, a thread a connection.
pub(crate) fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // A client that goes away ends its thread.
            thread::spawn(move || drop(reply(stream)));
        }
    });
    addr
}

fn reply(mut stream: TcpStream) -> io::Result<()> {
    let mut answer = b"HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n\
        Content-Type: text/plain\r\nContent-Length: 128\r\n\r\n"
        .to_vec();
    answer.extend([b'x'; 128]);
    stream.set_nodelay(true)?;
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        seen.extend(buffer.iter().take(read));
        while let Some(end) = end_of_head(&seen) {
            seen.drain(..end);
            stream.write_all(&answer)?;
        }
    }
}

/// Serves in the background, for as long as the bench runs.
pub(crate) fn serve(builder: Builder) -> SocketAddr {
    let mut gateway = builder.build().unwrap();
    gateway.bind().unwrap();
    let addr = gateway.listeners().find_map(|listener| match listener.addr {
        ListenAddr::Tcp(addr) => Some(addr),
        ListenAddr::Unix(_) => None,
    });
    thread::spawn(move || -> Result<(), ServeError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(gateway.run(std::future::pending()))
    });
    addr.unwrap()
}

/// What everybody here logs in with.
pub(crate) const PASSWORD: &str = "a long passphrase";

/// Registers somebody and logs in, as a client would: access and refresh token.
pub(crate) fn log_in(gateway: SocketAddr, name: &str) -> (String, String) {
    let body = format!("{{\"username\": \"{name}\", \"password\": \"{PASSWORD}\"}}");
    let mut stream = connect(gateway);
    let (status, _) = ask(&mut stream, &post("/api/auth/register/", &body));
    assert_eq!(status, 201);
    let (status, answer) = ask(&mut stream, &post("/api/auth/token/", &body));
    assert_eq!(status, 200);
    let pair: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let text = |key| pair.get(key).and_then(|token| token.as_str()).unwrap().to_owned();
    (text("access"), text("refresh"))
}

/// What it ran on.
pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = named.map_or("processor unknown", |(_, name)| name);
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cpu}, {cores} cores, {system} {processor}")
}
