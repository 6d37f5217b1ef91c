//! Links with a one-time token: made once, kept as a hash.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::MailError;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{Basis, MailStore, NewToken, Purpose, User};
use crate::web::Public;

/// The page that a link leads to: a path with `{uid}` and `{token}` in it, once each. A page has
/// no host of its own, so no link leads anywhere but to `public`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page(String);

impl Page {
    /// Reads a page; `None` if it is none.
    ///
    /// ```
    /// use portcullis::rooms::mail::Page;
    ///
    /// assert!(Page::parse("/reset#{uid}/{token}").is_some());
    /// assert!(Page::parse("//evil.example/{uid}/{token}").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let signs = |text: &str| {
            let sign = |b: u8| b.is_ascii_graphic() && !b"{}<>\"\\^`|".contains(&b);
            text.bytes().all(sign)
        };
        let bare = text.replacen("{uid}", "", 1).replacen("{token}", "", 1);
        let both = text.contains("{uid}") && text.contains("{token}");
        let path = text.starts_with('/') && !text.starts_with("//");
        (both && path && signs(&bare)).then(|| Self(text.to_owned()))
    }
}

/// Where links lead, and for how long.
#[derive(Clone, Debug)]
pub struct Links {
    /// The one name that clients know us by.
    pub public: Public,
    /// Where a new password is chosen.
    pub reset: Page,
    /// Where an address is confirmed.
    pub verify: Page,
    /// How long a link to `reset` is good.
    pub reset_life: Duration,
    /// How long a link to `verify` is good.
    pub verify_life: Duration,
}

/// What a link is to be made for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) user: UserId,
    pub(super) basis: Basis,
    pub(super) aim: Aim,
    pub(super) address: String,
}

/// What a link is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim {
    /// Choosing a new password.
    Password,
    /// Showing that an address is the user's.
    Email,
}

impl Aim {
    const fn purpose(self) -> Purpose {
        match self {
            Self::Password => Purpose::Password,
            Self::Email => Purpose::Email,
        }
    }
}

impl Links {
    /// The usual pages of that name.
    pub fn new(public: Public) -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            public,
            reset: Page("/reset-password?uid={uid}&token={token}".to_owned()),
            verify: Page("/verify-email?uid={uid}&token={token}".to_owned()),
            reset_life: HOUR,
            verify_life: 24 * HOUR,
        }
    }

    /// The same to the gateway's own pages, which hang under that prefix.
    #[must_use]
    pub fn to_pages_below(self, prefix: &str) -> Self {
        let page = |name| Page(format!("{prefix}/{name}/?uid={{uid}}&token={{token}}"));
        Self { reset: page("reset"), verify: page("verify"), ..self }
    }

    /// A link with which the user may choose a new password, and when it ends; `None` if the
    /// user is gone or disabled, or was changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`MailError`]; no link was made.
    pub async fn reset_link<S: MailStore + ?Sized>(
        &self,
        store: &S,
        user: &User,
        now: Timestamp,
    ) -> Result<Option<(String, Timestamp)>, MailError> {
        let wanted = Wanted {
            user: user.id,
            basis: user.basis(),
            aim: Aim::Password,
            address: String::new(),
        };
        let link = self.make(store, wanted, now).await?;
        Ok(link.map(|link| (link, now.plus(self.reset_life))))
    }

    pub(super) async fn make<S: MailStore + ?Sized>(
        &self,
        store: &S,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<Option<String>, MailError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|_| MailError::NoRandomness)?;
        let token = URL_SAFE_NO_PAD.encode(bits);
        let Wanted { user, basis, aim, address } = wanted;
        let expires = now.plus(self.life(aim));
        let purpose = aim.purpose();
        let hash = token_hash(&token);
        let new = NewToken { user, purpose, hash, basis, address, at: now, expires };
        let kept = store.add_token(new).await?;
        Ok(kept.then(|| self.link(aim, user, &token)))
    }

    /// How long a token is good.
    pub(super) const fn life(&self, aim: Aim) -> Duration {
        match aim {
            Aim::Password => self.reset_life,
            Aim::Email => self.verify_life,
        }
    }

    fn link(&self, aim: Aim, user: UserId, token: &str) -> String {
        let page = match aim {
            Aim::Password => &self.reset,
            Aim::Email => &self.verify,
        };
        let page = page.0.replace("{uid}", &user.to_string()).replace("{token}", token);
        format!("{}{page}", self.public)
    }
}

/// The form in which a token is kept and found.
pub fn token_hash(token: &str) -> [u8; 32] {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_path_of_ours_with_both_in_it() {
        for page in ["/r?uid={uid}&token={token}", "/#/reset/{uid}/{token}", "/{token}/{uid}"] {
            assert!(Page::parse(page).is_some(), "{page}");
        }
        for page in [
            "",
            "r?{uid}{token}",
            "https://a.test/{uid}/{token}",
            "//a.test/{uid}/{token}",
            "/r?uid={uid}",
            "/r?token={token}",
            "/r/{uid}/{uid}/{token}",
            "/r/{uid}/{token}/{name}",
            "/r {uid} {token}",
            "/r/{uid}/{token}\n",
            "/é/{uid}/{token}",
        ] {
            assert!(Page::parse(page).is_none(), "{page:?}");
        }
    }

    #[test]
    fn a_link_is_built_from_the_public_name() {
        let public = Public { https: true, host: "a.test".to_owned(), port: Some(8443) };
        let links = Links::new(public);
        let link = links.link(Aim::Password, UserId(7), "T-_");
        assert_eq!(link, "https://a.test:8443/reset-password?uid=7&token=T-_");
        let link = links.link(Aim::Email, UserId(7), "T");
        assert_eq!(link, "https://a.test:8443/verify-email?uid=7&token=T");
    }
}
