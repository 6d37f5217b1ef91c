//! What a response is given on its way out, whatever came of its request.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Response, StatusCode};

use crate::pages::{Pages, Reader, SignIn};
use crate::proxy::Rejection;
use crate::session::Authenticated;
use crate::web::{Body, CrossOrigin};

/// What became known of a request that its response depends on.
#[derive(Default)]
pub(super) struct Parting<'s> {
    /// The rule for pages of other origins.
    pub(super) cross: Option<CrossOrigin<'s>>,
    /// By which a browser keeps its session, or loses it.
    pub(super) cookie: Option<HeaderValue>,
    /// Who is to read it, if somebody is.
    pub(super) reader: Option<Reader>,
    /// Who asked, if that is known.
    pub(super) caller: Option<Arc<Authenticated>>,
    /// Whether its route is for browsers.
    pub(super) browser: bool,
}

impl Parting<'_> {
    /// The refusal in the form that is best for whoever is refused.
    pub(super) fn refuse(&self, pages: Option<&Pages>, rejection: Rejection) -> Response<Body> {
        let Some((pages, reader)) = pages.zip(self.reader.as_ref()) else {
            return rejection.into_response();
        };
        if matches!(rejection, Rejection::Overloaded) {
            return pages.send_away(reader, rejection.into_response());
        }
        let (status, code, _) = rejection.class();
        let asks = self.browser && reader.goes() && status == StatusCode::UNAUTHORIZED;
        if asks && let Some(how) = helps(&rejection) {
            return pages.ask_to_sign_in(Some(reader), how);
        }
        pages.explain(reader, self.caller.as_deref(), code, rejection.into_response())
    }

    /// Looks at a request that is sent away unseen.
    pub(super) fn hurry(&mut self, pages: Option<&Pages>, parts: &Parts) {
        self.reader = pages.and_then(|_| Reader::in_haste(parts));
    }

    /// Sets what is the gateway's to say.
    pub(super) fn see_off(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        // A page may read why it was refused, too.
        if let Some(cross) = self.cross {
            cross.grant(headers);
        }
        if let Some(cookie) = self.cookie {
            headers.append(header::SET_COOKIE, cookie);
            // One caller's session is not to be kept for others.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}

/// How a browser that is refused so would have to sign in.
const fn helps(rejection: &Rejection) -> Option<SignIn> {
    if let Rejection::NoCredentials = rejection {
        return Some(SignIn::AtAll);
    }
    if let Rejection::StaleLogin(_) = rejection {
        return Some(SignIn::Anew);
    }
    if let Rejection::NeedsFactor = rejection { Some(SignIn::WithFactor) } else { None }
}
