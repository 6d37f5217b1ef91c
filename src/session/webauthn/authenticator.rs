//! What an authenticator says (section 6.1).

use minicbor::Decoder;

use super::{Fault, RelyingParty};
use crate::store::Passkey;

/// Somebody touched it.
const PRESENT: u8 = 1;
/// It has verified who: by a fingerprint, a face, a PIN.
const VERIFIED: u8 = 1 << 2;
/// The passkey may be on several devices.
const MAY_BE_COPIED: u8 = 1 << 3;
/// It is.
const IS_COPIED: u8 = 1 << 4;
/// A passkey is in it.
const ATTESTED: u8 = 1 << 6;
/// Extensions are in it.
const EXTENDED: u8 = 1 << 7;

/// A shorter one is none of enough randomness (section 4, "Credential ID").
const SHORTEST: usize = 16;

/// What it says, taken apart.
pub(super) struct Data<'a> {
    relying_party: &'a [u8],
    flags: u8,
    pub(super) count: u32,
    pub(super) attested: Option<Attested<'a>>,
}

/// A passkey that was just made.
pub(super) struct Attested<'a> {
    pub(super) credential: &'a [u8],
    /// The public key, in COSE's form.
    pub(super) key: &'a [u8],
}

impl<'a> Data<'a> {
    /// All of it, to the last byte.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        Self::split(bytes).ok_or(Fault::Malformed)
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (relying_party, rest) = bytes.split_at_checked(32)?;
        let (&flags, rest) = rest.split_first()?;
        let (count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut attested = None;
        if flags & ATTESTED != 0 {
            let (_model, behind) = rest.split_at_checked(16)?;
            let (length, behind) = behind.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (credential, behind) = behind.split_at_checked(length)?;
            let (key, behind) = behind.split_at_checked(item(behind)?)?;
            attested = Some(Attested { credential, key });
            rest = behind;
        }
        if flags & EXTENDED != 0 {
            rest = rest.get(item(rest)?..)?;
        }
        let count = u32::from_be_bytes(*count);
        rest.is_empty().then_some(Self { relying_party, flags, count, attested })
    }

    /// Steps 14 to 18 of section 7.1, and 16 to 20 of 7.2: for us, and by somebody whom the
    /// authenticator knows.
    pub(super) fn check(&self, place: &RelyingParty) -> Result<(), Fault> {
        if !place.is(self.relying_party) {
            return Err(Fault::RelyingParty);
        }
        if self.flags & PRESENT == 0 || self.flags & VERIFIED == 0 {
            return Err(Fault::Unverified);
        }
        if self.is_copied() && !self.may_be_copied() {
            return Err(Fault::Copies);
        }
        Ok(())
    }

    pub(super) const fn may_be_copied(&self) -> bool {
        self.flags & MAY_BE_COPIED != 0
    }

    pub(super) const fn is_copied(&self) -> bool {
        self.flags & IS_COPIED != 0
    }
}

impl Attested<'_> {
    /// Step 25 of section 7.1.
    pub(super) const fn is_of_a_good_length(&self) -> bool {
        SHORTEST <= self.credential.len() && self.credential.len() <= Passkey::LONGEST_CREDENTIAL
    }
}

/// How long the CBOR item is that bytes begin with.
fn item(bytes: &[u8]) -> Option<usize> {
    let mut decoder = Decoder::new(bytes);
    decoder.skip().ok()?;
    Some(decoder.position())
}

/// The authenticator's part of an attestation object (section 6.5). What attests to it is not
/// looked at.
pub(super) fn in_attestation(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    fn find(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut decoder = Decoder::new(bytes);
        let members = decoder.map().ok()??;
        let mut data = None;
        for _ in 0..members {
            let name = decoder.str().ok()?;
            if name == "authData" && data.is_none() {
                data = Some(decoder.bytes().ok()?.to_vec());
            } else {
                decoder.skip().ok()?;
            }
        }
        data.filter(|_| decoder.position() == bytes.len())
    }
    find(bytes).ok_or(Fault::Malformed)
}
