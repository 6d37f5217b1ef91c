//! The path part of a route key, as a set of paths.

use std::fmt;

use crate::web::{CanonicalPath, Form, Reading, Scope};

/// A path pattern: literal and named segments, and perhaps everything below.
///
/// As a set it holds lists of segments. A path is split at its slashes, and one empty segment
/// at its end (a trailing slash) does not count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    segments: Vec<Segment>,
    /// Whether it ends in `/*`.
    open: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    /// Exactly this text, canonical.
    Literal(String),
    /// Any one segment that is not empty; the name is for people.
    Named(String),
}

/// What is wrong with a pattern, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`, or has `//` in it.
    #[error("a path begins with `/` and has no empty segment; write `{0}`")]
    EmptySegment(String),
    /// A `*` that is not the last segment.
    #[error("`*` stands alone as the last segment; write `{{name}}` for one segment between")]
    Star,
    /// Braces that are not around a whole segment, or hold no name.
    #[error(
        "`{0}` is no named segment; write `{{name}}` between two slashes, of letters, digits and `_`"
    )]
    Name(String),
    /// The literal text is another way to write this one.
    #[error("`{0}` is matched in canonical form; write `{1}`")]
    NotCanonical(String, String),
    /// No request with such a path is let through.
    #[error("`{0}` reads differently to different servers, so such a path is always refused")]
    NeverServed(String),
    /// A `?`: the query plays no part in routing.
    #[error("the query never matches; leave out `?` and what follows")]
    Query,
}

impl Pattern {
    /// Reads `/literal/{name}/*`. A slash at the end makes no difference. Non-ASCII text may be
    /// written as it is.
    ///
    /// # Errors
    ///
    /// A [`PatternError`]; show it to whoever wrote the pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains('?') {
            return Err(PatternError::Query);
        }
        let Some(relative) = text.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            let fixed = format!("/{}", text.trim_start_matches('/'));
            return Err(PatternError::EmptySegment(fixed));
        };
        let (relative, open) = match relative.strip_suffix('*') {
            Some(rest) if rest.is_empty() || rest.ends_with('/') => (rest, true),
            Some(_) => return Err(PatternError::Star),
            None => (relative, false),
        };
        let relative = relative.strip_suffix('/').unwrap_or(relative);
        let segments = match relative {
            "" => Vec::new(),
            _ => relative
                .split('/')
                .map(|segment| Segment::parse(segment, text))
                .collect::<Result<_, _>>()?,
        };
        let pattern = Self { segments, open };
        if pattern.is_served() { Ok(pattern) } else { Err(PatternError::NeverServed(text.into())) }
    }

    /// The pattern of exactly this path, or of it and everything below. It is never refused: if
    /// it could not be served, no request for it is.
    pub(super) fn verbatim(path: &str, open: bool) -> Self {
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
            let absolute = format!("/{segment}");
            let canonical = CanonicalPath::parse(&absolute);
            let text = canonical.as_ref().map_or(segment, |path| path.as_str());
            Segment::Literal(text.trim_start_matches('/').into())
        });
        Self { segments: segments.collect(), open }
    }

    /// The one path that it stands for, `""` for `/`; `None` if there are many.
    pub(super) fn literal(&self) -> Option<String> {
        let one = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(format!("/{text}")),
            Segment::Named(_) => None,
        };
        if self.open { None } else { self.segments.iter().map(one).collect() }
    }

    /// Whether every path of `other` is one of this pattern's too.
    pub fn contains(&self, other: &Self) -> bool {
        let long_enough = if self.open {
            other.segments.len() >= self.segments.len()
        } else {
            !other.open && other.segments.len() == self.segments.len()
        };
        let mut pairs = self.segments.iter().zip(&other.segments);
        long_enough
            && pairs.all(|(ours, theirs)| match (ours, theirs) {
                (Segment::Named(_), _) => true,
                (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
                (Segment::Literal(_), Segment::Named(_)) => false,
            })
    }

    /// Whether some path is of both patterns.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.segments.len(), other.segments.len());
        let lengths = match (self.open, other.open) {
            (true, true) => true,
            (true, false) => theirs >= ours,
            (false, true) => ours >= theirs,
            (false, false) => ours == theirs,
        };
        let mut pairs = self.segments.iter().zip(&other.segments);
        lengths
            && pairs.all(|(ours, theirs)| match (ours, theirs) {
                (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
                (Segment::Named(_), _) | (_, Segment::Named(_)) => true,
            })
    }

    /// The segments in that form (`None` is a named one), and whether all below is meant too.
    pub(super) fn in_form(&self, form: Form) -> (Vec<Option<Vec<u8>>>, bool) {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Some(form.of(text)),
            Segment::Named(_) => None,
        });
        (segments.collect(), self.open)
    }

    /// Whether a request for such a path would get past the split view. Most that would not are
    /// refused as not canonical before; this finds the `;` and the double escapes.
    fn is_served(&self) -> bool {
        let sample = self.to_string().replace(['{', '}', '*'], "_");
        CanonicalPath::parse(&sample)
            .is_ok_and(|path| path.all_readings(Scope::All, |read| self.matches(read)))
    }

    /// The pattern as a server sees it that ignores case, for comparison with others.
    pub(super) fn folded(&self) -> Self {
        let fold = |text: &str| String::from_utf8_lossy(&Form::DecodedFolded.of(text)).into_owned();
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => Segment::Literal(fold(text)),
            Segment::Named(_) => Segment::Named(String::new()),
        });
        Self { segments: segments.collect(), open: self.open }
    }

    /// Whether all its paths are that one or below it, in some case.
    pub(crate) fn is_below(&self, path: &str) -> bool {
        Self::verbatim(path, true).folded().contains(&self.folded())
    }

    /// Whether it is the same in every form.
    pub(super) fn is_plain(&self) -> bool {
        Form::ALL.iter().all(|form| self.in_form(*form) == self.in_form(Form::Canonical))
    }

    fn matches(&self, reading: Reading<'_>) -> bool {
        let (wanted, open) = self.in_form(reading.form);
        let mut segments: Vec<_> = reading.bytes.split(|byte| *byte == b'/').skip(1).collect();
        segments.pop_if(|last| last.is_empty());
        let long_enough = segments.len() == wanted.len() || open && segments.len() > wanted.len();
        long_enough
            && wanted.iter().zip(segments).all(|(wanted, found)| match wanted {
                Some(literal) => literal == found,
                None => !found.is_empty(),
            })
    }
}

