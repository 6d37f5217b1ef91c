//! Whom a page is for.

use std::sync::Arc;

use http::header::HeaderName;
use http::request::Parts;
use http::{Method, StatusCode};

use super::language::Language;
use super::serve::Pages;
use super::settings::SiteSettings;
use super::table::Who;
use super::{Reader, Shown};
use crate::session::Authenticated;
use crate::web::is_read;

/// Sent by browsers alone (Fetch Metadata).
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

impl Pages {
    /// What somebody is shown in the place of a page that is not for them, or not yet.
    pub(super) fn turn_away(
        &self,
        who: &Who,
        (parts, path): (&Parts, &str),
        caller: Option<&Authenticated>,
        language: &'static Language,
    ) -> Option<Shown> {
        if matches!(who, Who::Anybody) {
            return None;
        }
        let Some(caller) = caller else {
            let looks = [Method::GET, Method::HEAD].contains(&parts.method);
            let reader = Reader::of(parts, path).filter(|_| looks);
            return Some(Shown::of(self.ask_to_sign_in(reader.as_ref(), false)));
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
        Some(Shown::of(self.ask_to_sign_in(Some(&back), true)))
    }

    /// The same of what operators do, once their form is there: it may have taken its time, and the
    /// right of whoever sent it may be gone.
    pub(super) async fn turn_away_late(
        &self,
        who: &Who,
        at: (&Parts, &str),
        caller: Option<&Arc<Authenticated>>,
        language: &'static Language,
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
