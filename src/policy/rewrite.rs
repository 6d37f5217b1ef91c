//! `strip` and `prefix`: the path that an upstream is asked for, made from the one that was judged.

use std::borrow::Cow;
use std::fmt;

use super::pattern::{Pattern, PatternError};

/// What is taken from the front of a path, and what is put there.
///
/// Both are whole segments of canonical text, so what comes out of a canonical path is one too,
/// and whoever reads it otherwise reads what the split view has seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rewrite {
    /// `/api`; empty is nothing.
    strip: String,
    /// `/v2`; empty is nothing.
    prefix: String,
}

/// What is wrong with a rewrite, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RewriteError {
    /// It is no path.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// It has `{name}` or `/*` in it.
    #[error("`{0}` stands for many paths; write one, such as `/api`")]
    Many(String),
    /// It is `/`.
    #[error("`/` changes nothing; name a path such as `/api`, or leave it out")]
    Nothing,
    /// The route has paths that do not begin with what is stripped.
    #[error("not every path of `{0}` is below `{1}`; strip what all of them begin with")]
    NotBelow(String, String),
}

impl Rewrite {
    /// Reads what is stripped from every path of `pattern`.
    ///
    /// # Errors
    ///
    /// A [`RewriteError`]; show it to whoever wrote the text.
    pub fn parse_strip(text: &str, pattern: &Pattern) -> Result<String, RewriteError> {
        let strip = parse(text)?;
        if Pattern::verbatim(&strip, true).contains(pattern) {
            return Ok(strip);
        }
        Err(RewriteError::NotBelow(pattern.to_string(), strip))
    }

    /// Reads what is put before every path.
    ///
    /// # Errors
    ///
    /// A [`RewriteError`]; show it to whoever wrote the text.
    pub fn parse_prefix(text: &str) -> Result<String, RewriteError> {
        parse(text)
    }

    /// From what was parsed; `None` if neither was written.
    pub fn new(strip: Option<String>, prefix: Option<String>) -> Option<Self> {
        if strip.is_none() && prefix.is_none() {
            return None;
        }
        Some(Self { strip: strip.unwrap_or_default(), prefix: prefix.unwrap_or_default() })
    }

    /// What is stripped, if anything is.
    pub fn strip(&self) -> Option<&str> {
        Some(self.strip.as_str()).filter(|text| !text.is_empty())
    }

    /// What is put before, if anything is.
    pub fn prefix(&self) -> Option<&str> {
        Some(self.prefix.as_str()).filter(|text| !text.is_empty())
    }

    /// The path for the upstream, never empty. A path that does not begin with what is stripped
    /// is none of the route's, and keeps its beginning.
    pub fn apply<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let rest = match path.strip_prefix(&self.strip) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
            _ => path,
        };
        match (self.prefix.as_str(), rest) {
            ("", "") => Cow::Borrowed("/"),
            ("", rest) => Cow::Borrowed(rest),
            (prefix, rest) => Cow::Owned([prefix, rest].concat()),
        }
    }
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.strip(), self.prefix()) {
            (Some(strip), Some(prefix)) => write!(f, "strip {strip}, prefix {prefix}"),
            (Some(strip), None) => write!(f, "strip {strip}"),
            (None, Some(prefix)) => write!(f, "prefix {prefix}"),
            (None, None) => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<String, RewriteError> {
    let path = Pattern::parse(text)?;
    match path.literal() {
        None => Err(RewriteError::Many(text.into())),
        Some(path) if path.is_empty() => Err(RewriteError::Nothing),
        Some(path) => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::web::CanonicalPath;

    fn strip(text: &str, pattern: &str) -> Result<String, String> {
        let pattern = Pattern::parse(pattern).unwrap();
        Rewrite::parse_strip(text, &pattern).map_err(|error| error.to_string())
    }

    fn rewrite(strip: &str, prefix: &str) -> Rewrite {
        Rewrite { strip: strip.into(), prefix: prefix.into() }
    }

    #[test]
    fn what_is_stripped_ends_at_a_segment() {
        for (strip, prefix, path, sent) in [
            ("/api", "", "/api/x", "/x"),
            ("/api", "", "/api/x/", "/x/"),
            ("/api", "", "/api/", "/"),
            ("/api", "", "/api", "/"),
            ("/api", "", "/api//x", "//x"),
            ("/api", "", "/apis/x", "/apis/x"),
            ("/api", "/v2", "/api/x", "/v2/x"),
            ("/api", "/v2", "/api/", "/v2/"),
            ("/api", "/v2", "/api", "/v2"),
            ("", "/v2", "/x", "/v2/x"),
            ("", "/v2", "/", "/v2/"),
            ("/a/b", "/c/d", "/a/b/e", "/c/d/e"),
        ] {
            assert_eq!(rewrite(strip, prefix).apply(path), sent, "{path}");
        }
    }

    #[test]
    fn a_wrong_rewrite_is_told_what_to_write() {
        assert_eq!(strip("/api", "/api/*"), Ok("/api".into()));
        assert_eq!(strip("/api/", "/api/{id}/x"), Ok("/api".into()));
        assert_eq!(strip("/café", "/café/*"), Ok("/caf%C3%A9".into()));
        for (text, pattern, message) in [
            (
                "/api",
                "/apis/*",
                "not every path of `/apis/*` is below `/api`; strip what all of them begin with",
            ),
            (
                "/api/v1",
                "/api/*",
                "not every path of `/api/*` is below `/api/v1`; strip what all of them begin with",
            ),
            (
                "/a/b",
                "/a/{id}",
                "not every path of `/a/{id}` is below `/a/b`; strip what all of them begin with",
            ),
            ("/a/{id}", "/a/{id}", "`/a/{id}` stands for many paths; write one, such as `/api`"),
            ("/a/*", "/a/*", "`/a/*` stands for many paths; write one, such as `/api`"),
            ("/", "/a/*", "`/` changes nothing; name a path such as `/api`, or leave it out"),
            ("api", "/api/*", "a path begins with `/` and has no empty segment; write `/api`"),
        ] {
            assert_eq!(strip(text, pattern), Err(message.into()), "{text}");
        }
        for text in ["//x", "/a/..", "/a;b", "/a%2Fb", "/a?b", ""] {
            assert!(Rewrite::parse_prefix(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// What is sent is canonical whatever was asked for.
        #[test]
        fn a_rewritten_path_is_canonical_again(
            rest in r"(/([a-zA-Z.;]|%[0-9a-fA-F]{2}|\.\.|//){0,6}){0,4}",
            strips: bool,
            prefix in "(/v2(/x%20y)?)?",
        ) {
            let raw = format!("/api{rest}");
            let Ok(path) = CanonicalPath::parse(&raw) else { return Ok(()) };
            let strip = if strips { "/api" } else { "" };
            let sent = rewrite(strip, &prefix).apply(path.as_str()).into_owned();
            prop_assert!(sent.starts_with('/'), "{}", sent);
            let again = CanonicalPath::parse(&sent).map(|path| path.as_str().to_owned());
            prop_assert_eq!(again, Ok(sent));
        }
    }
}
