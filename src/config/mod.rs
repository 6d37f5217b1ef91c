//! The policy file: text in, checked settings out. The only room that knows TOML.
//!
//! `raw` is the file as written, one module a noun checks it, and [`Config`] holds what the
//! rooms below are built from. A file with anything wrong gives no `Config` but every problem at
//! once, each at its place.
//!
//! ```
//! use std::path::Path;
//!
//! use portcullis::Config;
//! use portcullis::config::{Checked, Diagnostic, EXAMPLE, Log, LogFormat};
//!
//! # fn main() -> Result<(), portcullis::ConfigError> {
//! let Checked { config, .. } = Config::parse("config.example.toml", EXAMPLE, Path::new("."))?;
//! let Log { format, access, .. } = config.log;
//! assert_eq!((format, access), (LogFormat::Text, true));
//!
//! // What is allowed and dangerous is told, and may be served all the same.
//! let policy = "[auth.throttle]\naccount = \"off\"\n";
//! let Checked { warnings, .. } = Config::parse("policy", policy, Path::new("."))?;
//! let told = warnings.iter().find(|Diagnostic { line, .. }| *line == 2);
//! assert!(told.is_some_and(|told| told.message.contains("guessing of passwords")));
//! # Ok(())
//! # }
//! ```

mod acme;
mod admin;
mod audit;
mod auth;
mod check;
mod clients;
mod context;
mod diagnostic;
mod forms;
mod forward_auth;
mod hsts;
mod identity;
mod import;
mod issuers;
mod limits;
mod listen;
mod log;
mod mail;
mod nearest;
mod otlp;
mod own_path;
mod pages;
mod patterns;
mod people;
mod plain;
mod raw;
mod read;
mod route_keys;
mod routes;
mod schema;
mod signing;
mod store;
mod templates;
mod tls;
pub mod typed;
mod units;
mod upstreams;
mod written;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use ipnet::IpNet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::acme::AcmeSettings;
use crate::admin::{AdminSettings, ImportRoles};
use crate::audit::AuditSettings;
use crate::endpoints::EndpointSettings;
use crate::forward_auth::ForwardAuthSettings;
use crate::keys::{KeySettings, SharedKeys};
use crate::mail::{Links, MailSettings};
use crate::pages::PagesSettings;
use crate::password::PasswordSettings;
use crate::policy::{Expectation, Routes};
use crate::proxy::UpstreamSettings;
use crate::server::{ConnectionLimits, ListenerSettings};
use crate::session::{AccountRules, SessionSettings};
use crate::store::StoreSettings;
use crate::tls::TlsSettings;
use crate::token::{FreshnessSettings, IssuerSettings, TokenSettings};
use crate::trace::TraceSettings;
use crate::web::{Cors, IdentityHeaders, MessageLimits, Public, TrustHeaders};
use check::check;
use context::Context;
use diagnostic::Problems;
use read::Read;

pub use diagnostic::{ConfigError, Diagnostic};
pub use log::{Log, LogFormat};
pub use schema::schema;
#[doc(hidden)]
pub use written::Written;

/// What the gateway runs with when it is given no file, and the description of every key.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Where the store is, unless `[store] path` says otherwise.
const STORE: &str = "portcullis.redb";

/// How the name of the file with our own keys ends; otherwise it is that of the store.
const KEYS: &str = "keys";

