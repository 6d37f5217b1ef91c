//! `[pages]`: where people sign in, and how it looks.

use std::path::Path;

use toml::Spanned;

use super::context::{Context, set};
use super::listen::Listeners;
use super::nearest::hint;
use super::own_path::{OwnPath, is_plain};
use super::{raw, route_keys, templates};
use crate::endpoints::{EndpointSettings, Registration};
use crate::pages::{
    Colour, FILES, Logo, Look, Offers, PagesSettings, Registering, SiteSettings, Wording,
    WordingFault,
};
use crate::server::ListenAddr;
use crate::session::SessionSettings;
use crate::small_file;
use crate::web::{Public, SessionCookie};

/// Most bytes of a logo: it is loaded with the first page.
const LARGEST_LOGO: usize = 64 * 1024;

const LOGOS: [(&str, &str); 4] =
    [("svg", "image/svg+xml"), ("png", "image/png"), ("webp", "image/webp"), ("jpg", "image/jpeg")];

/// Settings, and where their path is written.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) settings: PagesSettings,
    pub(super) own: OwnPath,
    /// The same of the admin site.
    pub(super) site: Option<OwnPath>,
}

/// Under which name the pages are reached, and by which listeners, stands elsewhere in the file.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::Pages>>,
    public: Option<&Public>,
    listeners: &Listeners,
) -> Option<Placed> {
    let raw = raw?;
    let table = raw.span();
    let raw = raw.into_inner();
    let at = raw.prefix.as_ref().map_or_else(|| table.clone(), Spanned::span);
    let mut prefix = PagesSettings::PREFIX.to_owned();
    set(&mut prefix, raw.prefix);
    if !is_plain(&prefix) {
        let form = "a plain path such as \"/auth\", with no slash at its end";
        cx.error(at.clone(), format!("`prefix` must be {form}"));
    }
    let cookie = cookie(cx, &table, public, listeners);
    let mut name = public.map_or_else(|| "portcullis".to_owned(), |public| public.host.clone());
    set(&mut name, raw.name);
    let accent = accent(cx, raw.accent);
    let logo = raw.logo.map_or(Some(None), |written| logo(cx, &written).map(Some));
    let wording = raw.texts.map_or_else(Wording::default, |texts| wording(cx, texts));
    let look = templates::replaced(cx, raw.templates, FILES, |own| Look::new(own, &wording));
    let (site, sites_own) = raw.admin.map(|raw| admin_site(cx, raw)).unzip();
    let site = site.map_or(Some(None), |site| site.map(Some));
    let own = OwnPath { key: "prefix", path: prefix.clone(), at };
    let (accent, logo, look, site) = (accent?, logo?, look?, site?);
    let api = raw.api.is_none_or(Spanned::into_inner);
    let offers = Offers { api, ..Offers::default() };
    let (cookie, endpoints) = (cookie?, String::new());
    let settings =
        PagesSettings { prefix, name, accent, logo, look, cookie, endpoints, offers, site };
    Some(Placed { settings, own, site: sites_own })
}

/// `[pages.texts]`, without what is a problem.
fn wording(cx: &mut Context<'_>, raw: Spanned<raw::Texts>) -> Wording {
    let mut wording = Wording::default();
    let raw::Texts { en, de, fr } = raw.into_inner();
    for (tag, texts) in [("en", en), ("de", de), ("fr", fr)] {
        for (english, text) in texts.into_iter().flat_map(|texts| texts.into_inner().0) {
            let Err(fault) = wording.add(tag, english.get_ref(), text.get_ref()) else { continue };
            match fault {
                WordingFault::Unknown => {
                    let meant = hint(english.get_ref(), Wording::texts());
                    let meant =
                        meant.unwrap_or_else(|| "write it as pages in English have it".to_owned());
                    let message =
                        format!("pages say nothing like `{}`; {meant}", english.get_ref());
                    cx.error(english.span(), message);
                }
                WordingFault::Empty => {
                    cx.error(
                        text.span(),
                        "it says nothing; replace the template to leave a text out",
                    );
                }
                WordingFault::Blanks => {
                    let message = "`{n}` stands for a number and `{t}` for a name: write each as often \
                                   as the text has it";
                    cx.error(text.span(), message);
                }
            }
        }
    }
    wording
}

/// `[pages.admin]`, and where its path is written; the first is `None` after a problem was noted.
fn admin_site(cx: &mut Context<'_>, raw: Spanned<raw::Site>) -> (Option<SiteSettings>, OwnPath) {
    let table = raw.span();
    let raw = raw.into_inner();
    let at = raw.path.as_ref().map_or(table, Spanned::span);
    let mut path = SiteSettings::PATH.to_owned();
    set(&mut path, raw.path);
    if !is_plain(&path) {
        let form = "a plain path such as \"/manage\", with no slash at its end";
        cx.error(at.clone(), format!("`path` must be {form}"));
    }
    let from = raw.from.map_or_else(|| Some(Vec::new()), |from| route_keys::from(cx, from));
    let mut fresh = SiteSettings::FRESH;
    if let Some(written) = raw.fresh {
        let at = written.span();
        set(&mut fresh, Some(written));
        if fresh < SiteSettings::LEAST {
            let message =
                "`fresh` must be at least \"1m\": whoever signs in needs the time to come back";
            cx.error(at, message);
        }
    }
    let own = OwnPath { key: "path", path: path.clone(), at };
    (from.map(|from| SiteSettings { path, from, fresh }), own)
}

