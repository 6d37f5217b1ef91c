//! The compact form of a signed token, taken apart strictly (RFC 7515 sections 3.1 and 5.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::TokenError;
use super::strict_json;
use crate::keys::Algorithm;

/// A token whose parts are readable and whose signature nobody has looked at yet.
#[derive(Debug)]
pub(super) struct Compact<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) payload: Map<String, Value>,
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
        let token = std::str::from_utf8(token).map_err(|_| TokenError::Invalid)?;
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Invalid)?;
        if payload.contains('.') || signature.is_empty() {
            return Err(TokenError::Invalid);
        }
        decode(signature)?;
        let (algorithm, kid) = read_header(&object(header)?)?;
        let payload = object(payload)?;
        Ok(Self { algorithm, kid, payload, message: message.as_bytes(), signature })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid)
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    strict_json::object(&decode(part)?).ok_or(TokenError::Invalid)
}

/// The two members that choose the key. Whatever else would change how the token is to be read
/// (`crit`, nesting by `cty`, another `typ`) is refused; whatever would bring a key along
/// (`jwk`, `jku`, `x5u`, `x5c`) is not looked at (RFC 8725 section 3.10).
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), TokenError> {
    let text = |name: &str| match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(TokenError::Invalid),
    };
    if header.contains_key("crit") || header.contains_key("cty") || header.contains_key("b64") {
        return Err(TokenError::Invalid);
    }
    let plain = ["JWT", "at+jwt", "application/at+jwt"];
    if text("typ")?.is_some_and(|typ| !plain.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
        return Err(TokenError::Invalid);
    }
    let algorithm = text("alg")?.and_then(|name| name.parse().ok());
    Ok((algorithm.ok_or(TokenError::Invalid)?, text("kid")?.map(str::to_owned)))
}
