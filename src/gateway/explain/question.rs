//! The request that an operator asks about, as it would reach the gateway.

use crate::admin::Asked;
use crate::policy::{Caller, Question, RuleError, method};
use crate::web::{HostError, HostName, Public};

/// Why that is no request. `Display` is for the operator, and says what to write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoQuestion {
    /// Who asks is none that a rule could speak of.
    #[error(transparent)]
    Who(#[from] RuleError),
    /// The method is none.
    #[error("`{0}` is no method; write it in capitals, as in `GET`")]
    Method(String),
    /// The host is none.
    #[error("`{host}` is no host ({problem}); begin a path with `/`")]
    Host { host: String, problem: HostError },
    /// Nothing of that scheme comes here.
    #[error("`{0}` is not served here; write http:// or https://")]
    Scheme(String),
    /// There is no path.
    #[error("`{0}` names no path; write `/path` or a URL")]
    Path(String),
}

/// Who asks, as one rule of a policy would say it.
pub(super) fn who(asked: &Asked) -> String {
    if asked.who.is_empty() { "anyone".to_owned() } else { asked.who.join(" & ") }
}

/// What to ask the routes. A URL that names no host is asked of `public`, as clients do.
pub(super) fn question(asked: &Asked, public: Option<&Public>) -> Result<Question, NoQuestion> {
    let caller = Caller::parse(&who(asked))?;
    let method = method(&asked.method);
    let method = method.ok_or_else(|| NoQuestion::Method(asked.method.clone()))?;
    let (host, path) = split(&asked.url)?;
    let host = match host {
        Some(host) => HostName::parse(host)
            .map_err(|problem| NoQuestion::Host { host: host.to_owned(), problem })?
            .name()
            .to_owned(),
        None => public.map(|public| public.host.clone()).unwrap_or_default(),
    };
    Ok(Question { caller, from: asked.from, method, host, path: path.to_owned() })
}

/// Host and path of a URL, of `host/path`, or of a path; without query and fragment, which no
/// route looks at.
fn split(url: &str) -> Result<(Option<&str>, &str), NoQuestion> {
    let end = |text: &str, signs: &[char]| text.find(signs).unwrap_or(text.len());
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, url),
    };
    match scheme {
        Some("http" | "https" | "ws" | "wss") | None => {}
        Some(other) => return Err(NoQuestion::Scheme(other.to_owned())),
    }
    let (host, rest) = rest.split_at(end(rest, &['/', '?', '#']));
    // A browser keeps the fragment to itself; one that is sent is refused.
    let signs: &[char] = if scheme.is_some() { &['?', '#'] } else { &['?'] };
    let path = rest.split_at(end(rest, signs)).0;
    match (host, path, scheme) {
        ("", "", _) | ("", _, Some(_)) => Err(NoQuestion::Path(url.to_owned())),
        ("", path, None) => Ok((None, path)),
        (host, "", _) => Ok((Some(host), "/")),
        (host, path, _) => Ok((Some(host), path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_a_host_with_a_path_and_a_path_are_understood() {
        for (url, host, path) in [
            ("/a/b?c=/d", None, "/a/b"),
            ("/a#b", None, "/a#b"),
            ("//a.test/b", None, "//a.test/b"),
            ("https://a.test/b?c#d", Some("a.test"), "/b"),
            ("https://a.test:8443/b#d", Some("a.test:8443"), "/b"),
            ("https://a.test", Some("a.test"), "/"),
            ("https://a.test?x", Some("a.test"), "/"),
            ("wss://a.test/ws", Some("a.test"), "/ws"),
            ("a.test/b", Some("a.test"), "/b"),
            ("/to?u=https://b.test/x", None, "/to"),
            ("/to/https://b.test/x", None, "/to/https://b.test/x"),
        ] {
            assert_eq!(split(url).unwrap(), (host, path), "{url}");
        }
        for url in ["", "?x", "https:///x", "ftp://a.test/x"] {
            assert!(split(url).is_err(), "{url}");
        }
    }
}
