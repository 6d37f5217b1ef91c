//! What the gateway adds to a request: a real one on loopback, before a tiny upstream, compared
//! with that upstream alone.
//!
//! `cargo bench --bench gateway`; with `-- --test` everything runs once and briefly. Bounded in
//! requests and in time. Read the ratios: the figures themselves are this machine's.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up shall stop")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use portcullis::config::Config;
use portcullis::server::ListenAddr;
use portcullis::store::{RedbStore, Store};
use portcullis::{Gateway, ServeError};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections that ask at once.
const CONNECTIONS: usize = 8;
/// A measurement ends after this, however few requests it had.
const LONGEST: Duration = Duration::from_secs(10);
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let (rounds, requests) = if test { (1, 20) } else { (5, 4000) };
    let upstream = upstream();
    let gateway = gateway(upstream);
    let token = token(gateway);
    let cases = [
        ("bare upstream", upstream, get("/orders/42", "")),
        ("public route", gateway, get("/public/42", "")),
        ("with a token", gateway, get("/orders/42", &format!("Authorization: Bearer {token}\r\n"))),
    ];
    for (_, addr, request) in &cases {
        measure(*addr, request, requests / 20);
    }
    // In turn, so that what else the machine does meets all of them alike.
    let mut all: Vec<Vec<Figures>> = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, addr, request), figures) in cases.iter().zip(&mut all) {
            figures.push(measure(*addr, request, requests));
        }
    }
    println!("{}", machine());
    println!(
        "GET, 128 bytes, HTTP/1.1 keep-alive, {CONNECTIONS} connections, 1 worker, \
         median of {rounds} rounds of {requests} requests a connection\n"
    );
    println!("| case | requests/s | x bare | p50 us | x bare | p99 us | x bare |");
    println!("|---|---|---|---|---|---|---|");
    let bare = Figures::median(all.first().unwrap());
    for ((name, ..), figures) in cases.iter().zip(&all) {
        Figures::median(figures).print(name, &bare);
    }
}

/// What one measurement found.
#[derive(Clone, Copy)]
struct Figures {
    a_second: f64,
    half: f64,
    most: f64,
}

impl Figures {
    fn median(all: &[Self]) -> Self {
        let middle = |of: fn(&Self) -> f64| {
            let mut values: Vec<f64> = all.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap()
        };
        Self {
            a_second: middle(|one| one.a_second),
            half: middle(|one| one.half),
            most: middle(|one| one.most),
        }
    }

    fn print(&self, name: &str, bare: &Self) {
        let Self { a_second, half, most } = self;
        println!(
            "| {name} | {a_second:.0} | {:.2} | {half:.0} | {:.2} | {most:.0} | {:.2} |",
            a_second / bare.a_second,
            half / bare.half,
            most / bare.most
        );
    }
}

/// Asks for the same thing on every connection, one request after the other.
fn measure(addr: SocketAddr, request: &[u8], requests: usize) -> Figures {
    let start = Arc::new(Barrier::new(CONNECTIONS + 1));
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (request, start) = (request.to_vec(), Arc::clone(&start));
            let mut stream = connect(addr);
            thread::spawn(move || {
                start.wait();
                let began = Instant::now();
                let mut waits = Vec::with_capacity(requests);
                while waits.len() < requests.max(1) && began.elapsed() < LONGEST {
                    let sent = Instant::now();
                    let (status, _) = ask(&mut stream, &request);
                    assert_eq!(status, 200);
                    waits.push(sent.elapsed());
                }
                waits
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    let mut waits: Vec<Duration> =
        asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let took = began.elapsed();
    waits.sort_unstable();
    let micros = |percent: usize| {
        waits.get(waits.len() * percent / 100).copied().unwrap().as_secs_f64() * 1e6
    };
    let count = u32::try_from(waits.len()).unwrap();
    Figures { a_second: f64::from(count) / took.as_secs_f64(), half: micros(50), most: micros(99) }
}

fn get(path: &str, more: &str) -> Vec<u8> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: gate.test\r\nAccept: */*\r\n{more}\r\n");
    head.into_bytes()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// One request and its whole answer, which has a `Content-Length`: status and body.
fn ask(stream: &mut TcpStream, request: &[u8]) -> (u16, Vec<u8>) {
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
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // A client that goes away ends its thread.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    addr
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
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

/// The whole gateway with one worker, which runs as long as the bench does.
fn gateway(upstream: SocketAddr) -> SocketAddr {
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[upstreams]\nbare.to = \"http://{upstream}\"\n\
         [routes]\n\"/*\".to = \"bare\"\n\"/public/*\" = {{ to = \"bare\", allow = \"anyone\" }}\n"
    );
    let config = Config::parse("bench.toml", &text, Path::new("")).unwrap().config;
    let store = Arc::new(RedbStore::in_memory().unwrap());
    let builder = Gateway::builder(config).store(store as Arc<dyn Store>).ephemeral_keys();
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

/// Registers somebody and logs in, as a client would.
fn token(gateway: SocketAddr) -> String {
    let post = |path: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let (status, answer) = ask(&mut connect(gateway), request.as_bytes());
        assert!(matches!(status, 200 | 201), "{status}");
        serde_json::from_slice::<serde_json::Value>(&answer).unwrap()
    };
    let password = r#""username": "ann", "password": "a long passphrase""#;
    post("/api/auth/register/", &format!("{{{password}, \"email\": \"ann@example.com\"}}"));
    let pair = post("/api/auth/token/", &format!("{{{password}}}"));
    pair.get("access").and_then(|token| token.as_str()).unwrap().to_owned()
}

/// What it ran on, and how to run it again.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = named.map_or("processor unknown", |(_, name)| name);
    let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{cpu}, {cores} cores, {system} {processor}; cargo bench --bench gateway")
}
