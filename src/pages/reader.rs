//! Somebody who is to read the answer to a request.

use std::fmt;

use http::Uri;
use http::request::Parts;

use super::language::Language;
use super::next::own_target;
use crate::web::{is_navigation, is_read};

/// A browser that goes to a page, or sends a form: it is better told in words of its reader than in
/// JSON. `Debug` does not show where: a secret may be in the query.
#[derive(Clone)]
pub struct Reader {
    /// Whether it goes to a page. A form is not sent again by going there.
    goes: bool,
    /// Where that is, in the canonical form; `None` where it cannot be remembered.
    target: Option<String>,
    pub(super) language: &'static Language,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("language", &self.language.tag).finish_non_exhaustive()
    }
}

impl Reader {
    /// The reader of a request to that canonical path; `None` where a program asks.
    pub fn of(parts: &Parts, path: &str) -> Option<Self> {
        if !is_read(&parts.method, &parts.headers) {
            return None;
        }
        let goes = is_navigation(&parts.method, &parts.headers);
        let target = if goes { own_target(&whole(parts, path)) } else { None };
        Some(Self { goes, target, language: Language::choose(&parts.headers) })
    }

    /// The same of a request that is sent away unseen: where it goes is not looked at.
    pub fn in_haste(parts: &Parts) -> Option<Self> {
        let is_read = is_read(&parts.method, &parts.headers);
        let language = || Language::choose(&parts.headers);
        is_read.then(|| Self { goes: false, target: None, language: language() })
    }

    /// Who is to come back to that canonical path, and its query, whatever was asked there.
    pub(super) fn back_to(parts: &Parts, path: &str) -> Self {
        let target = own_target(&whole(parts, path));
        Self { goes: true, target, language: Language::choose(&parts.headers) }
    }

    /// Whether it goes to a page, to which it can come back.
    pub const fn goes(&self) -> bool {
        self.goes
    }

    /// A path of a page with where the reader wanted to go.
    pub(super) fn by_way_of(&self, page: &str) -> String {
        let Some(target) = &self.target else { return page.to_owned() };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("next", target);
        format!("{page}?{}", query.finish())
    }
}

fn whole(parts: &Parts, path: &str) -> String {
    match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// The query of a target; empty where there is none.
pub(super) fn query(uri: &Uri) -> &[u8] {
    uri.query().unwrap_or_default().as_bytes()
}
