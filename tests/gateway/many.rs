//! Three gateways on one PostgreSQL: what one of them changes, the others know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::Secret;
use portcullis::rooms::tls::{Roots, certificates};
use portcullis::store::{
    GroupChange, OpenMode, PostgresSettings, PostgresStore, Store, UserChange,
};
use serde_json::json;

use super::websocket;
use crate::common::{Conn, Policy, SECRET, Setup, Stage, Upstream, claims, mint, soon};
use crate::postgres::{Bouncer, Cluster, patient};

const TABLES: &str = "[auth.keys]\n[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n\
                      [routes.\"/events/*\"]\nto = \"up\"\ntickets = true\n\
                      [routes.\"/other-events/*\"]\nto = \"up\"\ntickets = true\n\
                      [routes.\"/vault/*\"]\nto = \"up\"\nallow = \"mfa\"\n";

/// Keys that are shared by the store.
pub(super) fn ring() -> String {
    format!(
        "algorithm = \"HS256\"\nsecret = \"{SECRET}\"\nshared = \"the ring of all of them, {SECRET}\""
    )
}

/// Opens a store, which blocks until the database has answered.
pub(super) async fn open(settings: PostgresSettings) -> Arc<dyn Store> {
    let opened = tokio::task::spawn_blocking(move || {
        PostgresStore::open(&settings, OpenMode::CreateIfMissing)
    });
    Arc::new(opened.await.unwrap().unwrap())
}

/// Gateways, each with an upstream and connections to the database of its own.
pub(super) struct Many {
    pub(super) stages: Vec<Stage>,
    pub(super) cluster: Cluster,
    bouncer: Option<Bouncer>,
}

impl Many {
    /// Each has its own way to the database: a socket, TLS, and a pool that wakes nobody.
    pub(super) async fn start() -> Self {
        Self::with("").await
    }

    /// The same with keys before all tables.
    pub(super) async fn with(top: &str) -> Self {
        let cluster = Cluster::start();
        let database = cluster.database().await;
        let authority = std::fs::read(cluster.authority()).unwrap();
        let roots = Roots::Only(certificates(&authority).unwrap());
        let bouncer = Bouncer::before(&cluster);
        let ways = vec![
            cluster.settings(&database),
            patient(&cluster.url(&database)).trusting(roots),
            bouncer.settings(&database),
        ];
        let policy = |policy: Policy, _| policy.top(top).and(TABLES).signing(&ring());
        let mut many = Self::lasting(cluster, ways, policy).await;
        many.bouncer = Some(bouncer);
        many
    }

    /// With a way to the database and a policy for each.
    pub(super) async fn over(
        cluster: Cluster,
        ways: Vec<PostgresSettings>,
        policy: impl Fn(Policy, usize) -> Policy,
    ) -> Self {
        Self::made(cluster, ways, policy, |setup| setup).await
    }

    /// The same with keys that last.
    pub(super) async fn lasting(
        cluster: Cluster,
        ways: Vec<PostgresSettings>,
        policy: impl Fn(Policy, usize) -> Policy,
    ) -> Self {
        Self::made(cluster, ways, policy, Setup::keeps_keys).await
    }

    async fn made(
        cluster: Cluster,
        ways: Vec<PostgresSettings>,
        policy: impl Fn(Policy, usize) -> Policy,
        keys: impl Fn(Setup) -> Setup,
    ) -> Self {
        let mut stages: Vec<Stage> = Vec::new();
        for (number, way) in ways.into_iter().enumerate() {
            let upstream = Upstream::start().await;
            let store = open(way).await;
            let policy = policy(Policy::to(&upstream), number);
            let setup = keys(Setup::new(&policy).over(store));
            stages.push(match stages.first() {
                None => Stage::of(upstream, setup).await,
                Some(first) => Stage {
                    gateway: setup.start().await,
                    upstream,
                    alice: first.alice.clone(),
                    token: first.token.clone(),
                },
            });
        }
        Self { stages, cluster, bouncer: None }
    }

