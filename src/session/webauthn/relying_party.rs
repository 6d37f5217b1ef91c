//! Whom passkeys are made for.

use std::net::Ipv4Addr;

use aws_lc_rs::digest::{SHA256, digest};

use crate::web::Public;

/// The place that passkeys are made for, and may be used at. It is what the policy says, whatever a
/// request calls us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelyingParty {
    /// The name of the host: browsers have a passkey for it, and for no other.
    pub id: String,
    /// What browsers say that the page is of.
    pub origin: String,
}

impl RelyingParty {
    /// That of a public name; `None` where browsers have no passkeys: by plain http, unless it is the
    /// machine itself, and for bare addresses.
    pub fn of(public: &Public) -> Option<Self> {
        let host = public.host.as_str();
        let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
        let is_here = host == "localhost" || host.ends_with(".localhost");
        let may_have = !is_address && (public.https || is_here);
        may_have.then(|| Self { id: host.to_owned(), origin: public.to_string() })
    }

    /// What authenticators say that they sign for.
    pub(super) fn is(&self, hash: &[u8]) -> bool {
        digest(&SHA256, self.id.as_bytes()).as_ref() == hash
    }
}
