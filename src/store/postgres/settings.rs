//! Where the database is, and how it is spoken to.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::tls::Roots;

/// How long a connection is idle before it is asked whether the other side is there.
const IDLE: Duration = Duration::from_secs(30);

/// How a database is reached. `Debug` and `Display` show where it is, and no password.
#[derive(Clone)]
pub struct PostgresSettings {
    pub(super) config: Config,
    /// The server itself, where `config` leads to a pool.
    pub(super) past_pool: Option<Config>,
    /// Whose word its certificate needs; `None`: everything goes in clear.
    pub(super) roots: Option<Roots>,
    /// Whether statements are prepared once a connection and then called by name. Behind a
    /// `PgBouncer` older than 1.21 that hands connections on after each transaction they cannot be.
    pub prepared: bool,
    /// Connections to it at most.
    pub connections: NonZeroUsize,
    /// How long a call of the store may take, waiting for a connection and tries anew included.
    pub timeout: Duration,
}

/// Why a URL is none of a database.
#[derive(Debug, thiserror::Error)]
pub enum UrlFault {
    /// It is another kind of text.
    #[error("it does not begin with `postgres://`")]
    Scheme,
    /// `sslmode` allows what is not allowed here.
    #[error(
        "its `sslmode` lets the connection go in clear; leave it out: the server's certificate is always checked"
    )]
    Clear,
    /// `sslrootcert` is no option here.
    #[error("it has an `sslrootcert`; name that file as `ca` beside the URL instead")]
    RootCert,
    /// `hostaddr` is no option here.
    #[error("it has a `hostaddr`; let the host be where the server is")]
    HostAddr,
    /// There is no host, or no user.
    #[error("it has no {0}")]
    Lacks(&'static str),
    /// Something else in it; the cause names the option and not its value.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl PostgresSettings {
    /// Connections at most, unless told otherwise.
    // Eight is not zero: the compiler has looked.
    pub const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
    /// The time of a call, unless told otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(5);

    /// Reads `postgres://user:password@host:port/database`, as libpq writes it. The server's
    /// certificate is checked against what this machine trusts.
    ///
    /// # Errors
    ///
    /// [`UrlFault`]; it says nothing of what is in the URL.
    pub fn of_url(url: &Secret) -> Result<Self, UrlFault> {
        let text = std::str::from_utf8(url.expose()).map_err(|_| UrlFault::Scheme)?;
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(UrlFault::Scheme);
        }
        let mut config = Config::from_str(&without_sslmode(text)?).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            UrlFault::Unreadable(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(UrlFault::Lacks("host"));
        }
        if config.get_user().is_none() {
            return Err(UrlFault::Lacks("user"));
        }
        if !config.get_hostaddrs().is_empty() {
            // It goes elsewhere than the host says, past the certificate of that.
            return Err(UrlFault::HostAddr);
        }
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        let mut settings = Self {
            config,
            past_pool: None,
            roots: Some(Roots::Machine),
            prepared: true,
            connections: Self::CONNECTIONS,
            timeout: Self::TIMEOUT,
        };
        // Nobody is on the way to a socket of this machine.
        if settings.is_socket() {
            settings.roots = None;
        }
        Ok(settings)
    }

    /// Whose word the server's certificate needs.
    #[must_use]
    pub fn trusting(mut self, roots: Roots) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Speaks to the server without TLS.
    #[must_use]
    pub fn in_clear(mut self) -> Self {
        self.roots = None;
        self
    }

    /// Whether it is reached by a unix socket alone.
    pub fn is_socket(&self) -> bool {
        self.config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)))
    }

    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
            }
        })
    }

    /// Has the gateway woken past whatever pool the URL leads to: by the server of those settings. The
    /// certificate and the rest are as for the other.
    #[must_use]
    pub fn woken_by(mut self, server: Self) -> Self {
        self.past_pool = Some(server.config);
        self
    }

    /// As the driver takes it.
    pub(super) fn driver(&self) -> Config {
        self.with_limits(self.config.clone())
    }

    /// The same, for the connection that is woken.
    pub(super) fn direct(&self) -> Config {
        self.with_limits(self.past_pool.as_ref().unwrap_or(&self.config).clone())
    }

    fn with_limits(&self, mut config: Config) -> Config {
        let mode = if self.roots.is_some() { SslMode::Require } else { SslMode::Disable };
        config.ssl_mode(mode);
        // Of several servers the one that takes changes: what a standby says of a session may be old.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(self.timeout);
        config.tcp_user_timeout(self.timeout);
        // Whatever forgets idle connections on the way shall be known of before one is wanted.
        config.keepalives_idle(IDLE).keepalives_interval(IDLE / 3).keepalives_retries(3);
        config
    }
}

