//! The key of a route: `[METHOD[,METHOD]... ][host]/path`.

use std::fmt;

use http::Method;

use super::pattern::{Pattern, PatternError};
use crate::web::{HostError, HostName};

/// Which requests a route is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// The methods it takes.
    pub methods: Methods,
    /// The host it is for, as [`HostName::name`] has it; `None` is any.
    pub host: Option<String>,
    /// The paths it is for.
    pub pattern: Pattern,
}

/// Some methods, or all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Methods {
    /// Every method that reaches the routes at all.
    All,
    /// These, in the order written; GET includes HEAD.
    These(Vec<Method>),
}

/// What is wrong with a route key, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// More than two parts, or none.
    #[error("write `[METHOD,METHOD ][host]/path`, with one space after the methods and no other")]
    Shape,
    /// Not a method name in capitals.
    #[error(
        "`{0}` is no method; write it in capitals as in `GET,POST /path`, or leave it out for all"
    )]
    Method(String),
    /// The method never reaches a route.
    #[error("{0} never reaches a route: the gateway answers it; leave it out")]
    NotRouted(Method),
    /// The same method twice.
    #[error("{0} is there twice; write it once")]
    Twice(Method),
    /// The host has a port.
    #[error("a host is matched without its port; write `{0}`")]
    Port(String),
    /// The host is none.
    #[error("`{0}` is no host ({1}); write `example.com/path`, or begin with `/` for any host")]
    Host(String, HostError),
    /// The host looks like the beginning of a path.
    #[error("`{0}` has no dot; write `/{0}{1}` for a path, or `{0}.{1}` if it is a host")]
    Dotless(String, String),
    /// The path is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl Key {
    /// Reads a key as the policy file has it. A host without a dot, but for `localhost`, is
    /// written with one at its end, so that nobody takes it for a path or the other way round.
    ///
    /// ```
    /// use portcullis::rooms::policy::Key;
    ///
    /// let key = Key::parse("POST,DELETE Example.com/api/orders/*")?;
    /// assert_eq!(key.to_string(), "POST,DELETE example.com/api/orders/*");
    /// # Ok::<(), portcullis::rooms::policy::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`KeyError`]; show it to whoever wrote the key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split_whitespace();
        let (methods, place) = match (words.next(), words.next(), words.next()) {
            (Some(place), None, _) => (Methods::All, place),
            (Some(methods), Some(place), None) => (Methods::parse(methods)?, place),
            _ => return Err(KeyError::Shape),
        };
        let path_at =
            place.find('/').ok_or_else(|| PatternError::EmptySegment(format!("{place}/")))?;
        let (host, path) = place.split_at(path_at);
        let host = if host.is_empty() { None } else { Some(parse_host(host, path)?) };
        Ok(Self { methods, host, pattern: Pattern::parse(path)? })
    }

    /// Whether every host and path of `other` is one of this key's too, whatever the methods.
    pub fn contains(&self, other: &Self) -> bool {
        (self.host.is_none() || self.host == other.host) && self.pattern.contains(&other.pattern)
    }

    /// Whether some host and path is of both, whatever the methods.
    pub fn overlaps(&self, other: &Self) -> bool {
        let hosts = self.host.is_none() || other.host.is_none() || self.host == other.host;
        hosts && self.pattern.overlaps(&other.pattern)
    }
}

fn parse_host(text: &str, path: &str) -> Result<String, KeyError> {
    let host = HostName::parse(text).map_err(|error| KeyError::Host(text.into(), error))?;
    if host.port().is_some() {
        return Err(KeyError::Port(format!("{}{path}", host.name())));
    }
    // A slash forgotten before `admin/*` would leave the path to a laxer route.
    if is_dotless(host.name()) && !text.ends_with('.') {
        return Err(KeyError::Dotless(text.into(), path.into()));
    }
    Ok(host.name().to_owned())
}

/// Whether a host could be taken for the first segment of a path.
fn is_dotless(host: &str) -> bool {
    !host.contains('.') && !host.starts_with('[') && host != "localhost"
}

