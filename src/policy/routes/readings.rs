//! What other servers may take a path for, told to whoever asks why it is refused.

use http::Method;

use super::{Place, Routes};
use crate::web::{CanonicalPath, Form};

/// A path as a sloppier server may read it, and where it would lead.
#[derive(Clone, Debug)]
pub struct OtherReading<'r> {
    /// The path; bytes that are no UTF-8 are replaced.
    pub path: String,
    /// What is there.
    pub place: Place<'r>,
    /// Whether that is what the canonical path leads to; if not, the request is refused.
    pub agrees: bool,
}

impl Routes {
    /// The other readings of a path, each once, of those that [`place`](Self::place) looks at.
    pub fn other_readings(
        &self,
        host: &str,
        path: &CanonicalPath<'_>,
        method: &Method,
    ) -> Vec<OtherReading<'_>> {
        let canonical = self.spot(Form::Canonical, host, path.as_str().as_bytes());
        let mut found: Vec<OtherReading<'_>> = Vec::new();
        path.all_readings(self.scope, |read| {
            let spot = self.spot(read.form, host, read.bytes);
            let (text, agrees) = (String::from_utf8_lossy(read.bytes), spot == canonical);
            // The canonical text in another form is worth a line only where it leads elsewhere.
            let is_new = (!agrees || text != path.as_str())
                && !found.iter().any(|known| known.path == text && known.agrees == agrees);
            if is_new {
                let place = self.at(spot, method);
                found.push(OtherReading { path: text.into_owned(), place, agrees });
            }
            true
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::table;

    fn read(path: &str) -> Vec<(String, bool)> {
        let routes = table(&[("/*", "anyone", "a"), ("/admin/*", "role:admin", "b")]);
        let path = CanonicalPath::parse(path).unwrap();
        let found = routes.other_readings("", &path, &Method::GET);
        let elsewhere = found.iter().any(|reading| !reading.agrees);
        assert_eq!(routes.place("", &path, &Method::GET).is_err(), elsewhere, "{path}");
        found.into_iter().map(|reading| (reading.path, reading.agrees)).collect()
    }

    #[test]
    fn each_other_reading_is_told_once_with_where_it_leads() {
        assert_eq!(read("/x"), []);
        assert_eq!(read("/X"), [("/x".to_owned(), true)]);
        assert_eq!(read("/Admin"), [("/admin".to_owned(), false)]);
        let slashes = read("//admin/x");
        assert!(slashes.contains(&("/admin/x".to_owned(), false)), "{slashes:?}");
        let escaped = read("/a%2Fb");
        assert_eq!(escaped, [("/a%2fb".to_owned(), true), ("/a/b".to_owned(), true)]);
    }
}
