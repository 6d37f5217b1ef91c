//! What is at a path: the rows of the table that share it, and the `Allow` of them all.

use http::{HeaderValue, Method};

use super::{Row, TABLE};

/// What stands for any one segment, at the end of a path.
const ID: &str = "{id}";

/// An endpoint: all rows of one path.
#[derive(Clone, Copy)]
pub(super) struct Resource {
    pub(super) first: &'static Row,
    rows: &'static [Row],
}

impl Resource {
    /// The endpoint of a path below the prefix, without slashes at its ends, and what stands in
    /// the place of its `{id}`. A path that is written out is found before one that has one.
    pub(super) fn find(path: &str) -> Option<(Self, Option<&str>)> {
        let exact = Self::all().find(|resource| resource.first.path == path);
        exact.map(|resource| (resource, None)).or_else(|| {
            let (parent, id) = path.rsplit_once('/').filter(|(_, id)| !id.is_empty())?;
            let is_below = |resource: &Self| {
                let pattern = resource.first.path.strip_suffix(ID);
                pattern.and_then(|pattern| pattern.strip_suffix('/')) == Some(parent)
            };
            Self::all().find(is_below).map(|resource| (resource, Some(id)))
        })
    }

    /// The row of a method; `HEAD` is asked of `GET`.
    pub(super) fn row(self, method: &Method) -> Option<&'static Row> {
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        self.rows.iter().find(|row| row.method == *asked)
    }

    /// All of them, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let rows = TABLE.iter().flat_map(|rows| rows.chunk_by(|one, next| one.path == next.path));
        rows.filter_map(|rows| Some(Self { first: rows.first()?, rows }))
    }

    /// All rows.
    pub(super) fn rows(self) -> impl Iterator<Item = &'static Row> {
        self.rows.iter()
    }

    /// The `Allow` field, in the order of DRF's views.
    pub(super) fn allow(self) -> HeaderValue {
        let order = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let served = order.iter().filter(|method| self.row(method).is_some());
        let mut names: Vec<_> = served.map(Method::as_str).collect();
        if self.row(&Method::HEAD).is_some() {
            names.push(Method::HEAD.as_str());
        }
        names.push(Method::OPTIONS.as_str());
        // Names of methods are always fit for a field.
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
    }
}

impl Row {
    /// Whether it is sent a body.
    pub(super) fn takes_body(&self) -> bool {
        ![Method::GET, Method::DELETE].contains(&self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<(&'static str, Option<&str>)> {
        Resource::find(path).map(|(resource, id)| (resource.first.path, id))
    }

    #[test]
    fn a_path_is_written_out_or_ends_in_any_segment() {
        for (path, expected) in [
            ("sessions", Some(("sessions", None))),
            ("sessions/7-00", Some(("sessions/{id}", Some("7-00")))),
            ("sessions/{id}", Some(("sessions/{id}", None))),
            ("sessions/", None),
            ("sessions/7/x", None),
            ("sessions//7", None),
            ("7", None),
            ("/7", None),
            ("", None),
            ("token/refresh", Some(("token/refresh", None))),
            ("token/x", None),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
    }

    #[test]
    fn a_method_of_a_path_stands_in_the_table_once_and_a_path_in_one_place() {
        let paths: Vec<_> = Resource::all().map(|resource| resource.first.path).collect();
        let mut once = paths.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), paths.len(), "{paths:?}");
        for resource in Resource::all() {
            let path = resource.first.path;
            let methods: Vec<_> = resource.rows().map(|row| row.method.clone()).collect();
            for method in &methods {
                assert_eq!(methods.iter().filter(|other| *other == method).count(), 1, "{path}");
                assert!(resource.allow().to_str().unwrap().contains(method.as_str()), "{path}");
            }
            assert!(!path.starts_with('/') && !path.ends_with('/'), "{path}");
            assert!(!path.strip_suffix(ID).unwrap_or(path).contains('{'), "{path}");
        }
    }
}