/// What holds a session: for https alone, or for this machine alone.
fn cookie(
    cx: &mut Context<'_>,
    table: &std::ops::Range<usize>,
    public: Option<&Public>,
    listeners: &Listeners,
) -> Option<SessionCookie> {
    let is_here = |host: &str| {
        let bare = host.trim_matches(['[', ']']);
        host == "localhost" || bare.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    if public.is_some_and(|public| public.https) {
        return Some(SessionCookie::new(true));
    }
    let stays_here = public.is_none_or(|public| is_here(&public.host));
    let is_reached_from_here = listeners.settings.iter().all(|listener| match &listener.addr {
        ListenAddr::Tcp(addr) => addr.ip().is_loopback(),
        ListenAddr::Unix(_) => false,
    });
    if stays_here && is_reached_from_here {
        return Some(SessionCookie::new(false));
    }
    let message = if public.is_some() {
        "a session's cookie would go over the network in clear; let `public` begin with https://"
    } else {
        "the cookie of a session is for one origin, which `public` tells; \
         add public = \"https://app.example.com\" on top of the file"
    };
    cx.error(table.clone(), message);
    None
}

/// Notes what does not go together with pages as somebody may expect.
pub(super) fn doubts(
    cx: &mut Context<'_>,
    placed: Option<&Placed>,
    trusts: bool,
    asked: Option<&OwnPath>,
) {
    let Some(Placed { settings, own, .. }) = placed else { return };
    if trusts && !settings.cookie.is_secure() {
        let message = "behind a proxy that ends TLS, browsers come from an https:// origin, and nobody \
                       could sign in; add public = \"https://app.example.com\" on top of the file";
        cx.problems.warn(own.at.clone(), message);
    }
    if let Some(asked) = asked {
        let name = settings.cookie.name();
        let message = format!(
            "the proxies that ask at {} send cookies on to their backends: let them take out `{name}`, \
             which holds a session; it opens nothing where they ask",
            asked.path
        );
        cx.problems.warn(own.at.clone(), message);
    }
}

fn accent(cx: &mut Context<'_>, written: Option<Spanned<String>>) -> Option<Colour> {
    let Some(written) = written else { return Some(PagesSettings::ACCENT) };
    let colour = Colour::parse(written.get_ref());
    if colour.is_none() {
        cx.error(written.span(), "`accent` must be a colour such as \"#1d5fa8\"");
    }
    colour
}

fn logo(cx: &mut Context<'_>, written: &Spanned<String>) -> Option<Logo> {
    let path = cx.path(written.get_ref());
    let ending = Path::new(written.get_ref()).extension().and_then(|it| it.to_str());
    let known = LOGOS.iter().find(|(known, _)| ending == Some(*known));
    let Some((_, media_type)) = known else {
        cx.error(written.span(), "`logo` must be a file that ends in .svg, .png, .webp or .jpg");
        return None;
    };
    let shown = path.display();
    match small_file::read(&path) {
        Ok(bytes) if bytes.len() <= LARGEST_LOGO => {
            Some(Logo { bytes: bytes.to_vec().into(), media_type })
        }
        Ok(_) => {
            cx.error(written.span(), format!("{shown} is larger than 64 KiB; take a smaller one"));
            None
        }
        Err(error) => {
            let message = format!("cannot read {shown} ({error}); mend or rename it");
            cx.error(written.span(), message);
            None
        }
    }
}

/// The settings of sessions, with the cookie that pages give.
pub(super) fn with_cookie(
    cx: &mut Context<'_>,
    placed: Option<&Placed>,
    sessions: SessionSettings,
) -> SessionSettings {
    let Some(Placed { settings, own, .. }) = placed else { return sessions };
    if sessions.rotation && sessions.grace.is_zero() {
        let message = "browsers send many requests at once, and with grace = \"0s\" two of them with \
                       one cookie would end its session; leave `grace` of [auth] out";
        cx.error(own.at.clone(), message);
    }
    SessionSettings { cookie: Some(settings.cookie), ..sessions }
}

/// The settings, with what the endpoints have to offer.
pub(super) fn offering(
    settings: &PagesSettings,
    endpoints: &EndpointSettings,
    mail: bool,
    keys: bool,
) -> PagesSettings {
    let register = match endpoints.register {
        Registration::Open => Registering::Open,
        Registration::Invite => Registering::Invited,
        Registration::Closed => Registering::Closed,
    };
    let offers = Offers { register, mail, keys, ..settings.offers };
    PagesSettings { endpoints: endpoints.prefix.clone(), offers, ..settings.clone() }
}
