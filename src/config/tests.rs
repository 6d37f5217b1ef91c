//! What an operator sees: every message in full, and the text that is the built-in default.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use proptest::prelude::*;

use super::*;
use crate::endpoints::{LoginFailure, Registration};
use crate::keys::{KeySource, RemoteSettings};
use crate::mail::{Links, MailSettings, Security};
use crate::policy::{Allow, CredentialPolicy, Underscores};
use crate::proxy::{Address, FolderSettings, HealthSettings, Target};
use crate::token::IssuerKeys;
use crate::trace::Share;

mod folders;
mod messages;
mod schema;

/// The smallest file with a route.
const ROUTE: &str = "upstreams.w.whoami = true\nroutes.\"/*\".to = \"w\"\n";

/// A key set as another issuer publishes it.
const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A private key, of no use elsewhere.
const ES256: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQga1QfuladE8YX+QUz
EkoI1yzXs7kJU9PDb/ZmkXBuO+mhRANCAASUxk4TWzTzUKIavOLrYp+afkSRVvRJ
ggA3EaMvE4OKAVcrCz3gTSeB4UKIl49smbmRWik1vInJ9dd5mufcoLcY
-----END PRIVATE KEY-----";

fn env(name: &str) -> Option<OsString> {
    match name {
        "EMPTY" => Some(OsString::new()),
        "SHORT" => Some("0123456789012345678901234567890".into()),
        "SMTP_PASSWORD" | "OTLP_AUTHORIZATION" => Some("hunter2".into()),
        "SIGNING_KEY" => Some("01234567890123456789012345678901".into()),
        "KEY_RING_SECRET" => Some("another of more than thirty-two bytes".into()),
        "DATABASE_DIRECT_URL" => Some("postgres://gate:hunter2@db2.example.com/gate".into()),
        "DATABASE_URL" => Some("postgres://gate:hunter2@db.example.com/gate".into()),
        _ => None,
    }
}

fn parse_at(base: &Path, text: &str) -> Result<Checked, ConfigError> {
    let read = parse("p.toml", text, base, &env);
    schema::agrees(text, &read);
    read
}

fn parsed(text: &str) -> Result<Checked, ConfigError> {
    parse_at(Path::new("/base"), text)
}

#[track_caller]
fn accepted(text: &str) -> Config {
    parsed(text).expect(text).config
}

