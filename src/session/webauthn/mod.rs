//! What browsers and authenticators say of passkeys, taken apart and verified: the checks of WebAuthn
//! level 3, sections 7.1 (a new passkey) and 7.2 (one that signs).
//!
//! Signatures are AWS-LC's work and CBOR that of `minicbor`; what is here is who may have signed
//! what. No attestation is asked for and none is believed: which device somebody has is not ours
//! to know.

mod authenticator;
mod client;
mod cose;
mod relying_party;
mod signed;

pub(super) use cose::ALGORITHMS;
pub use relying_party::RelyingParty;
pub(super) use signed::{Asserted, Registered};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Why something of a passkey is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// It is not what browsers send.
    Malformed,
    /// It is for something else than it is shown for.
    Type,
    /// It signs no challenge of ours, or one for something else, or one that is too old.
    Challenge,
    /// A page of somebody else asked for it, or one within such a page.
    Origin,
    /// It is for another relying party.
    RelyingParty,
    /// Nobody touched the authenticator, or it did not verify who did.
    Unverified,
    /// What it says of copies of itself cannot be, or is not what it said before.
    Copies,
    /// Its key is of no kind that was asked for.
    Key,
    /// The signature is not that of the passkey.
    Signature,
    /// It has counted backwards: there may be a copy of the authenticator.
    Count,
    /// The authenticator calls its user otherwise.
    Handle,
    /// Nobody here has it.
    Unknown,
    /// Its challenge was used before, or it was just removed.
    Used,
    /// Its user may not come in.
    Inactive,
}

impl Fault {
    /// As the record has it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Challenge => "challenge",
            Self::Origin => "origin",
            Self::RelyingParty => "relying-party",
            Self::Unverified => "unverified",
            Self::Copies => "copies",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Count => "count",
            Self::Handle => "handle",
            Self::Unknown => "unknown",
            Self::Used => "used",
            Self::Inactive => "inactive",
        }
    }
}

/// Bytes as they stand in JSON (WebAuthn section 3).
pub(super) fn in_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn of_text(text: &str) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_no_base64| Fault::Malformed)
}

#[cfg(test)]
mod tests;
