//! What pages load: one stylesheet, and the operator's logo.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::settings::PagesSettings;
use crate::session::hex;
use crate::web::Body;

const STYLE: &str = include_str!("templates/style.css");

/// Ready to be sent. Their names change with what is in them, so that browsers may keep them.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) style: Asset,
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
        Self { style: style(&settings.accent), logo }
    }

    /// The asset of that name.
    pub(super) fn find(&self, name: &str) -> Option<&Asset> {
        [Some(&self.style), self.logo.as_ref()].into_iter().flatten().find(|it| it.name == name)
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

/// The stylesheet in that colour; links are lighter where the page is dark.
fn style(accent: &str) -> Asset {
    let colours = format!(
        ":root {{ --accent: {accent}; --link: {accent}; }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{ --link: color-mix(in srgb, {accent} 45%, white); }} }}\n"
    );
    let text = format!("{colours}{STYLE}");
    Asset::new("style", ".css", "text/css; charset=utf-8", text.into())
}
