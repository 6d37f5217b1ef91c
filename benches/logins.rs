//! Logins and refreshes against what bounds them: the hash, and the durable commit of the store.
//!
//! `cargo bench --bench logins`; with `-- --test` everything runs once and briefly. Bounded in
//! time. Read the ratios: the figures themselves are this machine's.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up shall stop")]
#![expect(clippy::print_stdout, reason = "its result")]

mod common;
#[path = "common/disk.rs"]
mod disk;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use common::{PASSWORD, ask, connect, get, log_in, post, serve};
use disk::{Commits, Disk};
use portcullis::config::Config;
use portcullis::rooms::password::{PasswordSettings, Passwords};
use portcullis::store::RedbStore;
use portcullis::{Gateway, Secret};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients that refresh at once, where there are many.
const MANY: usize = 64;
/// How long an ordinary disk takes to have something for good: those of virtual machines often
/// only say so.
const SLOW: Duration = Duration::from_millis(4);
/// Connections of other requests while logins run.
const OTHERS: usize = 2;

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let span = Duration::from_millis(if test { 200 } else { 5000 });
    let rounds = if test { 1 } else { 5 };
    println!("{}; cargo bench --bench logins", common::machine());
    println!("median of {rounds} rounds of {span:?}, the store in a file\n");
    let folder = tempfile::tempdir().unwrap();
    logins(folder.path(), rounds, span);
    for flush in [Duration::ZERO, SLOW] {
        refreshes(folder.path(), rounds, span, flush);
    }
}

/// Logins a second beside what the hash alone allows, and what other requests wait meanwhile.
fn logins(folder: &Path, rounds: usize, span: Duration) {
    let gateway = gateway(folder, "logins", "");
    log_in(gateway, "ann");
    // Of somebody else: after a login the next request of its own user has to read the store.
    let (access, _) = log_in(gateway, "bob");
    let body = format!("{{\"username\": \"ann\", \"password\": \"{PASSWORD}\"}}");
    let login = post("/api/auth/token/", &body);
    let other = get("/orders/42", &format!("Authorization: Bearer {access}\r\n"));
    let settings = PasswordSettings::default();
    let at_once = settings.at_once.get();
    let clients = 32 * at_once;
    let hashing = Hashing::new(settings);
    let mut all = [const { Vec::new() }; 5];
    for _ in 0..rounds {
        let idle = p99(gateway, &other, span);
        // Beside the same other requests, so that both have as much of the machine.
        let (alone, beside) = thread::scope(|scope| {
            let others = scope.spawn(|| p99(gateway, &other, span));
            let alone = hashing.rate(clients, span);
            (alone, others.join().unwrap())
        });
        let running = Running::start(clients, move || connect(gateway), {
            let login = login.clone();
            move |stream| assert_eq!(ask(stream, &login).0, 200)
        });
        let busy = p99(gateway, &other, span);
        let rate = running.stop();
        for (kept, figure) in all.iter_mut().zip([alone, rate, idle, beside, busy]) {
            kept.push(figure);
        }
    }
    let [alone, rate, idle, beside, busy] = all.map(median);
    let at_once_is = f64::from(u32::try_from(at_once).unwrap());
    println!("| logins, {at_once} hashes at once, {clients} clients | figure | ratio |");
    println!("|---|---|---|");
    println!("| hashes alone, a second and core | {:.1} | 1.00 |", alone / at_once_is);
    println!("| logins, a second and core | {:.1} | {:.2} |", rate / at_once_is, rate / alone);
    println!("| p99 of other requests, idle, us | {idle:.0} | 1.00 |");
    println!(
        "| p99 of other requests beside hashes alone, us | {beside:.0} | {:.2} |",
        beside / idle
    );
    println!("| p99 of other requests while logins run, us | {busy:.0} | {:.2} |\n", busy / idle);
}

/// Refreshes a second beside the bare durable commits of the same disk, which takes `flush` longer
/// for each flush than this machine's.
fn refreshes(folder: &Path, rounds: usize, span: Duration, flush: Duration) {
    // The hash is not what is measured here.
    let cheap = "[auth.password]\nmemory = \"8KiB\"\npasses = 1\n";
    let name = |what: &str| folder.join(format!("{what}-{}.redb", flush.as_millis()));
    let store = RedbStore::with_backend(Disk::new(&name("refreshes"), flush)).unwrap();
    let gateway = start(folder, "unused", cheap, Some(Arc::new(store)));
    let mut tokens: Vec<String> =
        (0..MANY).map(|number| log_in(gateway, &format!("user{number}")).1).collect();
    let commits = Commits::new(&name("bare"), flush);
    let mut all = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let bare = rate(commits.done_in(span), span);
        let one = refresh(gateway, tokens.iter_mut().take(1), span);
        let many = refresh(gateway, tokens.iter_mut(), span);
        for (kept, figure) in all.iter_mut().zip([bare, one, many]) {
            kept.push(figure);
        }
    }
    let [bare, one, many] = all.map(median);
    println!("| refreshes, rotation on; each flush takes {flush:?} more | a second | ratio |");
    println!("|---|---|---|");
    println!("| durable commits alone, one after the other | {bare:.0} | 1.00 |");
    println!("| refreshes, 1 client | {one:.0} | {:.2} |", one / bare);
    println!("| refreshes, {MANY} clients | {many:.0} | {:.2} |\n", many / bare);
}

