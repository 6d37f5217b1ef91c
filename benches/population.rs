//! A store with many users: how long it takes to fill and to start, to read one of them, and what
//! memory that costs. `cargo bench --bench population [-- USERS]`, a million if none is said.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints what it measured, or fails"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis::clock::Timestamp;
use portcullis::identity::UserId;
use portcullis::store::{
    MovingStore, Numbers, OpenMode, PasswordHash, RedbStore, SessionRef, Store, Trial, User,
    WholeUser,
};
use portcullis::{Config, Gateway};

const USERS: u64 = 1_000_000;
const BATCH: u64 = 2000;
const READS: usize = 20_000;
const HASH: &str =
    "pbkdf2_sha256$1000000$Rk8SR0o0Ugq9CitIP3stOs$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI=";

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let said = std::env::args().find_map(|argument| argument.parse().ok());
    let wanted = if test { 3000 } else { said.unwrap_or(USERS) };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(measure(folder.path(), wanted));
}

async fn measure(folder: &Path, wanted: u64) {
    let path = folder.join("portcullis.redb");
    let before = resident();
    let begun = Instant::now();
    let store = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap();
    let mut next = 1;
    while next <= wanted {
        let last = wanted.min(next + BATCH - 1);
        store.take_users((next..=last).map(user).collect(), Trial::Real).await.unwrap();
        next = last + 1;
    }
    drop(store);
    let size = std::fs::metadata(&path).unwrap().len() >> 20;
    println!("{wanted} users filled in {:.1?}: {size} MiB", begun.elapsed());

    let begun = Instant::now();
    let config = Config::built_in(folder).unwrap().config;
    let gateway = Gateway::builder(config).build().unwrap();
    println!("the gateway is ready after {:.1?}", begun.elapsed());
    drop(gateway);

    let begun = Instant::now();
    let store = RedbStore::open(&path, OpenMode::Existing).unwrap();
    println!("the store opens in {:.1?}", begun.elapsed());
    assert_eq!(store.numbers(Numbers::default()).await.unwrap().users, wanted);
    println!("memory before {before} MiB, with the store open {} MiB", resident());
    for round in ["cold", "warm"] {
        let mut times = read(&store, wanted).await;
        times.sort_unstable();
        let at = |part: usize| times.get(READS * part / 100).copied().unwrap_or_default();
        println!(
            "a user with its session, {round}: median {:.1?}, p99 {:.1?}; memory {} MiB",
            at(50),
            at(99),
            resident()
        );
    }
}

/// What an access token costs when it is first seen: the read that `profile/` stands on.
async fn read(store: &RedbStore, wanted: u64) -> Vec<Duration> {
    let mut times = Vec::with_capacity(READS);
    let mut seed = 88_172_645_463_325_252_u64;
    for _ in 0..READS {
        // Xorshift: spread over all users, and the same in each run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let id = UserId(1 + seed % wanted);
        let begun = Instant::now();
        let standing = store.standing(id, SessionRef::Foreign("none")).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(standing.user.unwrap().id, id);
    }
    times
}

fn user(number: u64) -> WholeUser {
    let user = User {
        id: UserId(number),
        username: format!("user{number}"),
        email: format!("user{number}@example.com"),
        email_verified: true,
        password: Some(PasswordHash::new(HASH.to_owned())),
        active: true,
        roles: vec!["editor".to_owned()],
        inherited: Vec::new(),
        groups: Vec::new(),
        claims: BTreeMap::new(),
        created: Timestamp::from_secs(1_800_000_000),
        last_login: None,
        password_mark: None,
        logout_mark: None,
    };
    WholeUser { user, key: None, keys: Vec::new(), factors: None, sessions: Vec::new() }
}

/// Memory of this process, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() >> 10
}
