//! What each step of a proxied request costs, in the order in which a request takes them.
//!
//! `cargo bench --bench hot_path [-- STEP]`; with `-- --test` every step runs once.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up shall stop")]

use std::fmt::Write;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use portcullis::clock::{Clock, SystemClock, Timestamp};
use portcullis::identity::{Identity, UserId};
use portcullis::rooms::keys::{Algorithm, KeyRing, KeySettings, KeySource};
use portcullis::rooms::limit::{Limiter, Quota};
use portcullis::rooms::policy::Routes;
use portcullis::rooms::proxy::strip_identity;
use portcullis::rooms::server::{Bounds, Walker};
use portcullis::rooms::session::{Client, Foundations, SessionSettings, Sessions};
use portcullis::rooms::token::{Revisions, TokenSettings, Verifier};
use portcullis::rooms::web::{
    CanonicalPath, IdentityHeaders, Peer, Trust, TrustHeaders, drop_hop_by_hop,
};
use portcullis::store::{Creation, NewUser, RedbStore, Store};
use portcullis::{Config, Secret};

/// What a browser sends, more or less.
fn request_headers() -> HeaderMap {
    let headers = [
        (HOST, "app.example.com"),
        (HeaderName::from_static("user-agent"), "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"),
        (HeaderName::from_static("accept"), "application/json"),
        (HeaderName::from_static("accept-language"), "en-GB,en;q=0.5"),
        (HeaderName::from_static("accept-encoding"), "gzip, deflate, br, zstd"),
        (HeaderName::from_static("referer"), "https://app.example.com/orders"),
        (HeaderName::from_static("cookie"), "theme=dark; csrftoken=0123456789abcdef"),
        (HeaderName::from_static("sec-fetch-mode"), "cors"),
    ];
    headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

/// The same, with more.
fn with(more: &[(HeaderName, &'static str)]) -> HeaderMap {
    let mut headers = request_headers();
    for (name, value) in more {
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

/// That, as it comes over the wire; with a token it has about a kibibyte.
fn head(more: &str) -> String {
    let mut head = "GET /api/v1/orders/42?expand=items HTTP/1.1\r\n".to_owned();
    for (name, value) in &request_headers() {
        write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
    }
    head + more + "\r\n"
}

fn walk(c: &mut Criterion) {
    let mut group = c.benchmark_group("walk");
    let long = format!(
        "Authorization: Bearer {}\r\nX-Trace: {}\r\n",
        "eyJhbGciOiJIUzI1NiJ9".repeat(20),
        "0123456789abcdef".repeat(16)
    );
    let chunked = "Transfer-Encoding: chunked\r\n\r\n400\r\n".to_owned() + &"x".repeat(1024);
    for (name, head) in
        [("usual", head("")), ("large", head(&long)), ("chunked", head(&(chunked + "\r\n0\r\n")))]
    {
        let mut walker = Walker::new(Bounds { head: 64 * 1024, fields: 100 });
        assert_eq!(walker.walk(head.as_bytes()).passed, head.len());
        group.bench_function(format!("{name}_{}", head.len()), |b| {
            b.iter(|| walker.walk(black_box(head.as_bytes())));
        });
    }
    group.finish();
}

fn canonical_path(c: &mut Criterion) {
    let mut group = c.benchmark_group("canonical_path");
    let deep = "/a".repeat(64);
    for (name, raw) in [
        ("plain", "/api/v1/users/42"),
        ("escaped", "/a%20b/%C3%A9"),
        ("dots", "/a/./b/../c"),
        ("hidden_dots", "/x%2F..%2Fadmin"),
        ("deep", &deep),
    ] {
        group.bench_with_input(BenchmarkId::from_parameter(name), raw, |b, raw| {
            b.iter(|| CanonicalPath::parse(black_box(raw)).is_ok());
        });
    }
    group.finish();
}

/// 60 routes of three depths, as a policy file has them.
fn routes() -> Routes {
    let mut text = "[upstreams]\nw.whoami = true\n[routes]\n\"/*\".to = \"w\"\n".to_owned();
    for part in 0..20 {
        for path in ["*", "items/{id}", "items/{id}/history/*"] {
            writeln!(text, "\"/api/part{part}/{path}\".to = \"w\"").unwrap();
        }
    }
    Config::parse("bench.toml", &text, Path::new("")).unwrap().config.routes
}

fn place(c: &mut Criterion) {
    let routes = routes();
    let mut group = c.benchmark_group("place");
    for (name, raw) in [
        ("shallow", "/other"),
        ("deep", "/api/part7/items/42/history/3"),
        ("odd", "/api/part7/items/a%2Fb;v=1"),
    ] {
        let path = CanonicalPath::parse(raw).unwrap();
        group.bench_with_input(BenchmarkId::from_parameter(name), &path, |b, path| {
            b.iter(|| routes.place("app.example.com", black_box(path), &Method::GET).is_ok());
        });
    }
    group.finish();
}

/// Measures what `step` does to header fields, without the cost of making and dropping them.
fn on_headers(c: &mut Criterion, name: &str, spiked: HeaderMap, step: impl Fn(&mut HeaderMap)) {
    let mut group = c.benchmark_group(name);
    for (name, headers) in [("nothing_to_do", request_headers()), ("all_there", spiked)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| headers.clone(), |headers| step(headers), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn strip(c: &mut Criterion) {
    let table = IdentityHeaders::default();
    let forged = with(&[
        (HeaderName::from_static("x-user-id"), "1"),
        (HeaderName::from_static("x_user_roles"), "admin"),
    ]);
    on_headers(c, "strip_identity", forged, |headers| strip_identity(&table, headers));
}

fn hop_by_hop(c: &mut Criterion) {
    let named = with(&[
        (CONNECTION, "keep-alive, x-private"),
        (HeaderName::from_static("keep-alive"), "timeout=5"),
        (HeaderName::from_static("x-private"), "1"),
    ]);
    on_headers(c, "hop_by_hop", named, drop_hop_by_hop);
}

fn forwarding(c: &mut Criterion) {
    let peer = Peer::tcp("10.0.0.9:4000".parse().unwrap(), "10.0.0.1:8080".parse().ok());
    let host = HeaderValue::from_static("app.example.com");
    let told = with(&[
        (HeaderName::from_static("x-forwarded-for"), "192.0.2.7, 10.0.0.8"),
        (HeaderName::from_static("x-forwarded-proto"), "https"),
        (HeaderName::from_static("x-forwarded-host"), "app.example.com"),
    ]);
    let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()], TrustHeaders::default());
    on_headers(c, "forwarding", told, |headers| {
        trust.take(&peer, headers).write(&peer, Some(&host), headers);
    });
}

/// Sessions on a store in memory, and an access token of its one user.
struct Stage {
    sessions: Sessions,
    keys: Arc<KeyRing>,
    token: String,
}

impl Stage {
    fn set(algorithm: Algorithm) -> Self {
        let clock = Arc::new(SystemClock);
        let mut settings = KeySettings::new(PathBuf::new());
        settings.algorithm = algorithm;
        if algorithm == Algorithm::Hs256 {
            settings.source = KeySource::Shared(Secret::from("0123456789abcdef".repeat(3)));
        }
        let keys = Arc::new(KeyRing::ephemeral(settings, clock.now()).unwrap());
        let store = Arc::new(RedbStore::in_memory().unwrap());
        let foundations = Foundations {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock,
            keys: Arc::clone(&keys),
            revisions: Arc::new(Revisions::default()),
            headers: IdentityHeaders::default(),
            issuers: Vec::new(),
        };
        let tokens = TokenSettings::default();
        let sessions = Sessions::new(foundations, SessionSettings::default(), tokens);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let token = runtime.block_on(async {
            let new = NewUser {
                username: "ann".into(),
                email: "ann@example.com".into(),
                password: None,
                roles: vec!["editor".into()],
                created: SystemClock.now(),
            };
            let Creation::Created(user) = store.create_user(new).await.unwrap() else {
                return String::new();
            };
            let token = sessions.log_in(&user, Client::default(), None).await.unwrap().access;
            let known = sessions.authenticate(&bearer(&token)).await.unwrap();
            assert_eq!(known.unwrap().identity.username, "ann");
            token
        });
        Self { sessions, keys, token }
    }
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = request_headers();
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers
}

fn authenticate(c: &mut Criterion) {
    let stage = Stage::set(Algorithm::Es256);
    let mut group = c.benchmark_group("authenticate");
    for (name, headers) in [("cached", bearer(&stage.token)), ("no_credential", request_headers())]
    {
        group.bench_function(name, |b| {
            // What is in memory is there at once.
            b.iter(|| stage.sessions.authenticate(black_box(&headers)).now_or_never().unwrap());
        });
    }
    group.finish();
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    for algorithm in [Algorithm::Hs256, Algorithm::Es256] {
        let stage = Stage::set(algorithm);
        let verifier = Verifier::new(stage.keys, TokenSettings::default(), Vec::new());
        let now = SystemClock.now();
        group.bench_function(algorithm.as_str(), |b| {
            b.iter(|| verifier.verify(black_box(stage.token.as_bytes()), now).unwrap());
        });
    }
    group.finish();
}

fn identity_headers(c: &mut Criterion) {
    let identity = Identity {
        user_id: UserId(42).to_string(),
        username: "ann".into(),
        email: Some("ann@example.com".into()),
        email_verified: true,
        roles: vec!["editor".into(), "team:billing".into()],
        claims: [].into(),
        session: None,
        issuer: None,
        amr: Vec::new(),
    };
    let table = IdentityHeaders::default();
    let mut group = c.benchmark_group("identity_headers");
    group.bench_function("render", |b| b.iter(|| table.render(black_box(&identity))));
    let ready = table.render(&identity);
    group.bench_function("set", |b| {
        b.iter_batched_ref(
            || Request::new(()).into_parts().0.headers,
            |headers| {
                for (name, value) in &ready {
                    headers.insert(name, value.clone());
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn limiter(c: &mut Criterion) {
    let count = NonZeroU32::MAX;
    let quota = Quota { count, per: Duration::from_secs(u64::from(count.get())) };
    let limiter = Limiter::new(quota);
    let mut group = c.benchmark_group("limiter");
    let mut now = Timestamp::from_secs(1);
    group.bench_function("take", |b| {
        b.iter(|| {
            now = now.plus(Duration::from_secs(1));
            limiter.take(black_box(&7_u64), now).unwrap();
        });
    });
    group.finish();
}

criterion_group!(
    steps,
    walk,
    canonical_path,
    place,
    strip,
    hop_by_hop,
    forwarding,
    authenticate,
    verify,
    identity_headers,
    limiter
);
criterion_main!(steps);
