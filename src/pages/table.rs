//! The pages, one row for each.

use std::pin::Pin;

use serde_json::{Value, json};

use super::blank::Blank;
use super::form::Form;
use super::outcome::Outcome;
use super::site;
use super::visit::Context;
use super::{
    account, api, api_keys, confirm, devices, email, factors, password, register, reset, sign_in,
    sign_out, verify,
};

type Handled<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
type Get = for<'a> fn(&'a Context<'a>) -> Handled<'a>;
pub(super) type Post = for<'a> fn(&'a Context<'a>, Form) -> Handled<'a>;

/// One page.
pub(super) struct Row {
    /// Below the prefix, without slashes at its ends.
    pub(super) path: &'static str,
    /// For logs and metrics.
    pub(super) name: &'static str,
    pub(super) who: Who,
    pub(super) get: Get,
    /// What is done there, if anything is.
    pub(super) post: Option<Post>,
}

/// Whom a page is for.
pub(super) enum Who {
    Anybody,
    /// All others are sent to sign in first.
    SignedIn,
    /// Users with the role of operators who have signed in lately; all others are refused, or
    /// sent to sign in first.
    Operator,
}

macro_rules! page {
    ($path:literal, $name:literal, $who:ident, $get:path $(, $post:path)?) => {
        $crate::pages::table::Row {
            path: $path,
            name: $name,
            who: $crate::pages::table::Who::$who,
            get: |cx| Box::pin($get(cx)),
            post: page!(@post $($post)?),
        }
    };
    (@post) => { None };
    (@post $post:path) => { Some(|cx, form| Box::pin($post(cx, form))) };
}

pub(super) use page;

/// The one that an operator may switch off.
pub(super) const API: &str = "api";

pub(super) static TABLE: [Row; 14] = [
    page!("sign-in", "page sign-in", Anybody, sign_in::get, sign_in::post),
    page!("sign-out", "page sign-out", Anybody, sign_out::get, sign_out::post),
    page!("register", "page register", Anybody, register::get, register::post),
    page!("forgot", "page forgot", Anybody, reset::ask, reset::send),
    page!("reset", "page reset", Anybody, reset::choose, reset::change),
    page!("verify", "page verify", Anybody, verify::get, verify::post),
    page!("", "page account", SignedIn, account::get),
    page!("account/verify", "page account/verify", SignedIn, account::to_account, account::verify),
    page!("account/email", "page account/email", SignedIn, email::get, email::post),
    page!("account/password", "page account/password", SignedIn, password::get, password::post),
    page!("account/factors", "page account/factors", SignedIn, factors::get, factors::post),
    page!("account/sessions", "page account/sessions", SignedIn, devices::get, devices::post),
    page!("account/keys", "page account/keys", SignedIn, api_keys::get, api_keys::post),
    page!("api", "page api", Anybody, api::get, api::post),
];

fn blanks() -> impl Iterator<Item = &'static Blank> {
    let first = sign_in::BLANKS.into_iter().chain(sign_out::BLANKS).chain(register::BLANKS);
    first.chain(reset::BLANKS).chain(verify::BLANKS).chain(email::BLANKS).chain(password::BLANKS)
}

/// All texts that pages say beside those of their templates, in English.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let own = blanks().flat_map(Blank::texts).filter(|text| !text.is_empty());
    own.chain(sign_in::texts())
        .chain([register::SIGN_IN_INSTEAD])
        .chain(reset::TEXTS)
        .chain(super::onward::TEXTS)
        .chain(account::texts())
        .chain(super::lately::texts())
        .chain(devices::texts())
        .chain(api_keys::texts())
        .chain(factors::texts())
        .chain([api::TITLE])
        .chain(super::refusal::texts())
        .chain(site::texts())
}

/// Every template, with what it may be filled with.
pub(super) fn samples() -> impl Iterator<Item = (&'static str, Value)> {
    let sent = Form::parse(b"username=alice&email=alice@example.com&uid=7&token=T");
    let forms = blanks().map(move |blank| ("form.html", blank.sample(&sent)));
    let notice = json!({
        "texts": ["Not found."],
        "links": [{ "label": account::BACK, "to": "/auth/" }],
        "code": "no_route",
    });
    let own = forms.chain([
        ("notice.html", notice),
        ("account.html", account::sample()),
        ("devices.html", devices::sample()),
        ("keys.html", api_keys::sample()),
        ("factors.html", factors::sample()),
        ("api.html", api::sample()),
        ("confirm.html", confirm::sample()),
    ]);
    own.chain(site::samples())
}
