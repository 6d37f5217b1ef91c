//! Why something cannot be had, in words.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Response, StatusCode};
use serde_json::json;

use super::Reader;
use super::language::Language;
use super::outcome::View;
use super::serve::Pages;
use super::show::dressed;
use crate::session::Authenticated;
use crate::web::Body;

/// Title and text of each status that readers meet; all others are the request's own fault.
const WORDS: [(StatusCode, &str, &str); 7] = [
    (
        StatusCode::FORBIDDEN,
        "You have no access",
        "Your account is not allowed to see this page. If you think that it should be, ask whoever runs this site.",
    ),
    (StatusCode::NOT_FOUND, "Not found", "There is no such page. Perhaps the address is mistyped."),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests",
        "You have sent too many requests. Wait a moment, then try again.",
    ),
    (StatusCode::NOT_IMPLEMENTED, "Not available", "This site does not offer that."),
    (
        StatusCode::BAD_GATEWAY,
        "Out of order",
        "The service behind this page is out of order. Try again later.",
    ),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "The service is busy or down for a moment. Try again shortly.",
    ),
    (
        StatusCode::GATEWAY_TIMEOUT,
        "No answer",
        "The service behind this page did not answer in time. Try again later.",
    ),
];
const OTHER: (&str, &str) =
    ("This did not work", "The request could not be understood. Go back and try again.");

/// What is told whoever comes while there is too much to do.
const OVERLOADED: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "overloaded");

/// The page about that, by the language. It is made before, for then it must cost no more than the
/// few words that programs get.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<(&'static str, Bytes)>);

/// The page of a refusal.
pub(super) fn view(status: StatusCode, code: &'static str) -> View {
    let known = WORDS.iter().find(|(known, ..)| *known == status);
    let (title, text) = known.map_or(OTHER, |(_, title, text)| (*title, *text));
    let data = json!({ "texts": [text], "links": [], "code": code });
    View { status, code: Some(code), ..View::good("notice.html", title, data) }
}

/// All texts of such pages.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    WORDS.iter().flat_map(|(_, title, text)| [*title, *text]).chain([OTHER.0, OTHER.1])
}

impl Pages {
    /// The page for a reader whose request was refused with `response`, in its place; the fields
    /// of that stay. Refusals that no page is about are as they were.
    pub fn explain(
        &self,
        reader: &Reader,
        caller: Option<&Authenticated>,
        code: &'static str,
        response: Response<Body>,
    ) -> Response<Body> {
        let (parts, body) = response.into_parts();
        if !WORDS.iter().any(|(known, ..)| *known == parts.status) {
            return Response::from_parts(parts, body);
        }
        let language = self.language(reader.language);
        let page = self.refused(parts.status, code, caller, language).response;
        with_fields(page, &parts.headers)
    }

    /// The same for a reader who is sent away with `response` because there is too much to do
    /// already: whatever their session, all get the same page.
    pub fn send_away(&self, reader: &Reader, response: Response<Body>) -> Response<Body> {
        let kept = self.kept.0.iter().find(|(tag, _)| *tag == reader.language.tag);
        // A template that fails over this has nothing to say; the response has.
        let Some((_, text)) = kept else { return response };
        with_fields(dressed(OVERLOADED.0, text.clone(), reader.language), response.headers())
    }

    pub(super) fn made_before(&self) -> Kept {
        let all = Language::all().map(|language| self.language(language));
        let made = all.filter_map(|language| {
            let View { template, title, data, .. } = view(OVERLOADED.0, OVERLOADED.1);
            let text = self.draw(title, (template, data, None), None, language).ok()?;
            Some((language.tag, text.into()))
        });
        Kept(made.collect())
    }
}

/// A page with those fields, too, but for those that it has itself.
fn with_fields(mut page: Response<Body>, fields: &HeaderMap) -> Response<Body> {
    for (name, value) in fields {
        if !page.headers().contains_key(name) && name != CONTENT_LENGTH {
            page.headers_mut().append(name, value.clone());
        }
    }
    page
}