    /// A login of alice's at the first one, that all have seen.
    pub(super) async fn logged_in(&self) -> (String, String) {
        let (access, refresh) = self.stages[0].log_in("alice").await;
        for stage in &self.stages {
            for _ in 0..2 {
                assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
            }
        }
        (access, refresh)
    }

    pub(super) async fn finish(self) {
        for stage in self.stages {
            stage.finish().await;
        }
        drop((self.bouncer, self.cluster));
    }
}

/// Asks until that is the answer.
pub(super) async fn comes_to(
    stage: &Stage,
    path: &str,
    token: &str,
    status: u16,
    code: Option<&str>,
) {
    let answer = async {
        loop {
            let reply = stage.get_as(path, token).await;
            if reply.status == status {
                assert!(code.is_none_or(|code| reply.json()["code"] == code), "{reply:?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(&format!("{status} at {path}"), answer).await;
}

/// All of them answer so, as soon as they have heard.
async fn all_come_to(many: &Many, path: &str, token: &str, status: u16, code: Option<&str>) {
    for stage in &many.stages {
        comes_to(stage, path, token, status, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gateway_ends_has_ended_at_the_others() {
    let many = Many::start().await;
    let (access, refresh) = many.logged_in().await;
    let (other, _) = many.logged_in().await;
    let out = json!({ "refresh": refresh });
    let reply = many.stages[1].post("/api/auth/token/blacklist/", &out).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    all_come_to(&many, "/app/x", &access, 401, Some("token_not_valid")).await;
    all_come_to(&many, "/app/x", &other, 200, None).await;

    // A spent refresh token that comes again ends its session, wherever that is.
    let (access, refresh) = many.logged_in().await;
    let renew = |number: usize, token: String| {
        let stage = &many.stages[number];
        async move { stage.post("/api/auth/token/refresh/", &json!({ "refresh": token })).await }
    };
    assert_eq!(renew(0, refresh.clone()).await.status, 200);
    for stage in &many.stages {
        stage.gateway.clock().advance(Duration::from_secs(60));
    }
    assert_eq!(renew(2, refresh).await.status, 401);
    all_come_to(&many, "/app/x", &access, 401, Some("token_not_valid")).await;

    let password = Secret::from("another horse battery".to_owned());
    let alice = many.stages[0].alice.id;
    assert!(many.stages[2].gateway.accounts.set_password(alice, password).await.unwrap());
    all_come_to(&many, "/app/x", &other, 401, Some("password_changed")).await;
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_groups_keys_and_accounts_are_everywhere_what_they_are_anywhere() {
    let many = Many::start().await;
    let (access, _) = many.logged_in().await;
    let alice = many.stages[0].alice.id;
    // By a store alone, as a command has it that finds no gateway.
    let store = Arc::clone(many.stages[1].gateway.store());
    let change = async |change| assert!(store.change_user(alice, change).await.unwrap().is_some());
    all_come_to(&many, "/admin-area/x", &access, 403, None).await;
    change(UserChange::AddRole("admin".to_owned())).await;
    all_come_to(&many, "/admin-area/x", &access, 200, None).await;
    change(UserChange::RemoveRole("admin".to_owned())).await;
    all_come_to(&many, "/admin-area/x", &access, 403, None).await;

    store.create_group("staff").await.unwrap().unwrap();
    change(UserChange::JoinGroup("staff".to_owned())).await;
    let gives = GroupChange::AddRole("admin".to_owned());
    store.change_group("staff", gives).await.unwrap().unwrap();
    all_come_to(&many, "/admin-area/x", &access, 200, None).await;
    assert!(store.delete_group("staff").await.unwrap());
    all_come_to(&many, "/admin-area/x", &access, 403, None).await;

    let name = json!({ "name": "k" });
    let made = many.stages[0].ask("POST", "keys/", Some(&access), Some(&name)).await.json();
    let key = made["key"].as_str().unwrap();
    all_come_to(&many, "/app/x", key, 200, None).await;
    assert!(store.remove_key(alice, made["id"].as_u64().unwrap()).await.unwrap());
    all_come_to(&many, "/app/x", key, 401, Some("api_key_not_valid")).await;

    change(UserChange::Active(false)).await;
    all_come_to(&many, "/app/x", &access, 401, Some("user_inactive")).await;
    change(UserChange::Active(true)).await;
    all_come_to(&many, "/app/x", &access, 200, None).await;
    assert!(store.delete_user(alice).await.unwrap());
    all_come_to(&many, "/app/x", &access, 401, Some("user_not_found")).await;
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_stream_ends_with_what_another_gateway_ends() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let upstream = Upstream::by_hand().await;
    let policy = Policy::to(&upstream).and(TABLES);
    let setup = Setup::new(&policy).over(open(cluster.settings(&database)).await);
    let stage = Stage::of(upstream, setup).await;
    let (mut client, mut server): (Conn, Conn) = websocket::open(&stage, &stage.token).await;
    websocket::talk(&mut client, &mut server).await;
    let elsewhere = open(cluster.settings(&database)).await;
    elsewhere.change_user(stage.alice.id, UserChange::Active(false)).await.unwrap();
    soon("the end", client.rest()).await;
    websocket::end(stage).await;
}

/// What to revoke where the figures of `benches/RESULTS.md` are wanted (`benches/revocations.sh`).
const REVOCATIONS: &str = "PORTCULLIS_REVOCATIONS";

/// Revoked one after the other by each of so many at once.
const LANES: usize = 8;

/// How long it takes until a revocation is known at the other gateways: at those that the database wakes,
/// and at the one that it does not. The bounds are for a machine that has other things to do.
#[tokio::test(flavor = "multi_thread")]
async fn revocations_are_known_soon() {
    let count = std::env::var(REVOCATIONS).ok().and_then(|count| count.parse().ok()).unwrap_or(24);
    let many = Many::start().await;
    let lanes = (0..LANES).map(|lane| {
        let many = &many;
        async move {
            let (mut woken, mut found) = (Vec::new(), Vec::new());
            for number in (lane..count).step_by(LANES) {
                revoke(many, number, &mut woken, &mut found).await;
            }
            (woken, found)
        }
    });
    let (mut woken, mut found) = (Vec::new(), Vec::new());
    for (some_woken, some_found) in futures_util::future::join_all(lanes).await {
        woken.extend(some_woken);
        found.extend(some_found);
    }
    let woken = figures("woken", &mut woken);
    let found = figures("not woken", &mut found);
    assert!(woken < Duration::from_millis(700), "{woken:?}");
    assert!(found < Duration::from_millis(2500), "{found:?}");
    many.finish().await;
}

/// Disables a user at one gateway, and asks the two others until they know.
async fn revoke(many: &Many, number: usize, woken: &mut Vec<Duration>, found: &mut Vec<Duration>) {
    let one = &many.stages[number % 3];
    let user = one.user(&format!("user{number}"), &[]).await;
    let token = mint(&claims(&user.id.to_string()));
    let others = [(number + 1) % 3, (number + 2) % 3];
    for other in others {
        assert_eq!(many.stages[other].get_as("/app/x", &token).await.status, 200);
    }
    let change = UserChange::Active(false);
    one.gateway.accounts.change(user.id, change).await.unwrap().unwrap();
    let begun = Instant::now();
    let known = async |other: usize| {
        comes_to(&many.stages[other], "/app/x", &token, 401, Some("user_inactive")).await;
        (other, begun.elapsed())
    };
    let (left, right) = futures_util::future::join(known(others[0]), known(others[1])).await;
    for (other, delay) in [left, right] {
        // The third is behind a pool that hands connections on.
        if other == 2 { found.push(delay) } else { woken.push(delay) }
    }
}

/// Prints them, and returns the median.
#[expect(clippy::print_stdout, reason = "the figures are for whoever asks for them")]
fn figures(what: &str, delays: &mut [Duration]) -> Duration {
    delays.sort_unstable();
    let at = |part: usize| delays[(delays.len() - 1) * part / 1000];
    let (median, p99, worst) = (at(500), at(990), at(1000));
    println!("{what}: {} revocations, p50 {median:?}, p99 {p99:?}, worst {worst:?}", delays.len());
    median
}