/// The URL without an `sslmode` that asks for what is done anyway.
fn without_sslmode(url: &str) -> Result<Zeroizing<String>, UrlFault> {
    let Some((front, query)) = url.split_once('?') else {
        return Ok(Zeroizing::new(url.to_owned()));
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "require" | "verify-ca" | "verify-full")) => {}
            Some(("sslmode", _)) => return Err(UrlFault::Clear),
            Some(("sslrootcert", _)) => return Err(UrlFault::RootCert),
            _ => kept.push(pair),
        }
    }
    let query = Zeroizing::new(kept.join("&"));
    Ok(Zeroizing::new(format!("{front}?{}", &*query)))
}

impl fmt::Display for PostgresSettings {
    /// `host:port/database`, of each host.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
            let comma = if at == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                Host::Unix(folder) => write!(f, "{comma}{}:{port}", folder.display())?,
            }
        }
        let database = self.config.get_dbname().or_else(|| self.config.get_user());
        write!(f, "/{}", database.unwrap_or_default())
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSettings({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<PostgresSettings, UrlFault> {
        PostgresSettings::of_url(&Secret::from(url.to_owned()))
    }

    #[test]
    fn a_url_says_where_the_database_is_and_never_how_to_get_in() {
        for (url, shown) in [
            ("postgres://ada:hunter2@db.example.com/gate", "db.example.com:5432/gate"),
            ("postgresql://ada:hunter2@a:1,b:2/gate?sslmode=verify-full", "a:1,b:2/gate"),
            ("postgres://ada:hunter2@%2Frun%2Fpg:7/gate", "/run/pg:7/gate"),
            ("postgres://hunter@[::1]:9", "::1:9/hunter"),
        ] {
            let settings = read(url).unwrap();
            assert_eq!(settings.to_string(), shown);
            assert!(!format!("{settings:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_a_word_of_it() {
        for (url, told) in [
            ("mysql://a:hunter2@h/d", "it does not begin with `postgres://`"),
            ("host=h user=a password=hunter2", "it does not begin with `postgres://`"),
            ("postgres://a:hunter2@h/d?sslmode=prefer", "its `sslmode` lets"),
            ("postgres://a:hunter2@h/d?sslmode=disable", "its `sslmode` lets"),
            ("postgres://a:hunter2@h/d?sslrootcert=x", "it has an `sslrootcert`"),
            ("postgres://a:hunter2@h/d?hostaddr=10.0.0.5", "it has a `hostaddr`"),
            ("postgres://h/d", "it has no user"),
            ("postgres://a:hunter2@h:port/d", "it cannot be read: "),
            ("postgres://a:hunter2@h/d?colour=hunter2", "it cannot be read: "),
        ] {
            let fault = read(url).unwrap_err().to_string();
            assert!(fault.starts_with(told), "{fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn a_socket_needs_no_tls_and_everything_else_does() {
        let is_secure = |url: &str| read(url).unwrap().roots.is_some();
        assert!(!is_secure("postgres://a@%2Frun%2Fpg/d"));
        assert!(is_secure("postgres://a@localhost/d"));
        assert!(is_secure("postgres://a@h/d?sslmode=require"));
        assert!(read("postgres://a@127.0.0.1/d").unwrap().is_here());
        assert!(!read("postgres://a@localhost,db/d").unwrap().is_here());
    }
}
