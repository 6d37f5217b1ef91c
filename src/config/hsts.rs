//! `hsts`: that browsers come by TLS alone.

use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value as Json, json};
use toml::Spanned;

use super::context::Context;
use super::diagnostic::Problems;
use super::raw;
use super::read::{Read, Scalar, Value};
use super::schema::Defs;

/// The shortest time that browsers take into their lists.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `hsts`: a time, or a table with one.
#[derive(Debug)]
pub(super) enum Hsts {
    Age(Duration),
    Table(raw::HstsTable),
}

impl Read for Hsts {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        if value.get_ref().is_table() {
            return raw::HstsTable::read(key, value, problems).map(Self::Table);
        }
        Duration::read(key, value, problems).map(Self::Age)
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        json!({ "anyOf": [Duration::form(), raw::HstsTable::schema(at, defs)] })
    }
}

/// RFC 6797 section 6.1, and what the browsers' lists ask for on top.
pub(super) fn value(cx: &mut Context<'_>, written: Spanned<Hsts>) -> Option<HeaderValue> {
    let at = written.span();
    let (age, include_subdomains, preload) = match written.into_inner() {
        Hsts::Age(age) => (age, false, false),
        Hsts::Table(table) => {
            let on = |key: Option<Spanned<bool>>| key.is_some_and(Spanned::into_inner);
            let Some(age) = table.max_age else {
                if !table.flawed {
                    cx.error(at, "no `max_age`; add one such as \"365d\"");
                }
                return None;
            };
            (age.into_inner(), on(table.include_subdomains), on(table.preload))
        }
    };
    if preload && (age < A_YEAR || !include_subdomains) {
        let message = "with `preload` browsers want max_age = \"365d\" at least and \
                       include_subdomains = true; set both, or leave it out";
        cx.error(at, message);
        return None;
    }
    let mut value = format!("max-age={}", age.as_secs());
    if include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if preload {
        value.push_str("; preload");
    }
    HeaderValue::try_from(value).ok()
}
