//! What the browser adds to what an authenticator signs (section 5.8.1).

use aws_lc_rs::digest::{Digest, SHA256, digest};
use serde::Deserialize;

use super::{Fault, RelyingParty, of_text};

/// What is signed for.
#[derive(Clone, Copy)]
pub(super) enum Ceremony {
    /// A passkey is made.
    Create,
    /// One is used.
    Get,
}

/// What a browser says of the page that asked.
pub(super) struct Client {
    pub(super) challenge: Vec<u8>,
    /// What the authenticator signs of it.
    pub(super) hash: Digest,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    is_cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

impl Client {
    /// Steps 5 to 10 of section 7.1, and 10 to 15 of 7.2, but for the challenge.
    pub(super) fn read(
        text: &str,
        ceremony: Ceremony,
        place: &RelyingParty,
    ) -> Result<Self, Fault> {
        let json = of_text(text)?;
        let said: ClientData =
            serde_json::from_slice(&json).map_err(|_no_json| Fault::Malformed)?;
        let expected = match ceremony {
            Ceremony::Create => "webauthn.create",
            Ceremony::Get => "webauthn.get",
        };
        if said.kind != expected {
            return Err(Fault::Type);
        }
        // We are within nobody's frame, so nobody asks from there.
        if said.origin != place.origin || said.is_cross_origin || said.top_origin.is_some() {
            return Err(Fault::Origin);
        }
        Ok(Self { challenge: of_text(&said.challenge)?, hash: digest(&SHA256, &json) })
    }
}
