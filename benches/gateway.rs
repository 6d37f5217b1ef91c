//! What the gateway adds to a request: a real one on loopback, before a tiny upstream, compared
//! with that upstream alone.
//!
//! `cargo bench --bench gateway`; with `-- --test` everything runs once and briefly. Bounded in
//! requests and in time. Read the ratios: the figures themselves are this machine's.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up shall stop")]
#![expect(clippy::print_stdout, reason = "its result")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{ask, connect, get, log_in, serve};
use portcullis::Gateway;
use portcullis::config::Config;
use portcullis::store::{RedbStore, Store};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections that ask at once.
const CONNECTIONS: usize = 8;
/// A measurement ends after this, however few requests it had.
const LONGEST: Duration = Duration::from_secs(10);
fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let (rounds, requests) = if test { (1, 20) } else { (5, 4000) };
    let upstream = common::upstream();
    let gateway = gateway(upstream);
    let (token, _) = log_in(gateway, "ann");
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
    println!("{}; cargo bench --bench gateway", common::machine());
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

/// The whole gateway with one worker, which runs as long as the bench does.
fn gateway(upstream: SocketAddr) -> SocketAddr {
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[upstreams]\nbare.to = \"http://{upstream}\"\n\
         [routes]\n\"/*\".to = \"bare\"\n\"/public/*\" = {{ to = \"bare\", allow = \"anyone\" }}\n"
    );
    let config = Config::parse("bench.toml", &text, Path::new("")).unwrap().config;
    let store = Arc::new(RedbStore::in_memory().unwrap());
    serve(Gateway::builder(config).store(store as Arc<dyn Store>).ephemeral_keys())
}
