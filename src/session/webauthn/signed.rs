//! A passkey that was made, and what one has signed.

use serde::Deserialize;

use super::authenticator::{Data, in_attestation};
use super::client::{Ceremony, Client};
use super::cose::PublicKey;
use super::{Fault, RelyingParty, of_text};
use crate::store::Passkey;

/// A passkey that was just made.
pub(in crate::session) struct Registered {
    /// What it has signed, not looked at yet.
    pub(in crate::session) challenge: Vec<u8>,
    pub(in crate::session) credential: Vec<u8>,
    pub(in crate::session) key: Vec<u8>,
    pub(in crate::session) count: u32,
    pub(in crate::session) may_be_copied: bool,
    pub(in crate::session) is_copied: bool,
}

/// What a passkey has signed, as the browser sent it.
pub(in crate::session) struct Asserted {
    /// Which one, as far as it says.
    pub(in crate::session) credential: Vec<u8>,
    /// What it has signed, not looked at yet.
    pub(in crate::session) challenge: Vec<u8>,
    client: Client,
    data: Vec<u8>,
    signature: Vec<u8>,
    /// What the authenticator calls the user; it may leave it out where it was told which passkey.
    pub(in crate::session) handle: Option<Vec<u8>>,
}

/// What is believed of it.
pub(in crate::session) struct Believed {
    pub(in crate::session) count: u32,
    pub(in crate::session) is_copied: bool,
}

#[derive(Deserialize)]
struct Sent<R> {
    #[serde(rename = "rawId")]
    id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

#[derive(Deserialize)]
struct Attestation {
    #[serde(rename = "clientDataJSON")]
    client: String,
    #[serde(rename = "attestationObject")]
    object: String,
}

#[derive(Deserialize)]
struct Assertion {
    #[serde(rename = "clientDataJSON")]
    client: String,
    #[serde(rename = "authenticatorData")]
    data: String,
    signature: String,
    #[serde(default, rename = "userHandle")]
    handle: Option<String>,
}

fn sent<R: for<'a> Deserialize<'a>>(text: &str) -> Result<Sent<R>, Fault> {
    let sent: Sent<R> = serde_json::from_str(text).map_err(|_no_json| Fault::Malformed)?;
    if sent.kind == "public-key" { Ok(sent) } else { Err(Fault::Malformed) }
}

impl Registered {
    /// All that section 7.1 asks for, but for the challenge, and whether somebody has it.
    pub(in crate::session) fn read(text: &str, place: &RelyingParty) -> Result<Self, Fault> {
        let Sent { id, response: Attestation { client, object }, .. } = sent(text)?;
        let client = Client::read(&client, Ceremony::Create, place)?;
        let data = in_attestation(&of_text(&object)?)?;
        let data = Data::read(&data)?;
        data.check(place)?;
        let attested = data.attested.as_ref().ok_or(Fault::Malformed)?;
        if !attested.is_of_a_good_length() || of_text(&id)? != attested.credential {
            return Err(Fault::Malformed);
        }
        // What nobody could verify is not kept.
        PublicKey::read(attested.key).ok_or(Fault::Key)?;
        Ok(Self {
            challenge: client.challenge,
            credential: attested.credential.to_vec(),
            key: attested.key.to_vec(),
            count: data.count,
            may_be_copied: data.may_be_copied(),
            is_copied: data.is_copied(),
        })
    }
}

impl Asserted {
    /// What can be told before it is known whose passkey it is.
    pub(in crate::session) fn read(text: &str, place: &RelyingParty) -> Result<Self, Fault> {
        let Sent { id, response, .. } = sent::<Assertion>(text)?;
        let client = Client::read(&response.client, Ceremony::Get, place)?;
        let credential = of_text(&id)?;
        if credential.len() > Passkey::LONGEST_CREDENTIAL {
            return Err(Fault::Malformed);
        }
        Ok(Self {
            credential,
            challenge: client.challenge.clone(),
            client,
            data: of_text(&response.data)?,
            signature: of_text(&response.signature)?,
            handle: response.handle.as_deref().map(of_text).transpose()?,
        })
    }

    /// The rest of section 7.2, but for the challenge. The count is looked at by the store once
    /// more, where others cannot come in between.
    pub(in crate::session) fn verify(
        &self,
        passkey: &Passkey,
        place: &RelyingParty,
    ) -> Result<Believed, Fault> {
        if self.credential != passkey.credential {
            return Err(Fault::Unknown);
        }
        if self.handle.as_ref().is_some_and(|handle| *handle != passkey.handle) {
            return Err(Fault::Handle);
        }
        let data = Data::read(&self.data)?;
        data.check(place)?;
        if data.may_be_copied() != passkey.may_be_copied {
            return Err(Fault::Copies);
        }
        let key = PublicKey::read(&passkey.key).ok_or(Fault::Key)?;
        let message = [&self.data, self.client.hash.as_ref()].concat();
        if !key.has_signed(&message, &self.signature) {
            return Err(Fault::Signature);
        }
        if !passkey.may_count(data.count) {
            return Err(Fault::Count);
        }
        Ok(Believed { count: data.count, is_copied: data.is_copied() })
    }
}
