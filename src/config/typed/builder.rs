//! The whole policy.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use super::auth::{Auth, Import, Issuer};
use super::item::{Entries, Item};
use super::listen::{Limits, Listener, Tls};
use super::operate::{Admin, Audit, ForwardAuth, Log, Mail, Otlp, Pages, Postgres};
use super::route::{Route, Upstream};
use super::table::{setter, typed};
use super::text::Text;
use crate::config::context::Context;
use crate::config::{Checked, Config, ConfigError, Diagnostic, checked};

/// What the text is called where something is wrong before any key.
const NAME: &str = "policy";

typed! {
    /// A policy as values; [`Config::builder`] begins one.
    ///
    /// ```
    /// use std::path::Path;
    /// use std::time::Duration;
    ///
    /// use portcullis::Config;
    /// use portcullis::config::typed::{Auth, ConfigBuilder, Route, Upstream};
    ///
    /// let policy: ConfigBuilder = Config::builder()
    ///     .upstream("app", Upstream::inner())
    ///     .upstream("api", Upstream::to(["http://127.0.0.1:8000"]))
    ///     .route("/*", Route::to("app"))
    ///     .route("POST /api/orders/*", Route::to("api").allow("role:editor").body(2_000_000))
    ///     .auth(Auth::default().access(Duration::from_secs(15 * 60)))
    ///     .expect(["user POST /api/orders/7 -> 403", "role:editor POST /api/orders/7 -> api"]);
    /// let config = policy.check(Path::new("/var/lib/shop"))?.config;
    /// assert_eq!(config.store.file(), Some(Path::new("/var/lib/shop/portcullis.redb")));
    ///
    /// let slip = Config::builder().upstream("api", Upstream::whoami()).route("/*", Route::to("apu"));
    /// assert_eq!(
    ///     slip.check(Path::new(".")).unwrap_err().to_string(),
    ///     r#"routes."/*".to: there is no upstream `apu`; did you mean `api`?"#,
    /// );
    /// # Ok::<(), portcullis::ConfigError>(())
    /// ```
    ConfigBuilder is File by hand [store upstreams routes] {
        listen: [Listener],
        public: text,
        trust: texts,
        trust_headers: text,
        expect: texts,
        workers: count,
        tls: {Tls},
        limits: {Limits},
        auth: {Auth},
        identity: named_texts,
        issuers: [Issuer],
        import: {Import},
        admin: {Admin},
        audit: {Audit},
        log: {Log},
        otlp: {Otlp},
        mail: {Mail},
        forward_auth: {ForwardAuth},
        pages: {Pages},
    }
}

impl Config {
    /// Begins a policy of values; see [`typed`](super).
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }
}

impl ConfigBuilder {
    /// Sets the file of the store (`[store] path`).
    #[must_use]
    pub fn store(mut self, path: impl Into<String>) -> Self {
        self.0.put_below("store", "path".to_owned(), path.into());
        self
    }

    /// Has the store in that database (`[store] postgres`).
    #[must_use]
    pub fn postgres(mut self, database: Postgres) -> Self {
        self.0.put_below("store", "postgres".to_owned(), database);
        self
    }

    /// Says how old what is remembered of users may be where others change them as well
    /// (`[store] staleness`).
    #[must_use]
    pub fn staleness(mut self, staleness: Duration) -> Self {
        self.0.put_below("store", "staleness".to_owned(), staleness);
        self
    }

    /// Says what is done when it is older: `refuse` or `serve` (`[store] when_stale`).
    #[must_use]
    pub fn when_stale(mut self, then: impl Into<String>) -> Self {
        self.0.put_below("store", "when_stale".to_owned(), then.into());
        self
    }

    /// Adds an upstream, or puts this one in the place of the one with that name.
    #[must_use]
    pub fn upstream(mut self, name: impl Into<String>, upstream: Upstream) -> Self {
        self.0.put_below("upstreams", name.into(), upstream);
        self
    }

    /// Adds a route, or puts this one in the place of the one with that key, such as
    /// `GET /api/orders/*`.
    #[must_use]
    pub fn route(mut self, key: impl Into<String>, route: Route) -> Self {
        self.0.put_below("routes", key.into(), route);
        self
    }

    /// Checks all of it, as [`Config::parse`] checks a text. Relative paths hang under `base`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with every problem there is. In the place of file, line and column
    /// a [`Diagnostic`] has the key.
    pub fn check(&self, base: &Path) -> Result<Checked, ConfigError> {
        let text = Text::of(&self.0);
        let env = |name: &str| match text.secrets.get(name) {
            Some(secret) => Some(OsString::from_vec(secret.expose().to_vec())),
            None => std::env::var_os(name),
        };
        let cx = Context::new(&text.toml, base, &env).without_lines();
        let named = |diagnostics| keyed(&text, diagnostics);
        match checked(cx, NAME, &text.toml) {
            Ok(Checked { config, warnings }) => Ok(Checked { config, warnings: named(warnings) }),
            Err(ConfigError::Invalid(problems)) => Err(ConfigError::Invalid(named(problems))),
            Err(other) => Err(other),
        }
    }

    /// The policy as a file has it, for `portcullis check` and people. A secret that was given as
    /// such does not stand in it, but the name of a variable that is to hold it.
    ///
    /// ```
    /// use portcullis::Config;
    /// use portcullis::config::typed::{Route, Upstream};
    ///
    /// let policy = Config::builder().upstream("x", Upstream::whoami()).route("/*", Route::to("x"));
    /// assert_eq!(policy.to_toml(), "routes.\"/*\".to = \"x\"\nupstreams.x.whoami = true\n");
    /// ```
    pub fn to_toml(&self) -> String {
        Text::of(&self.0).toml
    }
}

/// The same with keys in the place of lines.
fn keyed(text: &Text, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let one = |diagnostic: Diagnostic| {
        let key = text.key(diagnostic.line).unwrap_or(NAME);
        Diagnostic { file: key.into(), line: 0, column: 0, ..diagnostic }
    };
    diagnostics.into_iter().map(one).collect()
}