impl Methods {
    fn parse(text: &str) -> Result<Self, KeyError> {
        let mut methods = Vec::new();
        for word in text.split(',') {
            let wrong = || KeyError::Method(word.into());
            let method = Method::from_bytes(word.as_bytes()).map_err(|_| wrong())?;
            let capitals = |byte: u8| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_';
            if !word.bytes().all(capitals) {
                return Err(wrong());
            }
            if matches!(method, Method::CONNECT | Method::TRACE) {
                return Err(KeyError::NotRouted(method));
            }
            if methods.contains(&method) {
                return Err(KeyError::Twice(method));
            }
            methods.push(method);
        }
        Ok(Self::These(methods))
    }

    /// Whether a request with that method is meant.
    pub fn include(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => {
                these.contains(method) || *method == Method::HEAD && these.contains(&Method::GET)
            }
        }
    }

    /// Whether some method is in both.
    pub fn overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::These(ours), Self::These(theirs)) => {
                ours.iter().any(|method| other.include(method))
                    || theirs.iter().any(|method| self.include(method))
            }
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Methods::These(methods) = &self.methods {
            let names: Vec<_> = methods.iter().map(Method::as_str).collect();
            write!(f, "{} ", names.join(","))?;
        }
        let host = self.host.as_deref().unwrap_or_default();
        let dot = if !host.is_empty() && is_dotless(host) { "." } else { "" };
        write!(f, "{host}{dot}{}", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What `check` prints can be pasted back.
        #[test]
        fn a_key_reads_as_it_is_shown(
            text in r"((GET|POST|X-Y|get|,){0,3} )?[a-z.:A-Z\[\]]{0,8}(/(\PC|[a-z{}*%.;])*){0,4}",
        ) {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(Key::parse(&key.to_string()), Ok(key));
            }
        }
    }

    #[test]
    fn a_key_is_shown_as_it_is_matched() {
        for (text, shown) in [
            ("/*", "/*"),
            ("GET /a", "GET /a"),
            ("POST,DELETE /api/orders/*", "POST,DELETE /api/orders/*"),
            ("App.Example.com./a/", "app.example.com/a"),
            ("localhost/a", "localhost/a"),
            ("Backend./a", "backend./a"),
            ("PROPFIND,M-SEARCH [0::1]/a/{x}", "PROPFIND,M-SEARCH [::1]/a/{x}"),
        ] {
            assert_eq!(Key::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_wrong_key_is_told_what_to_write() {
        let shape =
            "write `[METHOD,METHOD ][host]/path`, with one space after the methods and no other";
        for (text, message) in [
            ("", shape),
            ("GET, POST /a", shape),
            (
                "get /a",
                "`get` is no method; write it in capitals as in `GET,POST /path`, or leave it out \
                 for all",
            ),
            (
                "GET,, /a",
                "`` is no method; write it in capitals as in `GET,POST /path`, or leave it out for \
                 all",
            ),
            ("TRACE /a", "TRACE never reaches a route: the gateway answers it; leave it out"),
            ("GET,GET /a", "GET is there twice; write it once"),
            ("a.test:80/x", "a host is matched without its port; write `a.test/x`"),
            (
                "a..test/x",
                "`a..test` is no host (invalid host name); write `example.com/path`, or begin with \
                 `/` for any host",
            ),
            (
                "GET admin/*",
                "`admin` has no dot; write `/admin/*` for a path, or `admin./*` if it is a host",
            ),
            ("a.test", "a path begins with `/` and has no empty segment; write `a.test/`"),
            ("GET", "a path begins with `/` and has no empty segment; write `GET/`"),
        ] {
            assert_eq!(Key::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn get_includes_head() {
        let methods = |text: &str| Key::parse(text).unwrap().methods;
        assert!(methods("GET /").include(&Method::HEAD));
        assert!(!methods("HEAD /").include(&Method::GET));
        assert!(!methods("POST /").include(&Method::HEAD));
        assert!(methods("GET /").overlap(&methods("HEAD /")));
        assert!(methods("HEAD /").overlap(&methods("GET /")));
        assert!(methods("/").overlap(&methods("PUT /")));
        assert!(!methods("GET,PUT /").overlap(&methods("POST,DELETE /")));
    }
}
