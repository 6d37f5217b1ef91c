//! Why something cannot be had, in words.

use http::{Response, StatusCode};
use serde_json::json;

use super::Reader;
use super::outcome::View;
use super::serve::Pages;
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
        let mut page = self.refused(parts.status, code, caller, reader.language).response;
        for (name, value) in &parts.headers {
            if !page.headers().contains_key(name) && name != http::header::CONTENT_LENGTH {
                page.headers_mut().append(name, value.clone());
            }
        }
        page
    }
}
