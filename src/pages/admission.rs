//! Whom a page is for.

use http::request::Parts;
use http::{Method, StatusCode};

use super::language::Language;
use super::serve::Pages;
use super::settings::SiteSettings;
use super::table::Who;
use super::{Reader, Shown};
use crate::session::Authenticated;

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
}
