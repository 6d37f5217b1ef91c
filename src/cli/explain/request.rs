//! The request that an operator asks about, as it would reach the gateway.

use std::net::IpAddr;

use anyhow::{Context, anyhow, bail};

use crate::policy::{Caller, Question, method};
use crate::web::{HostName, Public};

/// The words of an operator.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) who: &'a [String],
    pub(super) from: Option<IpAddr>,
}

/// Who asks, as one rule of a policy would say it.
pub(super) fn who(words: &[String]) -> String {
    if words.is_empty() { "anyone".to_owned() } else { words.join(" & ") }
}

impl Asked<'_> {
    /// What to ask the routes. A URL that names no host is asked of `public`, as clients do.
    pub(super) fn question(&self, public: Option<&Public>) -> anyhow::Result<Question> {
        let who = who(self.who);
        let caller = Caller::parse(&who).with_context(|| format!("--as {who}"))?;
        let method = method(self.method).ok_or_else(|| {
            anyhow!("`{}` is no method; write it in capitals, as in `GET`", self.method)
        })?;
        let (host, path) = split(self.url)?;
        let host = match host {
            Some(host) => HostName::parse(host)
                .map_err(|error| anyhow!("`{host}` is no host ({error}); begin a path with `/`"))?
                .name()
                .to_owned(),
            None => public.map(|public| public.host.clone()).unwrap_or_default(),
        };
        Ok(Question { caller, from: self.from, method, host, path: path.to_owned() })
    }
}

/// Host and path of a URL, of `host/path`, or of a path; without query and fragment, which no
/// route looks at.
fn split(url: &str) -> anyhow::Result<(Option<&str>, &str)> {
    let end = |text: &str, signs: &[char]| text.find(signs).unwrap_or(text.len());
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => (Some(scheme), rest),
        _ => (None, url),
    };
    match scheme {
        Some("http" | "https" | "ws" | "wss") | None => {}
        Some(other) => bail!("`{other}` is not served here; write http:// or https://"),
    }
    let (host, rest) = rest.split_at(end(rest, &['/', '?', '#']));
    // A browser keeps the fragment to itself; one that is sent is refused.
    let signs: &[char] = if scheme.is_some() { &['?', '#'] } else { &['?'] };
    let path = rest.split_at(end(rest, signs)).0;
    match (host, path, scheme) {
        ("", "", _) | ("", _, Some(_)) => bail!("`{url}` names no path; write `/path` or a URL"),
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
