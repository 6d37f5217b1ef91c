//! On to where somebody wanted to go before signing in.
//!
//! What is there may send the browser on to another origin; one that signs people in for others
//! does. Chromium holds every redirect that follows a form against the form's page, whose
//! `form-action` is this origin alone (Content Security Policy Level 3, section 6.4.1). So the form
//! ends at a page of ours, and that goes on by itself.

use http::header::HeaderValue;
use serde_json::json;

use super::outcome::{Outcome, View};
use super::visit::Context;

const TITLE: &str = "You are signed in";
const GO_ON: &str = "Continue";

/// All that it says.
#[cfg(test)]
pub(super) const TEXTS: [&str; 2] = [TITLE, GO_ON];

/// In the query of the page where one signs in: a form has just done so.
const DONE: &str = "in";

impl Context<'_> {
    /// A page of ours that leads on to where somebody wanted to go.
    pub(super) fn page_before(&self, below: &str, next: Option<&str>) -> String {
        let page = self.page(below);
        let Some(next) = next else { return page };
        let mut query = form_urlencoded::Serializer::new(String::new());
        format!("{page}?{}", query.append_pair("next", next).finish())
    }

    /// Where a form leads that has signed somebody in.
    pub(super) fn after_form(&self, next: Option<String>) -> String {
        match next {
            None => self.page(""),
            Some(next) if self.settings.owns(path(&next)) => next,
            Some(next) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("done", DONE).append_pair("next", &next);
                format!("{}?{}", self.page("sign-in"), query.finish())
            }
        }
    }

    /// Leads on whoever is signed in. After a form by a page; others by a redirect, of which
    /// browsers follow only so many.
    pub(super) fn go_on(&self, next: Option<String>) -> Outcome {
        let Some(next) = next else { return Outcome::go(self.page("")) };
        let refresh = HeaderValue::try_from(format!("0;url={next}")).ok();
        let refresh = refresh.filter(|_| self.query.text("done") == DONE);
        if refresh.is_none() {
            return Outcome::go(next);
        }
        let links = [json!({ "label": GO_ON, "to": next })];
        let data = json!({ "texts": [], "links": links, "code": "" });
        View { refresh, ..View::good("notice.html", TITLE, data) }.into()
    }
}

/// A target without its query.
fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}
