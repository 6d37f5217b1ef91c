//! Paths that an operator gives to something of the gateway's own.

use std::ops::Range;

use super::context::Context;
use crate::policy::Routes;
use crate::web::{CanonicalPath, below};

/// A path of ours, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct OwnPath {
    /// The key that gives it, as messages name it.
    pub(super) key: &'static str,
    pub(super) path: String,
    pub(super) at: Range<usize>,
}

/// Whether that can be a path of ours: plain, and not the root.
pub(super) fn is_plain(path: &str) -> bool {
    let canonical = CanonicalPath::parse(path).is_ok_and(|parsed| parsed.as_str() == path);
    canonical && path.len() > 1 && !path.ends_with('/') && !path.contains(['*', '{', '?', '#'])
}

/// Notes paths of ours that are within one another, or within the prefix of the auth endpoints. The
/// later one is the one to choose anew.
pub(super) fn apart(cx: &mut Context<'_>, prefix: &str, paths: &[OwnPath]) {
    let endpoints = OwnPath { key: "[auth] prefix", path: prefix.to_owned(), at: 0..0 };
    for (number, later) in paths.iter().enumerate() {
        for earlier in paths.iter().take(number).chain([&endpoints]) {
            if is_within(&earlier.path, &later.path) || is_within(&later.path, &earlier.path) {
                let OwnPath { key, path, .. } = earlier;
                let message =
                    format!("`{}` and {key} (\"{path}\") overlap; choose another", later.key);
                cx.error(later.at.clone(), message);
            }
        }
    }
}

/// Notes routes that nobody would ever reach behind such a path.
pub(super) fn hidden(cx: &mut Context<'_>, paths: &[OwnPath], routes: &Routes) {
    for OwnPath { key, path, at } in paths {
        for route in routes.iter().filter(|route| route.key.pattern.is_below(path)) {
            let message = format!("`{key}` hides route `{}`; choose another", route.key);
            cx.error(at.clone(), message);
        }
    }
}

/// Whether `inner` is `outer`, or below it at a segment boundary.
fn is_within(outer: &str, inner: &str) -> bool {
    !outer.is_empty() && below(outer, inner).is_some()
}