/// Everything an operator decides, checked: a value of this type can be served.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::Config;
///
/// let text = r#"
///     [upstreams]
///     api = { to = "http://127.0.0.1:8000" }
///
///     [routes]
///     "/api/*" = { to = "api" }
/// "#;
/// let checked = Config::parse("portcullis.toml", text, Path::new("/etc/portcullis"))?;
/// assert!(checked.warnings.is_empty());
/// let store = Path::new("/etc/portcullis/portcullis.redb");
/// assert_eq!(checked.config.store.file(), Some(store));
/// # Ok::<(), portcullis::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Config {
    /// Where to listen. Never empty.
    #[doc(hidden)]
    pub listen: Vec<ListenerSettings>,
    /// How listeners speak TLS; present if one does.
    #[doc(hidden)]
    pub tls: Option<TlsSettings>,
    /// Who issues a certificate for listeners with TLS, if anybody does.
    #[doc(hidden)]
    pub acme: Option<AcmeSettings>,
    /// `public`: the origin that links, cookies and the Host check use.
    #[doc(hidden)]
    pub public: Option<Public>,
    /// Peers whose forwarding headers count.
    pub trust: Vec<IpNet>,
    /// Which ones those are.
    #[doc(hidden)]
    pub trust_headers: TrustHeaders,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// Where users and sessions are kept.
    pub store: StoreSettings,
    /// How old what is remembered of them may be, where others change them as well.
    #[doc(hidden)]
    pub freshness: FreshnessSettings,
    /// Limits of connections.
    #[doc(hidden)]
    pub connections: ConnectionLimits,
    /// Limits of messages.
    #[doc(hidden)]
    pub messages: MessageLimits,
    /// The auth endpoints.
    #[doc(hidden)]
    pub endpoints: EndpointSettings,
    /// What is asked of the names and addresses of accounts.
    #[doc(hidden)]
    pub accounts: AccountRules,
    /// Origins whose pages may use the auth endpoints.
    #[doc(hidden)]
    pub endpoint_cors: Option<Cors>,
    /// Tokens of our making.
    #[doc(hidden)]
    pub tokens: TokenSettings,
    /// Sessions.
    #[doc(hidden)]
    pub sessions: SessionSettings,
    /// Keys.
    #[doc(hidden)]
    pub keys: KeySettings,
    /// Where gateways share them: how.
    #[doc(hidden)]
    pub shared_keys: Option<SharedKeys>,
    /// Passwords.
    #[doc(hidden)]
    pub passwords: PasswordSettings,
    /// Header = claim.
    #[doc(hidden)]
    pub identity: IdentityHeaders,
    /// Upstreams, in the order that [`crate::policy::Route::upstream`] counts.
    #[doc(hidden)]
    pub upstreams: Vec<UpstreamSettings>,
    /// Routes.
    #[doc(hidden)]
    pub routes: Routes,
    /// `expect`, parsed; all of them hold.
    #[doc(hidden)]
    pub expect: Vec<Expectation>,
    /// Other issuers.
    #[doc(hidden)]
    pub issuers: Vec<IssuerSettings>,
    /// Roles of users who come from elsewhere.
    #[doc(hidden)]
    pub import: ImportRoles,
    /// The operator's door.
    #[doc(hidden)]
    pub admin: AdminSettings,
    /// The record of who did what.
    #[doc(hidden)]
    pub audit: AuditSettings,
    /// Logs.
    pub log: Log,
    /// Traces, if anybody collects them.
    #[doc(hidden)]
    pub traces: Option<TraceSettings>,
    /// SHA-256 of the text that all this was read from, in hex, for the record.
    pub fingerprint: String,
    /// What stands in that text, to tell what a later one changes.
    #[doc(hidden)]
    pub written: Written,
    /// Where links in letters lead; `None` without `public`.
    #[doc(hidden)]
    pub links: Option<Links>,
    /// Mail, if any is sent.
    #[doc(hidden)]
    pub mail: Option<MailSettings>,
    /// Where other proxies ask, if they do.
    #[doc(hidden)]
    pub forward_auth: Option<ForwardAuthSettings>,
    /// Pages for people, if there are any.
    #[doc(hidden)]
    pub pages: Option<PagesSettings>,
}

/// A policy file that can be served, and what to tell its author nevertheless.
#[derive(Debug)]
pub struct Checked {
    /// The settings.
    pub config: Config,
    /// What is allowed and dangerous, or has no effect; sorted by place. Log them at every start.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Reads and checks a policy file. Relative paths in it are relative to it.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`]; show it to the operator and keep what runs now.
    pub fn load(path: &Path) -> Result<Checked, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(
            &path.display().to_string(),
            &text,
            path.parent().unwrap_or_else(|| Path::new("")),
        )
    }

    /// Checks the text of a policy file that problems shall call `file`. Relative paths in it
    /// hang under `base`. Files and variables that hold secrets are read here.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// let text = "[upstreams]\napi.to = \"http://127.0.0.1:8000\"\n[routes]\n\"/*\".to = \"apu\"\n";
    /// let problem = portcullis::config::Config::parse("p.toml", text, Path::new(".")).unwrap_err();
    /// let message = "p.toml:4:11: there is no upstream `apu`; did you mean `api`?";
    /// assert_eq!(problem.to_string(), message);
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with every problem that was found; show it to the operator.
    pub fn parse(file: &str, text: &str, base: &Path) -> Result<Checked, ConfigError> {
        parse(file, text, base, &|name| std::env::var_os(name))
    }

    /// What [`EXAMPLE`] says, with the store and the socket under `base`.
    ///
    /// # Errors
    ///
    /// None, but for a mistake in the text; a test holds that there is none.
    pub fn built_in(base: &Path) -> Result<Checked, ConfigError> {
        Self::parse("config.example.toml", EXAMPLE, base)
    }
}

fn parse(
    file: &str,
    text: &str,
    base: &Path,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Checked, ConfigError> {
    checked(Context::new(text, base, env), file, text)
}

/// Checks a text in that context.
fn checked(mut cx: Context<'_>, file: &str, text: &str) -> Result<Checked, ConfigError> {
    let config = read(text, &mut cx.problems).and_then(|raw| check(&mut cx, raw));
    let (fingerprint, written) = (fingerprint(text), Written::of(text));
    let config = config.map(|config| Config { fingerprint, written, ..config });
    let warnings = cx.problems.finish(file, text)?;
    // Whoever gives no settings has noted why, and `finish` has returned it.
    config.map(|config| Checked { config, warnings }).ok_or(ConfigError::Invalid(Vec::new()))
}

/// The file as written; `None` where the text is no TOML.
fn read(text: &str, problems: &mut Problems) -> Option<raw::File> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // The first alone: after it the parser guesses.
    if let Some(error) = errors.first() {
        problems.error(error.span().unwrap_or_default(), format!("no TOML: {}", error.message()));
    }
    let at = table.span();
    let value = Spanned::new(at, DeValue::Table(table.into_inner()));
    if errors.is_empty() { raw::File::read("", value, problems) } else { None }
}

fn fingerprint(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let (halves, _) = digest.as_ref().as_chunks::<16>();
    halves
        .iter()
        .fold(String::new(), |text, half| format!("{text}{:032x}", u128::from_be_bytes(*half)))
}

#[cfg(test)]
mod tests;
