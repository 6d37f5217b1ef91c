use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::table::Tabled;
use super::*;
use crate::config::{Checked, Config, ConfigError, raw, units};
use crate::limit::Quota;
use crate::policy::{Allow, By, Rate, Term};
use crate::secret::Secret;
use crate::server::MemoryLimit;

fn tabled<T: Tabled>() -> (&'static str, Vec<&'static str>) {
    let mut keys = T::KEYS.to_vec();
    keys.sort_unstable();
    (T::NAME, keys)
}

#[test]
fn every_key_of_the_file_is_a_method() {
    let typed = [
        tabled::<ConfigBuilder>(),
        tabled::<Upstream>(),
        tabled::<UpstreamTls>(),
        tabled::<Health>(),
        tabled::<Route>(),
        tabled::<Cors>(),
        tabled::<Auth>(),
        tabled::<Signing>(),
        tabled::<Password>(),
        tabled::<Throttles>(),
        tabled::<UserKeys>(),
        tabled::<Factors>(),
        tabled::<Issuer>(),
        tabled::<Import>(),
        tabled::<ImportFlags>(),
        tabled::<Listener>(),
        tabled::<Tls>(),
        tabled::<Acme>(),
        tabled::<Certificate>(),
        tabled::<Hsts>(),
        tabled::<Limits>(),
        tabled::<Admin>(),
        tabled::<Audit>(),
        tabled::<Log>(),
        tabled::<Otlp>(),
        tabled::<Mail>(),
        tabled::<ForwardAuth>(),
        tabled::<Pages>(),
        tabled::<Postgres>(),
        tabled::<Site>(),
        tabled::<Texts>(),
        // Its keys are methods of the builder.
        ("Store", vec!["path", "postgres", "staleness", "when_stale"]),
    ];
    for (table, keys) in raw::KEYS {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        let found = typed.iter().find(|(name, _)| name == table);
        let (_, methods) = found.unwrap_or_else(|| {
            panic!("the table {table} of raw.rs has no type in src/config/typed; add one")
        });
        assert_eq!(*methods, keys, "src/config/typed lacks keys of the table {table} of raw.rs");
    }
    assert_eq!(typed.len(), raw::KEYS.len());
}

fn refused(policy: &ConfigBuilder) -> String {
    policy.check(Path::new(".")).unwrap_err().to_string()
}

fn plain() -> ConfigBuilder {
    Config::builder().upstream("app", Upstream::inner()).route("/*", Route::to("app"))
}

#[test]
fn values_mean_what_they_mean_in_a_file() {
    let quota = Quota { count: NonZeroU32::new(600).unwrap(), per: Duration::from_secs(60) };
    let rate = Rate { quota, by: By::User, burst: NonZeroU32::new(10) };
    let built = plain().auth(
        Auth::default()
            .callers(1 << 20)
            .signing(Signing::default().algorithm("HS256").secret(Secret::from(vec![0xff; 32])))
            .keys(UserKeys::default())
            .throttle(Throttles::default().account(None).address(Some(quota))),
    );
    let built = built
        .limits(Limits::default().body(1000).memory(MemoryLimit::Bytes(1 << 30)))
        .route("GET /api/*", Route::to("app").allow(["role:x", "role:y & user"]).rate([rate]))
        .workers(3);
    let Checked { config, warnings } = built.check(Path::new("/base")).unwrap();
    assert_eq!(config.workers.get(), 3);
    assert_eq!(config.messages.body, 1000);
    assert_eq!(config.connections.memory, MemoryLimit::Bytes(1 << 30));
    assert_eq!((config.endpoints.account, config.endpoints.address), (None, Some(quota)));
    assert!(config.sessions.user_keys.is_some());
    assert_eq!(config.sessions.callers, 1 << 20);
    let route = config.routes.iter().find(|route| !route.key.methods.include(&http::Method::PUT));
    let route = route.unwrap();
    assert_eq!((route.allow.to_string().as_str(), route.line), ("role:x, role:y & user", None));
    assert_eq!(route.rates.as_ref().unwrap().iter().next().unwrap(), &rate);
    // A guess costs nothing: that is told, and that the secret is given is not.
    let told: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let off =
        "auth.throttle.account: `account` is off: guessing of passwords is not slowed down by it";
    assert_eq!(told, [off]);
}

#[test]
fn problems_name_the_key_and_come_all_at_once() {
    let slips = plain()
        .workers(0)
        .upstream("api", Upstream::default())
        .route("/a/*", Route::to("apu").allow("rolle:x"))
        .route("/{x}/b", Route::to("app"))
        .route("/a/{y}", Route::to("app"))
        .expect(["nonsense"]);
    let message = refused(&slips);
    for line in [
        "expect[0]: `expect`: write `WHO METHOD [host]/path -> OUTCOME`",
        "routes.\"/a/*\".allow[0]: `allow`: `rolle:x` is no rule; ",
        "routes.\"/a/*\".to: there is no upstream `apu`; did you mean `api`?",
        "workers: `workers` must be a whole number from 1 to 1000000",
        "`/{x}/b` and `/a/{y}`: both match some path",
    ] {
        assert!(message.contains(line), "{line}\n---\n{message}");
    }
    assert!(!message.contains("(line"), "{message}");
}