impl Segment {
    fn parse(text: &str, pattern: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            let mut fixed = pattern.to_owned();
            while fixed.contains("//") {
                fixed = fixed.replace("//", "/");
            }
            return Err(PatternError::EmptySegment(fixed));
        }
        if text == "*" {
            return Err(PatternError::Star);
        }
        if text.contains(['{', '}']) {
            let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let legal = |name: &&str| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            };
            let name = name.filter(legal).ok_or_else(|| PatternError::Name(text.into()))?;
            return Ok(Self::Named(name.into()));
        }
        if text.contains('*') {
            return Err(PatternError::Star);
        }
        let ascii = percent_encoding::utf8_percent_encode(text, &percent_encoding::AsciiSet::EMPTY);
        let absolute = format!("/{ascii}");
        let canonical = CanonicalPath::parse(&absolute)
            .map_err(|_ambiguous| PatternError::NeverServed(text.into()))?;
        if canonical.as_str() == absolute {
            return Ok(Self::Literal(ascii.to_string()));
        }
        let instead = canonical.as_str().trim_start_matches('/').to_owned();
        Err(PatternError::NotCanonical(text.into(), instead))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Named(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/*"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_shown_as_it_is_matched() {
        for (text, shown) in [
            ("/", "/"),
            ("/*", "/*"),
            ("/a/", "/a"),
            ("/a/*", "/a/*"),
            ("/a/{id}/b", "/a/{id}/b"),
            ("/{a}", "/{a}"),
            ("/Users/x.json", "/Users/x.json"),
            ("/café/*", "/caf%C3%A9/*"),
            ("/a%20b", "/a%20b"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_told_what_to_write() {
        for (text, message) in [
            ("", "a path begins with `/` and has no empty segment; write `/`"),
            ("a/b", "a path begins with `/` and has no empty segment; write `/a/b`"),
            ("//a", "a path begins with `/` and has no empty segment; write `/a`"),
            ("/a//b", "a path begins with `/` and has no empty segment; write `/a/b`"),
            ("/a//*", "a path begins with `/` and has no empty segment; write `/a/*`"),
            (
                "/a/*/b",
                "`*` stands alone as the last segment; write `{name}` for one segment between",
            ),
            ("/a*", "`*` stands alone as the last segment; write `{name}` for one segment between"),
            (
                "/*.js",
                "`*` stands alone as the last segment; write `{name}` for one segment between",
            ),
            (
                "/x{id}",
                "`x{id}` is no named segment; write `{name}` between two slashes, of letters, \
                 digits and `_`",
            ),
            ("/%7Eann", "`%7Eann` is matched in canonical form; write `~ann`"),
            ("/a[b]", "`a[b]` is matched in canonical form; write `a%5Bb%5D`"),
            ("/a/./b", "`.` is matched in canonical form; write ``"),
            ("/a?b=c", "the query never matches; leave out `?` and what follows"),
            (
                "/a;b",
                "`/a;b` reads differently to different servers, so such a path is always refused",
            ),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        for text in ["/a%2Fb", "/a%5Cb", "/a./b", "/a/..", "/a%2541", "/%3Fa", "/a%20", "/%zz"] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(matches!(error, PatternError::NeverServed(_)), "{text}: {error}");
        }
    }
}
