//! `[mail]`, and where links lead.

use std::net::IpAddr;
use std::ops::Range;

use rustls::pki_types::ServerName;
use toml::Spanned;

use super::context::{Context, set};
use super::raw;
use super::templates;
use super::upstreams;
use crate::mail::{
    FILES, Links, Login, MailSettings, Page, RelaySettings, Security, Sender, Templates,
};
use crate::tls::ClientTls;
use crate::web::{HostName, Public};

/// Where links lead, which `[auth]` says, and `[mail]`.
pub(super) fn links_and_mail(
    cx: &mut Context<'_>,
    auth: &mut raw::Auth,
    mail: Option<Spanned<raw::Mail>>,
    public: Option<&Public>,
    pages: Option<&str>,
) -> (Option<Links>, Option<MailSettings>) {
    let links = links(cx, auth, public, pages);
    let mail = check(cx, mail, links.is_some());
    (links, mail)
}

/// Where links lead: to the pages below `pages`, if there are any. `None` without `public`, which
/// they are made from.
fn links(
    cx: &mut Context<'_>,
    raw: &mut raw::Auth,
    public: Option<&Public>,
    pages: Option<&str>,
) -> Option<Links> {
    // Checked also where there is nothing that would use them.
    let stand_in = Public { https: true, host: "localhost".to_owned(), port: None };
    let mut links = Links::new(public.cloned().unwrap_or(stand_in));
    if let Some(prefix) = pages {
        links = links.to_pages_below(prefix);
    }
    set(&mut links.reset_life, raw.reset.take());
    set(&mut links.verify_life, raw.verify.take());
    let pages = [
        ("reset_page", &mut links.reset, raw.reset_page.take()),
        ("verify_page", &mut links.verify, raw.verify_page.take()),
    ];
    for (key, page, written) in pages {
        let Some(written) = written else { continue };
        match Page::parse(written.get_ref()) {
            Some(parsed) => *page = parsed,
            None => cx.error(
                written.span(),
                format!(
                    "`{key}` must be a path with {{uid}} and {{token}} in it, such as \
                     \"/page?uid={{uid}}&token={{token}}\""
                ),
            ),
        }
    }
    public.map(|_| links)
}

/// `None` where there is no such table, or after a problem was noted.
fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::Mail>>,
    has_links: bool,
) -> Option<MailSettings> {
    let raw = raw?;
    let at = raw.span();
    let raw = raw.into_inner();
    if !has_links {
        let message = "letters have links in them, which are made from `public`; \
                       add public = \"https://app.example.com\" on top of the file";
        cx.error(at.clone(), message);
    }
    let clear = raw.danger_clear.is_some_and(Spanned::into_inner);
    let server = required(cx, raw.flawed, &at, "smtp", "\"smtp://mail.example.com\"", raw.smtp);
    let relay = server.and_then(|server| relay(cx, &server, raw.ca, clear));
    let login = login(cx, raw.user, raw.password);
    let form = "\"Example <no-reply@example.com>\"";
    let from = required(cx, raw.flawed, &at, "from", form, raw.from);
    let from = from.and_then(|from| sender(cx, &from));
    let templates = templates::replaced(cx, raw.templates, FILES, Templates::new);
    let mut timeout = MailSettings::TIMEOUT;
    set(&mut timeout, raw.timeout);
    let mut retry = MailSettings::RETRY;
    set(&mut retry, raw.retry);
    let mut give_up = MailSettings::GIVE_UP;
    set(&mut give_up, raw.give_up);
    let mut limits = MailSettings::LIMITS;
    set(&mut limits.letters, raw.queue);
    set(&mut limits.recipient, raw.recipient);
    let notices = raw.notices.is_none_or(Spanned::into_inner);
    let relay = RelaySettings { login: login?, ..relay? };
    let (from, templates) = (from?, templates?);
    Some(MailSettings { relay, from, templates, timeout, retry, give_up, limits, notices })
}