/// The example with every line of the form `#key = ...` or `#[table]` switched on.
fn example_with_everything() -> String {
    let is_setting = |line: &str| {
        let name = line.split(['=', ']']).next().unwrap_or_default().trim();
        line.starts_with('[') || line.contains('=') && !name.contains(' ')
    };
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && is_setting(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_built_in_default_holds_and_warns_of_nothing() {
    let checked = Config::built_in(Path::new("/base")).expect("the example is sound");
    assert_eq!(checked.warnings, []);
    assert_eq!(checked.config.store.file(), Some(Path::new("/base/portcullis.redb")));
    assert_eq!(checked.config.keys.ring, Path::new("/base/portcullis.keys"));
    assert_eq!(checked.config.admin.socket, Path::new("/base/portcullis.sock"));
    assert!(!checked.config.expect.is_empty());
}

#[test]
fn what_the_example_writes_is_what_the_code_does_without_it() {
    let Config { upstreams: _, routes: _, expect: _, .. } = accepted(ROUTE);
    let settings = |text: &str| {
        let mut config = accepted(text);
        (config.upstreams, config.expect) = (Vec::new(), Vec::new());
        config.routes = accepted(ROUTE).routes;
        config.fingerprint.clear();
        config.written = Written::default();
        format!("{config:#?}")
    };
    assert_eq!(settings(EXAMPLE), settings(ROUTE));
}

#[test]
fn every_key_is_in_the_example() {
    // The table that is meant, in all its spellings: a word of prose is no key.
    let text = example_with_everything();
    for (table, keys) in raw::KEYS {
        for key in *keys {
            let written = text.lines().any(|line| {
                let line = line.trim_start_matches('[');
                line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', ']', '.']))
                    || line.contains(&format!("{{ {key} = "))
                    || line.contains(&format!(", {key} = "))
                    || line.contains(&format!(".{key}]"))
            });
            assert!(written, "config.example.toml does not show `{key}` of {table}");
        }
    }
}

#[test]
fn every_form_in_the_example_is_accepted_and_is_the_default_where_it_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
    fs::write(dir.path().join("corp-ca.pem"), authority).unwrap();
    fs::create_dir(dir.path().join("public")).unwrap();
    fs::write(dir.path().join("public/index.html"), "<!doctype html>").unwrap();
    // One of `key` and `secret` goes with an algorithm, and a store is a file or a database.
    let text = example_with_everything()
        .replace("algorithm = \"ES256\"", "algorithm = \"HS256\"")
        .replace("\nkey      =", "\n#key      =")
        .replace("\npath = \"portcullis.redb\"", "\n#path = \"portcullis.redb\"")
        .replace("http://localhost:4318", "https://localhost:4318")
        .replace("\nX-User-Token", "\n#X-User-Token")
        // Whoever asks for a second opinion is trusted.
        .replace("\ntrust = []", "\ntrust = [\"10.0.0.7\"]");
    lay_certificates(dir.path());
    fs::write(dir.path().join("admin.token"), "x".repeat(64)).unwrap();
    fs::write(dir.path().join("feed.token"), "y".repeat(64)).unwrap();
    fs::create_dir(dir.path().join("mail")).unwrap();
    fs::create_dir(dir.path().join("pages")).unwrap();
    fs::write(dir.path().join("logo.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let config = parse_at(dir.path(), &text).expect(&text).config;
    let default = accepted(ROUTE);
    assert!(matches!(config.keys.source, KeySource::Shared(_)));
    assert_eq!(config.store.to_string(), "database db.example.com:5432/gate");
    let public = config.public.as_ref().map(ToString::to_string);
    assert_eq!(public.as_deref(), Some("https://app.example.com"));
    assert_eq!(config.tokens.issuer.as_deref(), Some("https://app.example.com"));
    let [_, app, api, inner, site] = &config.upstreams[..] else { panic!("five upstreams") };
    assert_eq!(app.target, Target::Inner);
    assert!(inner.tls.is_some() && api.tls.is_none());
    let mut plain = UpstreamSettings::new("api", api.target.clone());
    plain.health = Some(HealthSettings::new(PathAndQuery::from_static("/healthz")));
    assert_eq!(format!("{api:?}"), format!("{plain:?}"));
    let (dir, spa) = (dir.path().join("public"), Some("index.html".to_owned()));
    let folder = FolderSettings { dir, spa, precompressed: false };
    assert_eq!(site.target, Target::Folder(folder));
    let [corp] = &config.issuers[..] else { panic!("one issuer") };
    let mut plain = IssuerSettings::new("corp", &corp.issuer, "portcullis", corp.keys.clone());
    plain.roles.insert("Portal Admins".into(), "admin".into());
    assert_eq!(format!("{corp:?}"), format!("{plain:?}"));
    let IssuerKeys::Fetched(fetched) = &corp.keys else { panic!("no URL") };
    let plain = RemoteSettings::new(fetched.location.clone());
    assert_eq!((fetched.timeout, fetched.stale), (plain.timeout, plain.stale));
    assert!(config.tls.is_some());
    let orders = config.routes.iter().find(|route| route.to == "api").expect("a route to api");
    assert_eq!((orders.body, orders.timeout), (Some(2_000_000), Some(Duration::from_secs(300))));
    assert_eq!(orders.websocket, Some(Duration::from_secs(300)));
    assert_eq!((orders.tickets, orders.outlive), (true, Some(Duration::ZERO)));
    assert_eq!(orders.credential, CredentialPolicy::default());
    assert_eq!(orders.underscores, Underscores::default());
    assert_eq!(format!("{:?}", config.messages), format!("{:?}", default.messages));
    mail_is_the_default(&config);
    traces_are_the_default(&config);
}

#[track_caller]
fn traces_are_the_default(config: &Config) {
    let traces = config.traces.as_ref().expect("traces");
    assert!(traces.tls.is_some() && traces.headers.len() == 1 && !traces.users);
    let usual = TraceSettings::to(traces.collector.clone());
    assert_eq!(traces.service, usual.service);
    assert_eq!((traces.timeout, traces.queue), (usual.timeout, usual.queue));
    assert_eq!(traces.share, Share::ALL);
}

#[track_caller]
fn lay_certificates(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(["gate.test".to_owned()]).unwrap();
    fs::create_dir(dir.join("tls")).unwrap();
    fs::write(dir.join("tls/cert.pem"), made.cert.pem()).unwrap();
    fs::write(dir.join("tls/key.pem"), made.signing_key.serialize_pem()).unwrap();
    for (copy, of) in [("other.pem", "cert"), ("other.key", "key"), ("clients.pem", "cert")] {
        let tls = dir.join("tls");
        fs::copy(tls.join(format!("{of}.pem")), tls.join(copy)).unwrap();
    }
    let list = messages::tls::list(&messages::tls::authority("Clients").1, 4000);
    fs::write(dir.join("tls/clients.crl"), list).unwrap();
    for (copy, of) in [
        ("ca.pem", "cert"),
        ("mail-ca.pem", "cert"),
        ("collector-ca.pem", "cert"),
        ("client.pem", "cert"),
        ("client.key", "key"),
    ] {
        fs::copy(dir.join(format!("tls/{of}.pem")), dir.join(copy)).unwrap();
    }
}

#[track_caller]
fn mail_is_the_default(config: &Config) {
    let mail = config.mail.as_ref().expect("mail");
    assert!(mail.relay.login.is_some() && matches!(mail.relay.security, Security::StartTls(_)));
    assert_eq!((mail.relay.host.as_str(), mail.relay.port), ("mail.example.com", 587));
    let (timeout, retry) = (MailSettings::TIMEOUT, MailSettings::RETRY);
    assert_eq!((mail.timeout, mail.retry, mail.give_up), (timeout, retry, MailSettings::GIVE_UP));
    assert_eq!((mail.limits, mail.notices), (MailSettings::LIMITS, true));
    let links = config.public.clone().map(Links::new);
    assert_eq!(format!("{:?}", config.links), format!("{links:?}"));
}

#[test]
fn a_file_inherits_neither_routes_nor_upstreams_nor_expectations() {
    let checked = parsed("").expect("an empty file is one");
    assert_eq!(checked.config.routes.iter().count(), 0);
    assert!(checked.config.upstreams.is_empty() && checked.config.expect.is_empty());
    assert_eq!(
        checked.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["p.toml:1:1: no [routes]: nothing is forwarded; add one as config.example.toml shows"]
    );
    let headers = |config: &Config| config.identity.iter().count();
    assert_eq!(headers(&checked.config), 5);
    assert_eq!(headers(&accepted("identity.X-Who = \"user_id\"")), 1);
    assert_eq!(headers(&accepted("[identity]")), 0);
}

#[test]
fn values_arrive_where_they_belong() {
    let config = accepted(
        r#"
        listen = ["[::1]:0", "127.0.0.1:0", "127.0.0.1:0", "unix:run/http.sock", "unix:/run/x"]
        public = "https://App.Example.com:443"
        trust = ["10.0.0.0/8", "192.0.2.7", "2001:db8::1"]
        workers = 0x3
        store.path = "data/gate.redb"
        limits = { target = 9000, head = "20KiB", body_rate = "off", drain = "0s" }
        admin.socket = "/run/gate.sock"
        log = { format = "json", access = false, filter = "warn" }
        [upstreams]
        a = { to = ["http://A.test:81", "http://[::1]", "unix:run/a"], weights = [3, 1, 2], timeout = "1m 30s", in_flight = 2, retries = 0 }
        w = { whoami = true, retries = 1 }
        [routes."GET a.test/x/{id}"]
        to = "w"
        allow = ["role:x", "user:ann & claim:tenant=acme"]
        credential = "forward"
        underscores = "forward"
        body = "1GB"
        "#,
    );
    let listen: Vec<String> = config.listen.iter().map(|one| one.addr.to_string()).collect();
    let socket = "unix:/base/run/http.sock";
    assert_eq!(listen, ["[::1]:0", "127.0.0.1:0", "127.0.0.1:0", socket, "unix:/run/x"]);
    assert_eq!(config.public.unwrap().to_string(), "https://app.example.com");
    let trust: Vec<String> = config.trust.iter().map(ToString::to_string).collect();
    assert_eq!(trust, ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128"]);
    assert_eq!(config.workers.get(), 3);
    assert_eq!(config.store.file(), Some(Path::new("/base/data/gate.redb")));
    assert_eq!(config.keys.ring, Path::new("/base/data/gate.keys"));
    assert_eq!(config.admin.socket, Path::new("/run/gate.sock"));
    assert_eq!((config.messages.target, config.connections.head), (9000, 20 * 1024));
    assert_eq!((config.messages.body_rate, config.connections.drain), (0, Duration::ZERO));
    let log = Log { format: LogFormat::Json, access: false, filter: "warn".into() };
    assert_eq!(config.log, log);
    let [a, w] = &config.upstreams[..] else { panic!("two upstreams") };
    let Target::Http(servers) = &a.target else { panic!("servers") };
    let tcp = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
    let socket = Address::Unix("/base/run/a".into());
    let (servers, weights): (Vec<_>, Vec<_>) =
        servers.iter().map(|one| (&one.address, one.weight.get())).unzip();
    assert_eq!(servers, [&tcp("a.test", 81), &tcp("::1", 80), &socket]);
    assert_eq!(weights, [3, 1, 2]);
    assert_eq!((a.timeout, a.in_flight), (Duration::from_secs(90), 2));
    assert_eq!((a.send_again, w.send_again), (false, true));
    assert_eq!(w.target, Target::Whoami);
    let route = config.routes.iter().next().unwrap();
    assert_eq!((route.upstream, route.to.as_str()), (1, "w"));
    assert_eq!(route.allow.to_string(), "role:x, user:ann & claim:tenant=acme");
    assert_eq!((route.body, route.timeout), (Some(1_000_000_000), None));
    assert_eq!(route.credential, CredentialPolicy::Forward);
    assert_eq!(route.underscores, Underscores::Forward);
}

#[test]
fn what_a_route_asks_for_and_changes_arrives_where_it_belongs() {
    let config = accepted(
        r#"
        upstreams.w.whoami = true
        [routes."GET a.test/x/{id}"]
        to = "w"
        from = ["10.0.0.0/8", "192.0.2.7"]
        strip = "/x"
        prefix = "/y/z"
        rate = ["600/m per user burst 5", "60/h per ip"]
        response_headers = { X-Frame-Options = "DENY", Server = "" }
        cors = { origins = ["https://b.test", "http://localhost:3000"] }
        "#,
    );
    let route = config.routes.iter().next().unwrap();
    let names: Vec<_> = route.response_headers.names().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["x-frame-options", "server"]);
    let origins = route.cors.as_ref().unwrap().origins();
    assert_eq!(origins, ["https://b.test", "http://localhost:3000"]);
    let rates: Vec<String> =
        route.rates.as_ref().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(rates, ["600/1m per user burst 5", "60/1h per ip"]);
    let from: Vec<String> = route.from.iter().map(ToString::to_string).collect();
    assert_eq!(from, ["10.0.0.0/8", "192.0.2.7/32"]);
    assert_eq!(route.rewrite.as_ref().unwrap().apply("/x/1"), "/y/z/1");
}

#[test]
fn auth_values_arrive_where_they_belong() {
    let config = accepted(
        r#"
        [auth]
        prefix = "/accounts/api"
        register = "closed"
        login_failure = "simplejwt"
        refresh = "7d"
        session = "7d"
        grace = "0s"
        throttle = { account = "off", address = "3/s", register = "2/1h 30m" }
        "#,
    );
    assert_eq!(config.endpoints.register, Registration::Closed);
    assert_eq!(config.endpoints.login_failure, LoginFailure::SimpleJwt);
    assert_eq!(config.endpoints.prefix, "/accounts/api");
    assert_eq!(config.tokens.refresh, config.sessions.lifetime);
    assert_eq!(config.sessions.grace, Duration::ZERO);
    assert!(config.endpoints.account.is_none());
    assert_eq!(config.endpoints.address.unwrap().per, Duration::from_secs(1));
    assert_eq!(config.endpoints.registrations.unwrap().per, Duration::from_secs(5400));
}

#[test]
fn an_origin_has_one_spelling() {
    for (written, origin) in [
        ("http://A.test:80", "http://a.test"),
        ("https://a.test.:443", "https://a.test"),
        ("https://a.test:8443", "https://a.test:8443"),
        ("http://[0:0::1]:8080", "http://[::1]:8080"),
    ] {
        let public = accepted(&format!("public = \"{written}\"")).public;
        assert_eq!(public.map(|it| it.to_string()).as_deref(), Some(origin));
    }
}

#[test]
fn a_route_without_allow_asks_for_a_user() {
    assert_eq!(accepted(ROUTE).routes.iter().next().unwrap().allow, Allow::user());
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end_or_from_the_environment() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = |form: &str| {
        let text = format!("{ROUTE}[auth.signing]\nalgorithm = \"HS256\"\nsecret = {form}");
        match parse_at(dir.path(), &text).expect(&text).config.keys.source {
            KeySource::Shared(secret) => secret.expose().to_vec(),
            other @ (KeySource::Made | KeySource::Pem(_)) => panic!("{other:?}"),
        }
    };
    let secret = b"01234567890123456789012345678901\n\xff\r\n";
    for (end, kept) in [("", ""), ("\n", ""), ("\r\n", ""), ("\n\n", "\n"), ("\r", "\r")] {
        fs::write(dir.path().join("s"), [secret, end.as_bytes()].concat()).unwrap();
        // The secret itself ends in a line end: only one is taken.
        let whole = [secret.as_slice(), kept.as_bytes()].concat();
        let want = if end.is_empty() { &whole[..whole.len() - 2] } else { &whole[..] };
        assert_eq!(source("{ file = \"s\" }"), want, "{end:?}");
    }
    assert_eq!(source("{ env = \"SIGNING_KEY\" }"), env("SIGNING_KEY").unwrap().as_encoded_bytes());
}

#[test]
fn a_signing_key_and_older_ones_are_pem() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("key.pem"), format!("{ES256}\n")).unwrap();
    let source = "{ file = \"key.pem\" }";
    let text = format!("{ROUTE}auth.signing = {{ key = {source}, previous = [{source}] }}");
    let keys = parse_at(dir.path(), &text).expect(&text).config.keys;
    assert!(matches!(keys.source, KeySource::Pem(pem) if pem.matches(ES256.as_bytes())));
    assert_eq!(keys.previous.len(), 1);
    let text = text.replace("{ key", "{ algorithm = \"EdDSA\", key");
    let problems = parse_at(dir.path(), &text).map(|_| ()).expect_err(&text).to_string();
    let message = "the key does not fit EdDSA; give a PKCS#8 key of that kind \
                   (`openssl pkcs8 -topk8` converts)";
    let want = format!("p.toml:3:45: `key`: {message}\np.toml:3:79: `previous`: {message}");
    assert_eq!(problems, want);
}

