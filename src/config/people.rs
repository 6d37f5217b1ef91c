//! All that a file says of people: `[auth]`, the letters that they get, the pages that they see.

use std::path::Path;

use ipnet::IpNet;
use toml::Spanned;

use super::context::{Context, inner};
use super::listen::Listeners;
use super::own_path::{self, OwnPath};
use super::{KEYS, auth, mail, pages, raw, route_keys, routes, signing};
use crate::endpoints::EndpointSettings;
use crate::keys::KeySettings;
use crate::mail::{Links, MailSettings};
use crate::pages::PagesSettings;
use crate::password::PasswordSettings;
use crate::secret::Secret;
use crate::session::{AccountRules, SessionSettings};
use crate::token::TokenSettings;
use crate::web::{Cors, Public};

/// The tables.
pub(super) struct Written {
    pub(super) auth: Option<Spanned<raw::Auth>>,
    pub(super) mail: Option<Spanned<raw::Mail>>,
    pub(super) pages: Option<Spanned<raw::Pages>>,
}

/// What they say.
pub(super) struct People {
    pub(super) keys: KeySettings,
    /// What they are sealed under in a store that others have as well.
    pub(super) shared_secret: Option<Secret>,
    pub(super) passwords: PasswordSettings,
    pub(super) endpoints: EndpointSettings,
    pub(super) endpoint_cors: Option<Cors>,
    pub(super) accounts: AccountRules,
    pub(super) tokens: TokenSettings,
    pub(super) sessions: SessionSettings,
    pub(super) links: Option<Links>,
    pub(super) mail: Option<MailSettings>,
    pub(super) pages: Option<pages::Placed>,
}

/// Under which name and by which listeners they come, and where the store is, stands elsewhere in
/// the file.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Written,
    store: &Path,
    public: Option<&Public>,
    listeners: &Listeners,
) -> People {
    let mut auth = inner(raw.auth);
    let signing = inner(auth.signing.take());
    let (keys, shared_secret) = signing::check(cx, signing, store.with_extension(KEYS));
    let passwords = auth::passwords(cx, inner(auth.password.take()), public.is_some());
    let mut endpoints = auth::endpoints(cx, &mut auth, public);
    endpoints.pages = raw.pages.is_some();
    let accounts = auth::accounts(cx, &mut auth);
    let pages = pages::check(cx, raw.pages, public, listeners);
    let below = pages.as_ref().map(|placed| placed.settings.prefix.as_str());
    let (links, mail) = mail::links_and_mail(cx, &mut auth, raw.mail, public, below);
    let endpoint_cors = route_keys::endpoint_cors(cx, auth.cors.take());
    let (tokens, sessions) = auth::tokens_and_sessions(cx, auth, public);
    let sessions = pages::with_cookie(cx, pages.as_ref(), sessions);
    People {
        keys,
        shared_secret,
        passwords,
        endpoints,
        endpoint_cors,
        accounts,
        tokens,
        sessions,
        links,
        mail,
        pages,
    }
}

impl People {
    /// What the gateway keeps to itself, and routes may not have.
    pub(super) fn ours(&self) -> routes::Ours<'_> {
        let pages = self.pages.as_ref();
        let site = pages.and_then(|placed| placed.site.as_ref());
        routes::Ours {
            endpoints: &self.endpoints.prefix,
            pages: pages.map(|placed| placed.own.path.as_str()),
            site: site.map(|own| own.path.as_str()),
        }
    }

    /// The paths that the file gives to other things of ours than the endpoints: where proxies ask,
    /// if they do, and the pages. They have to stand apart.
    pub(super) fn own_paths(
        &self,
        cx: &mut Context<'_>,
        asked: Option<&OwnPath>,
        trust: &[IpNet],
    ) -> Vec<OwnPath> {
        let pages = self.pages.as_ref();
        let site = pages.and_then(|placed| placed.site.as_ref());
        let given = asked.into_iter().chain(pages.map(|placed| &placed.own)).chain(site);
        let given: Vec<_> = given.cloned().collect();
        own_path::apart(cx, &self.endpoints.prefix, &given);
        pages::doubts(cx, pages, !trust.is_empty(), asked);
        given
    }

    /// The pages, which show what the endpoints have to offer.
    pub(super) fn pages(&self) -> Option<PagesSettings> {
        let placed = self.pages.as_ref()?;
        let has_keys = self.sessions.user_keys.is_some();
        Some(pages::offering(&placed.settings, &self.endpoints, self.mail.is_some(), has_keys))
    }
}