/// Exchanges each token for its successor again and again, each on a connection of its own.
fn refresh<'t>(
    gateway: SocketAddr,
    tokens: impl ExactSizeIterator<Item = &'t mut String>,
    span: Duration,
) -> f64 {
    let start = Barrier::new(tokens.len());
    let done: Vec<(usize, Duration)> = thread::scope(|scope| {
        let clients: Vec<_> = tokens
            .map(|token| {
                let start = &start;
                scope.spawn(move || {
                    let mut stream = connect(gateway);
                    start.wait();
                    let began = Instant::now();
                    let mut count = 0;
                    while began.elapsed() < span {
                        let body = format!("{{\"refresh\": \"{token}\"}}");
                        let request = post("/api/auth/token/refresh/", &body);
                        let (status, answer) = ask(&mut stream, &request);
                        assert_eq!(status, 200);
                        let pair: serde_json::Value = serde_json::from_slice(&answer).unwrap();
                        pair.get("refresh").unwrap().as_str().unwrap().clone_into(token);
                        count += 1;
                    }
                    (count, began.elapsed())
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    done.into_iter().map(|(count, took)| rate(count, took)).sum()
}

/// The 99th percentile of what a request waits, in microseconds.
fn p99(gateway: SocketAddr, request: &[u8], span: Duration) -> f64 {
    let mut waits: Vec<Duration> = thread::scope(|scope| {
        let asking: Vec<_> = (0..OTHERS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut stream, began) = (connect(gateway), Instant::now());
                    let mut waits = Vec::new();
                    while began.elapsed() < span {
                        let sent = Instant::now();
                        assert_eq!(ask(&mut stream, request).0, 200);
                        waits.push(sent.elapsed());
                        // As clients do: now and then, not all that there is room for.
                        thread::sleep(Duration::from_millis(1));
                    }
                    waits
                })
            })
            .collect();
        asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    waits.sort_unstable();
    waits.get(waits.len() * 99 / 100).copied().unwrap().as_secs_f64() * 1e6
}

/// Clients that do one thing again and again until they are stopped.
struct Running {
    over: Arc<AtomicBool>,
    began: Instant,
    clients: Vec<thread::JoinHandle<usize>>,
}

impl Running {
    fn start<S: 'static>(
        clients: usize,
        open: impl Fn() -> S + Clone + Send + 'static,
        work: impl Fn(&mut S) + Clone + Send + 'static,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (over, open, work) = (Arc::clone(&over), open.clone(), work.clone());
            thread::spawn(move || {
                let mut state = open();
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    work(&mut state);
                    count += 1;
                }
                count
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { over, began: Instant::now(), clients }
    }

    /// How often it was done, a second.
    fn stop(self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        let counts = self.clients.into_iter().map(|client| client.join().unwrap());
        let count = counts.sum();
        rate(count, self.began.elapsed())
    }
}

/// The hash of the gateway's own settings, and nothing around it.
struct Hashing {
    passwords: Arc<Passwords>,
    runtime: Arc<tokio::runtime::Runtime>,
    hash: portcullis::store::PasswordHash,
}

impl Hashing {
    fn new(settings: PasswordSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let passwords = Passwords::start(settings).unwrap();
        let hash = runtime.block_on(passwords.hash(Secret::from(PASSWORD.to_owned()))).unwrap();
        Self { passwords: Arc::new(passwords), runtime: Arc::new(runtime), hash }
    }

    fn rate(&self, clients: usize, span: Duration) -> f64 {
        let (passwords, runtime) = (Arc::clone(&self.passwords), Arc::clone(&self.runtime));
        let hash = self.hash.clone();
        let running = Running::start(
            clients,
            || (),
            move |()| {
                let password = Secret::from(PASSWORD.to_owned());
                assert!(runtime.block_on(passwords.verify(password, Some(hash.clone()))).unwrap());
            },
        );
        thread::sleep(span);
        running.stop()
    }
}

fn rate(count: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

/// A gateway with its store in a file, before the tiny upstream.
fn gateway(folder: &Path, name: &str, more: &str) -> SocketAddr {
    start(folder, name, more, None)
}

/// The same with another store, if one is given.
fn start(folder: &Path, name: &str, more: &str, store: Option<Arc<RedbStore>>) -> SocketAddr {
    let upstream = common::upstream();
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\n[upstreams]\nbare.to = \"http://{upstream}\"\n\
         [routes]\n\"/*\".to = \"bare\"\n[store]\npath = \"{name}.redb\"\n\
         [auth.throttle]\naccount = \"off\"\naddress = \"off\"\nregister = \"off\"\n{more}"
    );
    let config = Config::parse("bench.toml", &text, folder).unwrap().config;
    let builder = Gateway::builder(config).ephemeral_keys();
    serve(match store {
        Some(store) => builder.store(store),
        None => builder,
    })
}