#[test]
fn text_without_end_is_no_danger() {
    for deep in ["[", "{a=", "[{a=", "a."] {
        assert!(parsed(&format!("a = {}", deep.repeat(50_000))).is_err());
        assert!(parsed(&deep.repeat(50_000)).is_err());
    }
}

#[test]
fn no_secret_is_ever_printed() {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = "hunter2hunter2hunter2hunter2hunter2";
    fs::write(dir.path().join("s"), secret).unwrap();
    let texts = [
        format!("secret = \"{secret}\"\nprevious = [\"{secret}\", {{ file = \"s\" }}]"),
        format!("key = \"{secret}\"\nsecret = \"short\"\nprevious = [\"hunter2\"]"),
        format!(
            "secret = [\"{secret}\"]\nkey = {{ hunter = \"{secret}\" }}\nprevious = {{ fiel = \"{secret}\" }}"
        ),
    ];
    for text in texts {
        let text = format!("{ROUTE}[auth.signing]\nalgorithm = \"HS256\"\n{text}");
        let seen = match parse_at(dir.path(), &text) {
            Ok(checked) => format!("{checked:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!seen.contains("hunter2"), "{seen}");
    }
}

#[test]
fn a_file_is_found_and_its_paths_are_relative_to_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("gate.toml");
    let missing = Config::load(&path).map(|_| ()).expect_err("no file").to_string();
    let system = "No such file or directory (os error 2)";
    assert_eq!(missing, format!("{}: {system}", path.display()));
    fs::write(&path, ROUTE).unwrap();
    let config = Config::load(&path).expect("a file").config;
    assert_eq!(config.store.file(), Some(&*dir.path().join("portcullis.redb")));
}

proptest! {
    /// Whatever becomes of the text, there is an answer, and each problem lies within the text.
    #[test]
    fn no_text_makes_the_parser_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "\\PC{0,3}|[\\[\\]{}\"'=.,#\n\r0-9-]{0,3}"), 0..6),
        keep in 0.0..2.0_f64,
    ) {
        let mut signs: Vec<char> = example_with_everything().chars().collect();
        for (at, cut, put) in edits {
            let at = at.index(signs.len());
            let end = (at + cut).min(signs.len());
            signs.splice(at..end, put.chars());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any length will do")]
        signs.truncate((signs.len() as f64 * keep) as usize);
        let text: String = signs.into_iter().collect();
        if let Err(ConfigError::Invalid(problems)) = parsed(&text) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.line <= text.lines().count() + 1, "{problem}");
            }
        }
    }

    /// Text that was never meant to be a policy.
    #[test]
    fn no_noise_makes_the_parser_panic(text in "(\\PC|\n|\"|=|\\[|\\]|\\{|\\}){0,60}") {
        prop_assert!(!matches!(parsed(&text), Err(ConfigError::Invalid(list)) if list.is_empty()));
    }
}
