//! A page as it goes out: its text, and the fields that keep it what it is.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

use super::language::Language;
use super::outcome::View;
use super::serve::Pages;
use super::site;
use super::visit::Shown;
use crate::session::Authenticated;
use crate::template::TemplateError;
use crate::web::Body;

/// Nothing comes from elsewhere, nothing in a page itself runs, nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

impl Pages {
    pub(super) fn show(
        &self,
        view: View,
        caller: Option<&Authenticated>,
        language: &Language,
    ) -> Shown {
        let View { status, template, title, data, within, retry_after, refresh, .. } = view;
        let (code, error) = (view.code, view.error);
        let page = self.draw(title, (template, data, within), caller, language);
        let (text, status, error) = match page {
            Ok(text) => (text, status, error),
            // Templates are tried out before they are in force; and words can do without one.
            Err(problem) => {
                let error: Box<dyn std::error::Error + Send + Sync> = Box::new(problem);
                (title.to_owned(), StatusCode::INTERNAL_SERVER_ERROR, Some(error))
            }
        };
        let mut response = dressed(status, text.into(), language);
        let more = [(header::RETRY_AFTER, retry_after), (header::REFRESH, refresh)];
        for (name, value) in more {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
        Shown { code, error, ..Shown::of(response) }
    }

    /// The text of a page.
    pub(super) fn draw(
        &self,
        title: &str,
        (template, data, within): (&str, Value, Option<Value>),
        caller: Option<&Authenticated>,
        language: &Language,
    ) -> Result<String, TemplateError> {
        let below = |name: &str| format!("{}/{name}", self.settings.prefix);
        let frame = serde_json::json!({
            "title": title,
            "name": self.settings.name,
            "home": below(""),
            "style": below(&self.assets.style.name),
            "script": below(&self.assets.script.name),
            "logo": self.assets.logo.as_ref().map(|logo| below(&logo.name)),
            "user": caller.map(|caller| &caller.identity.username),
            "sign_out": below("sign-out/"),
        });
        let look = &self.settings.look;
        match within {
            None => look.page(template, data, frame, language),
            Some(within) => look
                .around(template, data, within, language)
                .and_then(|data| look.page(site::FRAME, data, frame, language)),
        }
    }
}

/// A page whose text is there.
pub(super) fn dressed(status: StatusCode, text: Bytes, language: &Language) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, html);
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag));
    dress(headers);
    response
}

impl Shown {
    pub(super) fn of(response: Response<Body>) -> Self {
        Self { response, page: None, caller: None, code: None, error: None }
    }
}

/// Sends a browser elsewhere. Targets are made of ASCII alone.
pub(super) fn go(status: StatusCode, to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let to = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    dress(response.headers_mut());
    response
}

/// The fields that keep a page what it is. Of `Referrer-Policy`, not less: without a referrer
/// browsers would not tell the origin of a form either.
fn dress(headers: &mut HeaderMap) {
    let policy = header::CONTENT_SECURITY_POLICY;
    for (name, value) in [
        (policy, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
