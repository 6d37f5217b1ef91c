//! The compact form of a signed token, taken apart strictly (RFC 7515 sections 3.1 and 5.2).

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::TokenError;
use super::strict_json::{self, Strict, Text};
use crate::keys::Algorithm;

/// A token whose parts are readable and whose signature nobody has looked at yet.
#[derive(Debug)]
pub(super) struct Compact<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    payload: &'t str,
    /// What was signed: `header.payload`.
    pub(super) message: &'t [u8],
    /// In base64url, known to be strict.
    pub(super) signature: &'t str,
}

impl<'t> Compact<'t> {
    /// Takes a token apart.
    ///
    /// Every way of writing the same token twice is refused: padding, spaces, the other base64
    /// alphabet, stray trailing bits, repeated member names.
    pub(super) fn parse(token: &'t [u8]) -> Result<Self, TokenError> {
        let types = Types { known: &["JWT", "at+jwt", "application/at+jwt"], required: false };
        Self::read(token, types)
    }

    /// The same of something that is no token, and says so in its header: it names one of these.
    pub(super) fn parse_typed(
        token: &'t [u8],
        known: &'static [&'static str],
    ) -> Result<Self, TokenError> {
        Self::read(token, Types { known, required: true })
    }

    fn read(token: &'t [u8], types: Types) -> Result<Self, TokenError> {
        let token = std::str::from_utf8(token).map_err(|_| TokenError::Invalid)?;
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Invalid)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(TokenError::Invalid);
        }
        decode(signature)?;
        let Header { algorithm, kid } = strict_json::read(&decode(header)?, HeaderReader { types })
            .ok_or(TokenError::Invalid)?;
        Ok(Self { algorithm, kid, payload, message: message.as_bytes(), signature })
    }

    /// The claims. Only who needs them before the signature is checked asks for them there:
    /// reading them costs more than finding out that a token is a forgery.
    pub(super) fn payload(&self) -> Result<Map<String, Value>, TokenError> {
        strict_json::object(&self.content()?).ok_or(TokenError::Invalid)
    }

    /// What was signed, whatever it is.
    pub(super) fn content(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.payload)
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid)
}

/// The two members that choose the key.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

/// Reads a header. Whatever else would change how the token is to be read (`crit`, nesting by
/// `cty`, another `typ`) is refused; whatever would bring a key along (`jwk`, `jku`, `x5u`,
/// `x5c`) is not looked at (RFC 8725 section 3.10).
struct HeaderReader {
    types: Types,
}

/// What may stand in `typ`, and whether it has to.
#[derive(Clone, Copy)]
struct Types {
    known: &'static [&'static str],
    required: bool,
}

impl<'de> DeserializeSeed<'de> for HeaderReader {
    type Value = Header;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeaderReader {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        let refused = || Error::custom("refused");
        let (mut algorithm, mut kid, mut typ) = (None, None, false);
        let mut others = BTreeSet::new();
        while let Some(Text(name)) = members.next_key()? {
            match &*name {
                "alg" if algorithm.is_none() => {
                    let Text(text) = members.next_value()?;
                    algorithm = Some(text.parse().map_err(|_unknown| refused())?);
                }
                "kid" if kid.is_none() => {
                    let Text(text) = members.next_value()?;
                    kid = Some(text.into_owned());
                }
                "typ" if !typ => {
                    let Text(text) = members.next_value()?;
                    typ = self.types.known.iter().any(|known| known.eq_ignore_ascii_case(&text));
                    if !typ {
                        return Err(refused());
                    }
                }
                "alg" | "kid" | "typ" | "crit" | "cty" | "b64" => return Err(refused()),
                _ => {
                    members.next_value_seed(Strict)?;
                    if !others.insert(name) {
                        return Err(refused());
                    }
                }
            }
        }
        if self.types.required && !typ {
            return Err(refused());
        }
        Ok(Header { algorithm: algorithm.ok_or_else(refused)?, kid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token with that header; nobody looks at its signature here.
    fn token(header: &str) -> Vec<u8> {
        let parts = [header, "{}"].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{}.AAAA", parts.join(".")).into_bytes()
    }

    #[test]
    fn no_member_of_a_header_stands_twice() {
        for (header, good) in [
            (r#"{"alg":"ES256"}"#, true),
            (r#"{"alg":"ES256","x5t":"a","other":{"a":1}}"#, true),
            (r#"{"alg":"ES256","x5t":"a","x5t":"a"}"#, false),
            (r#"{"alg":"ES256","other":{"a":1,"a":2}}"#, false),
            (r#"{"alg":"ES256","alg":"ES256"}"#, false),
            (r#"{"alg":"ES256","kid":"a","kid":"b"}"#, false),
            (r#"{"alg":"ES256","typ":"JWT","typ":"at+jwt"}"#, false),
        ] {
            assert_eq!(Compact::parse(&token(header)).is_ok(), good, "{header}");
        }
    }

    #[test]
    fn what_is_no_token_has_to_say_so() {
        let (plain, named) =
            (token(r#"{"alg":"ES256"}"#), token(r#"{"alg":"ES256","typ":"x+jwt"}"#));
        assert!(Compact::parse(&plain).is_ok() && Compact::parse(&named).is_err());
        assert!(Compact::parse_typed(&named, &["x+jwt"]).is_ok());
        for other in [plain, token(r#"{"alg":"ES256","typ":"JWT"}"#)] {
            assert!(Compact::parse_typed(&other, &["x+jwt"]).is_err());
        }
    }
}
