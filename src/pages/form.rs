//! What a browser sends with a page: a query, or a form (`application/x-www-form-urlencoded`).

use std::fmt;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};

use crate::web::{BodyFault, RequestBody};

/// Fields by name. `Debug` does not show their values: passwords are among them.
#[derive(Default)]
pub(super) struct Form(Vec<(String, String)>);

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadForm {
    /// It is in another form.
    #[error("form in another media type")]
    MediaType,
    /// It did not come whole.
    #[error(transparent)]
    Body(#[from] BodyFault),
}

impl BadForm {
    /// Status and stable code.
    pub(super) const fn class(self) -> (StatusCode, &'static str) {
        match self {
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::Body(BodyFault::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Body(BodyFault::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::Body(BodyFault::Broken) => (StatusCode::BAD_REQUEST, "body_incomplete"),
        }
    }
}

impl Form {
    /// Reads a query, or the bytes of a body.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// Reads a body of at most `most` bytes.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: RequestBody,
        most: u64,
    ) -> Result<Self, BadForm> {
        let media = headers.get(CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
        let media = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Err(BadForm::MediaType);
        }
        Ok(Self::parse(&body.read(most).await?))
    }

    /// All fields, as they were sent.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A field; empty where there is none. Of several the last one counts, as at the endpoints.
    pub(super) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
