//! From the path of a request to the name of a file.

use percent_encoding::percent_decode_str;

/// What a path asks for below a folder.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name {
    /// Segments joined by `/`, none of them empty, `.` or `..`; empty for the folder itself.
    pub(super) below: String,
    /// The path ended with `/`: only a folder will do.
    pub(super) is_folder: bool,
}

impl Name {
    /// Reads a canonical path, and takes its escapes away, once. `None` for what no file here is
    /// called: names with `/` or NUL in them, that are no UTF-8, or begin with a dot, for what an
    /// editor, a version control system or a deployment leaves lying about is for nobody.
    /// `.well-known` (RFC 8615) at the top is no such thing.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        if path.is_empty() {
            return Some(Self { below: String::new(), is_folder: true });
        }
        let (path, is_folder) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        let mut below = String::with_capacity(path.len());
        for segment in path.split('/') {
            let segment = percent_decode_str(segment).decode_utf8().ok()?;
            let is_hidden =
                segment.starts_with('.') && !(below.is_empty() && segment == ".well-known");
            if segment.is_empty() || is_hidden || segment.contains(['/', '\0']) {
                return None;
            }
            if !below.is_empty() {
                below.push('/');
            }
            below.push_str(&segment);
        }
        Some(Self { below, is_folder })
    }

    /// Of a file in that folder.
    pub(super) fn within(&self, file: &str) -> String {
        if self.below.is_empty() { file.to_owned() } else { format!("{}/{file}", self.below) }
    }

    /// Whether it could be the name of a page that a script in the browser makes.
    pub(super) fn looks_like_a_page(&self) -> bool {
        !self.below.rsplit('/').next().is_some_and(|last| last.contains('.'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(path: &str) -> Option<(String, bool)> {
        Name::of(path).map(|name| (name.below, name.is_folder))
    }

    #[test]
    fn a_path_is_decoded_once() {
        for (path, below, is_folder) in [
            ("/", "", true),
            ("/a", "a", false),
            ("/a/", "a", true),
            ("/a/b%20c.txt", "a/b c.txt", false),
            ("/%C3%A9t%C3%A9", "\u{e9}t\u{e9}", false),
            ("/100%2525", "100%25", false),
            ("/a%5C..%5Cb", "a\\..\\b", false),
            ("/.well-known/security.txt", ".well-known/security.txt", false),
        ] {
            assert_eq!(name(path), Some((below.to_owned(), is_folder)), "{path}");
        }
    }

    #[test]
    fn what_is_hidden_or_no_name_is_not_there() {
        for path in [
            "",
            "a",
            "//",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/.git/config",
            "/a/.env",
            "/.htaccess",
            "/a/.well-known/x",
            "/.well-known/.x",
            "/a%2Fb",
            "/%2F",
            "/%2E%2E/a",
            "/%2e%2e%2fa",
            "/%2Egit",
            "/a%00",
            "/%FF",
            "/%C0%AE",
            "/%ED%A0%80",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    proptest! {
        /// Whatever is asked for, what is opened is a plain name.
        #[test]
        fn no_path_leads_up_or_away(path in "/([a.%/\\\\~ ]|%2[EeFf]|%00|%5[Cc]|\\.\\.|é){0,12}") {
            if let Some(name) = Name::of(&path) {
                prop_assert!(!name.below.starts_with('/') && !name.below.contains('\0'));
                let segments = || name.below.split('/').filter(|_| !name.below.is_empty());
                prop_assert!(segments().all(|it| !it.is_empty() && !it.starts_with('.')));
            }
        }
    }
}
