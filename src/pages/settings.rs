//! What the operator decides about pages.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;

use super::{Colour, Look};
use crate::web::{SessionCookie, below};

/// `[pages]`, checked.
#[derive(Clone, Debug)]
pub struct PagesSettings {
    /// What the pages hang under, without a trailing slash: `/auth`.
    pub prefix: String,
    /// Whose pages they are, as the head of each says.
    pub name: String,
    /// The colour of buttons and links.
    pub accent: Colour,
    /// Shown beside the name.
    pub logo: Option<Logo>,
    /// The templates.
    pub look: Look,
    /// What holds a session.
    pub cookie: SessionCookie,
    /// What the auth endpoints hang under.
    pub endpoints: String,
    /// What there is to do.
    pub offers: Offers,
    /// Where operators look after everything, if they do it in a browser.
    pub site: Option<SiteSettings>,
}

/// `[pages.admin]`, checked.
#[derive(Clone, Debug)]
pub struct SiteSettings {
    /// What it hangs under, without a trailing slash: `/manage`.
    pub path: String,
    /// The networks that it may be reached from; empty is any.
    pub from: Vec<IpNet>,
    /// How long a login counts there.
    pub fresh: Duration,
}

impl SiteSettings {
    /// Where it is when the file does not say it.
    pub const PATH: &'static str = "/manage";
    /// How long a login counts when the file does not say it.
    pub const FRESH: Duration = Duration::from_secs(15 * 60);
    /// The least that it may count.
    pub const LEAST: Duration = Duration::from_secs(60);
    /// The role that it is for.
    pub(super) const ROLE: &'static str = "admin";

    /// Whether clients of that address may reach it.
    pub(super) fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.from.is_empty() || self.from.iter().any(|network| network.contains(&client))
    }
}

/// A picture, as browsers get it.
#[derive(Clone, Debug)]
pub struct Logo {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its media type.
    pub media_type: &'static str,
}

/// What the auth endpoints do, as the rest of the file says: what they do not do has no link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    /// Whether one can make an account.
    pub register: Registering,
    /// Whether letters are sent.
    pub mail: bool,
    /// Whether users make API keys.
    pub keys: bool,
    /// Whether the endpoints can be tried out on a page.
    pub api: bool,
}

/// Who can make an account on a page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Registering {
    /// Anybody.
    #[default]
    Open,
    /// Whoever has an invitation.
    Invited,
    /// Nobody.
    Closed,
}

impl PagesSettings {
    /// Where the pages are when the file does not say it.
    pub const PREFIX: &'static str = "/auth";
    /// The colour when the file does not say it.
    pub const ACCENT: Colour = Colour([0x1d, 0x5f, 0xa8]);

    /// Whether a canonical path is a page's, or below one.
    pub fn owns(&self, path: &str) -> bool {
        self.below(path).is_some() || self.below_site(path).is_some()
    }

    /// What follows the prefix, if the path is below it at a segment boundary.
    pub(super) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        below(&self.prefix, path)
    }

    /// The same of the path of the admin site, and that.
    pub(super) fn below_site<'p>(&self, path: &'p str) -> Option<(&SiteSettings, &'p str)> {
        let site = self.site.as_ref()?;
        below(&site.path, path).map(|rest| (site, rest))
    }
}
