//! What pages load: one stylesheet, one script, and the operator's logo.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::Colour;
use super::settings::PagesSettings;
use crate::session::hex;
use crate::web::Body;

const STYLE: &str = include_str!("templates/style.css");
/// What links stand on, as the stylesheet has it: the darkest of a light page, the lightest of a
/// dark one.
const LIGHT: &str = "#f4f5f7";
const DARK: &str = "#1a1e25";

/// Has moments in the reader's zone, and asks for passkeys. Pages do without it.
const SCRIPT: &str =
    concat!(include_str!("templates/times.js"), include_str!("templates/passkeys.js"));

/// Ready to be sent. Their names change with what is in them, so that browsers may keep them.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) logo: Option<Asset>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Asset {
    /// Below the prefix.
    pub(super) name: String,
    media_type: &'static str,
    bytes: Bytes,
}

impl Assets {
    pub(super) fn new(settings: &PagesSettings) -> Self {
        let logo = settings.logo.as_ref();
        let logo = logo.map(|logo| Asset::new("logo", "", logo.media_type, logo.bytes.clone()));
        let script = "text/javascript; charset=utf-8";
        let script = Asset::new("pages", ".js", script, Bytes::from_static(SCRIPT.as_bytes()));
        Self { style: style(settings.accent), script, logo }
    }

    /// The asset of that name.
    pub(super) fn find(&self, name: &str) -> Option<&Asset> {
        let all = [Some(&self.style), Some(&self.script), self.logo.as_ref()];
        all.into_iter().flatten().find(|it| it.name == name)
    }
}

impl Asset {
    fn new(name: &str, ending: &str, media_type: &'static str, bytes: Bytes) -> Self {
        let hash = hex(digest(&SHA256, &bytes).as_ref());
        let hash = hash.get(..16).unwrap_or_default();
        Self { name: format!("{name}-{hash}{ending}"), media_type, bytes }
    }

    /// Answers a request for it.
    pub(super) fn answer(&self, method: &Method) -> Response<Body> {
        if ![Method::GET, Method::HEAD].contains(method) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::new(Body::from(self.bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        headers.insert(header::CONTENT_LENGTH, self.bytes.len().into());
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, kept);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A drawing may have scripts in it, which are none of ours.
        let nothing = HeaderValue::from_static("default-src 'none'; sandbox");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
        response
    }
}

/// The stylesheet in that colour. What is written on buttons is black or white, and links are
/// darker or lighter, so that both can be read.
fn style(accent: Colour) -> Asset {
    let (on, away) = accent.on_and_away();
    let link = |ground: &str, end| {
        Colour::parse(ground).map_or(accent, |ground| accent.readable_on(ground, end))
    };
    let (light, dark) = (link(LIGHT, Colour::BLACK), link(DARK, Colour::WHITE));
    let colours = format!(
        ":root {{ --accent: {accent}; --on: {on}; --away: {away}; --link: {light}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --link: {dark}; }} }}\n"
    );
    let text = format!("{colours}{STYLE}");
    Asset::new("style", ".css", "text/css; charset=utf-8", text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stand_on_what_the_stylesheet_says() {
        assert!(STYLE.contains(&format!("--ground: {LIGHT};")));
        assert!(STYLE.contains(&format!("--paper: {DARK};")));
    }

    #[test]
    fn a_colour_that_is_too_light_to_be_read_is_darker_for_links() {
        let style = style(Colour::parse("#ffd400").unwrap());
        let style = String::from_utf8_lossy(&style.bytes).into_owned();
        assert!(
            style.starts_with(
                ":root { --accent: #ffd400; --on: #000000; --away: #ffffff; --link: #7f6a00; }"
            ),
            "{style}"
        );
    }
}
