//! Whom a page is for.

use std::sync::Arc;

use http::header::HeaderName;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::language::Language;
use super::serve::Pages;
use super::settings::SiteSettings;
use super::show::go;
use super::table::Who;
use super::{Reader, Shown};
use crate::session::Authenticated;
use crate::web::{Body, is_read};

/// Sent by browsers alone (Fetch Metadata).
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What is asked of somebody who is sent to sign in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignIn {
    /// That they are somebody.
    AtAll,
    /// Their password once more.
    Anew,
    /// That, and a second factor.
    WithFactor,
}

impl Pages {
    /// Sends a browser to the page where one signs in, and back afterwards.
    pub fn ask_to_sign_in(&self, reader: Option<&Reader>, how: SignIn) -> Response<Body> {
        let page = format!("{}/sign-in/", self.settings.prefix);
        let mut to = reader.map_or_else(|| page.clone(), |reader| reader.by_way_of(&page));
        let more = match how {
            SignIn::AtAll => "",
            SignIn::Anew => "anew=1",
            SignIn::WithFactor => "anew=1&factor=1",
        };
        if !more.is_empty() {
            to.push(if to.contains('?') { '&' } else { '?' });
            to.push_str(more);
        }
        go(StatusCode::FOUND, &to)
    }

    /// What somebody is shown in the place of a page that is not for them, or not yet.
    pub(super) fn turn_away(
        &self,
        who: &Who,
        (parts, path): (&Parts, &str),
        caller: Option<&Authenticated>,
        language: &Language,
    ) -> Option<Shown> {
        if matches!(who, Who::Anybody) {
            return None;
        }
        let Some(caller) = caller else {
            let looks = [Method::GET, Method::HEAD].contains(&parts.method);
            let reader = Reader::of(parts, path).filter(|_| looks);
            return Some(Shown::of(self.ask_to_sign_in(reader.as_ref(), SignIn::AtAll)));
        };
        let Who::Operator = who else { return None };
        // Scripts of whatever else is at this origin neither read the site nor act on it unseen.
        if parts.headers.contains_key(MODE) && !is_read(&parts.method, &parts.headers) {
            return Some(self.refused(StatusCode::FORBIDDEN, "cross_site", Some(caller), language));
        }
        if !caller.identity.has_role(SiteSettings::ROLE) {
            return Some(self.refused(StatusCode::FORBIDDEN, "forbidden", Some(caller), language));
        }
        let within = self.settings.site.as_ref().map(|site| site.fresh).unwrap_or_default();
        if self.sessions.logged_in_within(caller, within) {
            return None;
        }
        // What was filled in is lost, but not where that was.
        let back = Reader::back_to(parts, path);
        Some(Shown::of(self.ask_to_sign_in(Some(&back), SignIn::Anew)))
    }

    /// The same of what operators do, once their form is there: it may have taken its time, and the
    /// right of whoever sent it may be gone.
    pub(super) async fn turn_away_late(
        &self,
        who: &Who,
        at: (&Parts, &str),
        caller: Option<&Arc<Authenticated>>,
        language: &Language,
    ) -> Option<Shown> {
        let (Who::Operator, Some(caller)) = (who, caller) else { return None };
        match self.sessions.reaffirm(caller).await {
            Ok(now) => self.turn_away(who, at, Some(&now), language),
            Err(error) if error.status().is_server_error() => {
                let shown = self.refused(error.status(), error.code(), Some(caller), language);
                Some(Shown { error: Some(Box::new(error)), ..shown })
            }
            Err(_) => self.turn_away(who, at, None, language),
        }
    }
}
