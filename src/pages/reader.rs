//! Somebody who is to read the answer to a request.

use http::Uri;
use http::request::Parts;

use super::language::Language;
use crate::web::is_navigation;

/// A browser that goes to a page: it is better told in words of its reader than in JSON.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Where it goes, in the canonical form.
    pub(super) target: String,
    pub(super) language: &'static Language,
}

impl Reader {
    /// The reader of a request to that canonical path; `None` where a program asks.
    pub fn of(parts: &Parts, path: &str) -> Option<Self> {
        if !is_navigation(&parts.method, &parts.headers) {
            return None;
        }
        Some(Self::back_to(parts, path))
    }

    /// Who is to come back to that canonical path, and its query, whatever was asked there.
    pub(super) fn back_to(parts: &Parts, path: &str) -> Self {
        let target = match parts.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Self { target, language: Language::choose(&parts.headers) }
    }

    /// A path of a page with where the reader wanted to go.
    pub(super) fn by_way_of(&self, page: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", &self.target);
        format!("{page}?{}", query.finish())
    }
}

/// The query of a target; empty where there is none.
pub(super) fn query(uri: &Uri) -> &[u8] {
    uri.query().unwrap_or_default().as_bytes()
}