fn required(
    cx: &mut Context<'_>,
    flawed: bool,
    at: &Range<usize>,
    key: &str,
    form: &str,
    written: Option<Spanned<String>>,
) -> Option<Spanned<String>> {
    if written.is_none() && !flawed {
        cx.error(at.clone(), format!("[mail] has no `{key}`; add {key} = {form}"));
    }
    written
}

/// The server, without a login.
fn relay(
    cx: &mut Context<'_>,
    smtp: &Spanned<String>,
    ca: Option<Spanned<String>>,
    clear: bool,
) -> Option<RelaySettings> {
    let Some((scheme, host, port)) = split(smtp.get_ref()) else {
        let message = "`smtp` must be \"smtp://host\" (STARTTLS, port 587) or \"smtps://host\" \
                       (TLS, port 465), with a port where it is another";
        cx.error(smtp.span(), message);
        return None;
    };
    let mut relay = RelaySettings { host, port, security: Security::Clear, login: None };
    if scheme == "smtp+clear" {
        if let Some(ca) = ca {
            cx.error(ca.span(), "`ca` is about TLS, and smtp+clear:// has none; remove it");
        }
        let here = relay.host == "localhost"
            || relay.host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
        if !here && !clear {
            let message = "links that open accounts would go over the network in clear; write \
                           \"smtp://\" for STARTTLS, or add danger_clear = true";
            cx.error(smtp.span(), message);
            return None;
        }
        if !here {
            let warning = "letters go to this server in clear: whoever can read them on the way \
                           can take over the accounts that they are about";
            cx.problems.warn(smtp.span(), warning);
        }
        return Some(relay);
    }
    if ServerName::try_from(relay.host.as_str()).is_err() {
        let message =
            format!("no certificate can be for `{}`; name the server otherwise", relay.host);
        cx.error(smtp.span(), message);
        return None;
    }
    let roots = upstreams::roots(cx, ca)?;
    let tls = ClientTls::new(roots, None, &[], None).map_err(|error| {
        cx.error(smtp.span(), format!("{error}; name whom to believe with ca = \"ca.pem\""));
    });
    let tls = tls.ok()?;
    relay.security =
        if scheme == "smtps" { Security::Implicit(tls) } else { Security::StartTls(tls) };
    Some(relay)
}

/// Scheme, host without brackets, port.
fn split(text: &str) -> Option<(&str, String, u16)> {
    let (scheme, rest) = text.split_once("://")?;
    let usual = match scheme {
        "smtp" => 587,
        "smtps" => 465,
        "smtp+clear" => 25,
        _ => return None,
    };
    let host = HostName::parse(rest.strip_suffix('/').unwrap_or(rest)).ok()?;
    let name = host.name();
    let name = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    Some((scheme, name.to_owned(), host.port().unwrap_or(usual)))
}

/// `Some(None)`: the server does not ask.
#[expect(clippy::option_option, reason = "nobody in particular is not a wrong one")]
fn login(
    cx: &mut Context<'_>,
    user: Option<Spanned<String>>,
    password: Option<Spanned<super::forms::Source>>,
) -> Option<Option<Login>> {
    match (user, password) {
        (None, None) => Some(None),
        (Some(user), Some(password)) => {
            let at = password.span();
            let password = cx.secret("password", password)?;
            if std::str::from_utf8(password.expose()).is_err() {
                cx.error(at, "`password` is not UTF-8, as the server takes it; give another");
                return None;
            }
            Some(Some(Login { user: user.into_inner(), password }))
        }
        (Some(user), None) => {
            let form = "password = { env = \"SMTP_PASSWORD\" }";
            cx.error(user.span(), format!("`user` is of no use without its password; add {form}"));
            None
        }
        (None, Some(password)) => {
            cx.error(
                password.span(),
                "`password` is of no use without its user; add user = \"...\"",
            );
            None
        }
    }
}

fn sender(cx: &mut Context<'_>, from: &Spanned<String>) -> Option<Sender> {
    let parsed = from.get_ref().parse();
    let form = "an address such as \"Example <no-reply@example.com>\"";
    parsed.map_err(|_| cx.error(from.span(), format!("`from` must be {form}"))).ok()
}
