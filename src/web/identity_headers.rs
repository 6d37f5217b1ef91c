//! Identity headers: removed from whatever a client sends, set from what we know.
//!
//! A header is *ours* if its folded name equals a configured one or begins with `x-user-`; see
//! `fold.rs` beside this file. Whatever a server could mistake for ours is gone before anything
//! looks at it.

use std::borrow::Cow;

use http::header::{self, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::fold::{begins_as, fold};
use super::peer::Peer;
use crate::identity::{Claim, Identity};

/// The prefix that is reserved whether configured or not, folded.
const RESERVED: &[u8] = b"x-user-";

/// What is escaped in a value: `%` itself and whatever is not visible ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// In place of a claim: a token that says all of them, signed for the one request.
const SIGNED: &str = "@signed";
/// The first name of the certificate that the client has shown.
const CERTIFICATE: &str = "@cert";
/// Its subject.
const SUBJECT: &str = "@cert_subject";

/// The table `[identity]`: header = claim.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    rules: Vec<Rule>,
    /// The headers that carry a signed token.
    signed: Vec<HeaderName>,
    /// The headers about the client's certificate, and whether each carries its subject.
    certificate: Vec<(HeaderName, bool)>,
    /// Whether every configured name begins with [`RESERVED`], so that one look decides.
    only_reserved: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    header: HeaderName,
    folded: Vec<u8>,
    claim: String,
}

/// Why a header cannot carry identity.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentityHeaderError {
    /// The name belongs to HTTP itself.
    #[error("`{0}` has a meaning of its own in HTTP; choose a name such as `X-User-Id`")]
    Reserved(HeaderName),
    /// Two names that a server behind us reads as one.
    #[error("`{0}` and `{1}` are one header to many servers; keep one of them")]
    Alike(HeaderName, HeaderName),
}

impl IdentityHeaders {
    /// Builds the table.
    ///
    /// # Errors
    ///
    /// [`IdentityHeaderError`] for the first pair that cannot be; show it to the operator.
    pub fn new(
        pairs: impl IntoIterator<Item = (HeaderName, String)>,
    ) -> Result<Self, IdentityHeaderError> {
        let mut rules: Vec<Rule> = Vec::new();
        for (header, claim) in pairs {
            let folded: Vec<u8> = header.as_str().bytes().map(fold).collect();
            if is_http_own(&folded) {
                return Err(IdentityHeaderError::Reserved(header));
            }
            if let Some(other) = rules.iter().find(|rule| rule.folded == folded) {
                return Err(IdentityHeaderError::Alike(other.header.clone(), header));
            }
            rules.push(Rule { header, folded, claim });
        }
        let only_reserved = rules.iter().all(|rule| rule.folded.starts_with(RESERVED));
        let signed = rules.iter().filter(|rule| rule.is_signed());
        let signed = signed.map(|rule| rule.header.clone()).collect();
        let certificate = rules.iter().filter_map(|rule| match rule.claim.as_str() {
            CERTIFICATE => Some((rule.header.clone(), false)),
            SUBJECT => Some((rule.header.clone(), true)),
            _ => None,
        });
        let certificate = certificate.collect();
        Ok(Self { rules, signed, certificate, only_reserved })
    }

    /// Header and claim of each rule, in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.rules.iter().map(|rule| (&rule.header, rule.claim.as_str()))
    }

    /// Whether a header of that name could be read as one of ours.
    pub fn is_ours(&self, name: &HeaderName) -> bool {
        let length = name.as_str().len();
        begins_as(name, RESERVED)
            || (!self.only_reserved
                && self
                    .rules
                    .iter()
                    .any(|rule| rule.folded.len() == length && begins_as(name, &rule.folded)))
    }

    /// The headers that carry a token signed for the request at hand; as a rule there are none.
    pub fn signed(&self) -> &[HeaderName] {
        &self.signed
    }

    /// The headers that tell an upstream of the certificate that `peer` has shown. Where there is
    /// none, or it has no name, there is no header.
    pub(crate) fn certificate<'a>(
        &'a self,
        peer: &'a Peer,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        self.certificate.iter().filter_map(|(name, subject)| {
            let value = if *subject { peer.certificate_subject() } else { peer.certificate_name() };
            value.map(|value| (name, value))
        })
    }

    /// The claims that upstreams are told, with what they are for `identity`.
    pub fn claims<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = (&'a str, Claim)> {
        let plain = self.rules.iter().filter(|rule| rule.is_claim());
        plain.filter_map(|rule| {
            let claim = identity.claim(&rule.claim)?;
            Some((rule.claim.as_str(), claim.into_owned()))
        })
    }

    /// The headers that tell an upstream who `identity` is, ready to be set.
    ///
    /// A claim that is absent gives no header.
    pub fn render(&self, identity: &Identity) -> Vec<(HeaderName, HeaderValue)> {
        let plain = self.rules.iter().filter(|rule| rule.is_claim());
        plain
            .filter_map(|rule| {
                let claim = identity.claim(&rule.claim)?;
                Some((rule.header.clone(), encode(&claim)?))
            })
            .collect()
    }
}

impl Default for IdentityHeaders {
    /// `X-User-Id`, `-Name`, `-Email`, `-Roles` and `-Email-Verified`.
    fn default() -> Self {
        let pairs = [
            ("x-user-id", "user_id"),
            ("x-user-name", "username"),
            ("x-user-email", "email"),
            ("x-user-roles", "roles"),
            ("x-user-email-verified", "email_verified"),
        ];
        let rules = pairs.map(|(header, claim)| Rule {
            header: HeaderName::from_static(header),
            folded: header.as_bytes().to_vec(),
            claim: claim.to_owned(),
        });
        Self {
            rules: rules.to_vec(),
            signed: Vec::new(),
            certificate: Vec::new(),
            only_reserved: true,
        }
    }
}

impl Rule {
    /// No claim's name begins with `@`.
    fn is_claim(&self) -> bool {
        !self.claim.starts_with('@')
    }

    fn is_signed(&self) -> bool {
        self.claim == SIGNED
    }
}

/// Names that frame or steer a message, and what is removed hop by hop: an identity header of
/// that name would be overwritten, or would overwrite.
fn is_http_own(folded: &[u8]) -> bool {
    const OWN: [HeaderName; 16] = [
        header::HOST,
        header::AUTHORIZATION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::EXPECT,
        header::FORWARDED,
        header::RANGE,
    ];
    OWN.iter().any(|own| own.as_str().as_bytes() == folded)
        || matches!(folded, b"keep-alive" | b"proxy-connection" | b"x-real-ip" | b"x-request-id")
        || folded.starts_with(b"x-forwarded-")
}

/// A text as a header value: UTF-8, percent-encoded where it is `%` or not visible ASCII.
pub(super) fn encode_text(text: &str) -> Option<HeaderValue> {
    encode(&Claim::Text(text.to_owned()))
}

fn encode(claim: &Claim) -> Option<HeaderValue> {
    let text: Cow<'_, str> = match claim {
        Claim::Text(text) => utf8_percent_encode(text, ESCAPED).into(),
        Claim::List(items) => {
            // A comma inside an item would make two of it.
            let (whole, torn): (Vec<_>, Vec<_>) = items.iter().partition(|i| !i.contains(','));
            if !torn.is_empty() {
                tracing::warn!(count = torn.len(), "list claim items with a comma were left out");
            }
            let items: Vec<String> =
                whole.iter().map(|item| utf8_percent_encode(item, ESCAPED).to_string()).collect();
            items.join(",").into()
        }
    };
    (!text.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}

#[cfg(test)]
mod tests;