#[test]
fn a_key_is_named_as_a_file_would_write_it() {
    let slips = plain()
        .route("a.test/it's \"quoted\\\"", Route::to("app"))
        .issuers([Issuer::default().name("corp")])
        .listen([Listener::at("127.0.0.1:0"), Listener::at("nowhere")]);
    let message = refused(&slips);
    let keys = ["issuers[0]: ", "listen[1]: ", r#"routes."a.test/it's \"quoted\\\"".to: route "#];
    for key in keys {
        assert!(message.lines().any(|line| line.starts_with(key)), "{key}\n---\n{message}");
    }
}

#[test]
fn a_secret_stands_in_no_text() {
    let secret = Secret::from("a secret that is long enough for HS256".to_owned());
    let policy =
        plain().auth(Auth::default().signing(Signing::default().algorithm("HS256").secret(secret)));
    let text = policy.to_toml();
    let start = "auth.signing.secret = { env = \"PORTCULLIS_AUTH_SIGNING_SECRET_";
    let (_, name) = text.split_once(start).expect("a variable");
    let name = format!("PORTCULLIS_AUTH_SIGNING_SECRET_{}", name.split('"').next().unwrap());
    let checked = policy.check(Path::new("."));
    for shown in [text, format!("{policy:?} {checked:?}")] {
        assert!(!shown.contains("long enough"), "{shown}");
    }
    // The text is a file for whoever sets the variable.
    let env = |asked: &str| (asked == name).then(|| "x".repeat(32).into());
    super::super::parse("x", &policy.to_toml(), Path::new("."), &env).unwrap();
}

#[test]
fn another_secret_is_another_policy() {
    let text = |secret: &str| {
        let signing = Signing::default().secret(Secret::from(secret.to_owned()));
        plain().auth(Auth::default().signing(signing)).to_toml()
    };
    assert_eq!(text("one"), text("one"));
    assert_ne!(text("one"), text("two"));
}

#[test]
fn a_table_that_is_set_again_loses_nothing() {
    let policy = plain()
        .auth(Auth::default().register("closed").access(Duration::from_secs(60)))
        .auth(Auth::default().access(Duration::from_secs(90)));
    let text = policy.to_toml();
    assert!(text.contains("auth.register = \"closed\""), "{text}");
    let config = policy.check(Path::new(".")).unwrap().config;
    assert_eq!(config.tokens.access, Duration::from_secs(90));
}

#[test]
fn a_rule_is_written_as_it_was_meant_or_not_at_all() {
    let claim = |value: &str| Term::Claim { name: "tenant".to_owned(), value: value.to_owned() };
    for (allow, written) in [
        (Allow::Anyone, Some("anyone")),
        (Allow::user(), Some("user")),
        (
            Allow::Rules(vec![vec![claim("a=b"), Term::Role("x".to_owned())]]),
            Some("claim:tenant=a=b & role:x"),
        ),
        (Allow::Rules(vec![vec![claim("x & user")]]), None),
        (Allow::Rules(vec![vec![claim("x ")]]), None),
        (Allow::Rules(vec![vec![Term::Role("Admin".to_owned())]]), None),
        (Allow::Rules(vec![vec![]]), None),
    ] {
        let made = Rules::try_from(allow.clone())
            .map(|rules| plain().route("/x", Route::to("app").allow(rules)));
        match (made, written) {
            (Ok(policy), Some(written)) => {
                assert!(policy.to_toml().contains(&format!("{written:?}")), "{allow}");
                policy.check(Path::new(".")).unwrap();
            }
            (Err(_), None) => {}
            (made, written) => panic!("{allow}: {made:?} {written:?}"),
        }
    }
    let nobody = Rules::try_from(Allow::Rules(vec![])).unwrap();
    let message = refused(&plain().route("/x", Route::to("app").allow(nobody)));
    assert!(message.starts_with("routes.\"/x\".allow: "), "{message}");
}

proptest! {
    /// Whatever a text is, it is read as it was given.
    #[test]
    fn any_text_is_kept(text in "\\PC*|[\\x00-\\x7f]{0,20}", key in "\\PC{1,20}|[\\x00-\\x7f]{1,8}") {
        let policy = Config::builder().identity([(key.clone(), text.clone())]);
        let table: toml::Table = policy.to_toml().parse()?;
        prop_assert_eq!(table["identity"][&key].as_str(), Some(text.as_str()));
    }

    /// And so is a duration.
    #[test]
    fn any_duration_is_kept(seconds in 0_u64..36_525 * 86_400, nanos in 0_u32..1_000_000_000) {
        let span = Duration::new(seconds, nanos);
        let written = humantime::format_duration(span).to_string();
        prop_assert_eq!(units::duration(&written), Some(span), "{}", written);
    }

    /// No words make a policy of another shape: what is refused is refused as an error.
    #[test]
    fn no_words_escape(key in "\\PC{0,12}", rule in "\\PC{0,12}") {
        let policy = plain().route(key, Route::to("app").allow(rule.as_str()));
        match policy.check(Path::new(".")) {
            Ok(Checked { config, .. }) => prop_assert!(config.routes.iter().count() <= 2),
            Err(ConfigError::Invalid(problems)) => {
                prop_assert!(problems.iter().all(|problem| problem.line == 0 && problem.file.starts_with("routes.")));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
