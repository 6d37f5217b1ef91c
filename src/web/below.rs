//! Paths below a prefix.

/// What follows a prefix in a path that is the prefix, or below it at a segment boundary:
/// `/api/auth` covers `/api/auth/x` and not `/api/authors`.
pub fn below<'p>(prefix: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
