//! Tokens of any content, signed with the secret that the gateway under test shares.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The shared secret of the standard policy.
pub(crate) const SECRET: &str = "a shared secret of more than thirty-two bytes";

/// When every test begins, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The header of an ordinary token.
pub(crate) fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// The claims of an ordinary access token of ten minutes.
pub(crate) fn claims(user_id: &str) -> Value {
    json!({
        "token_type": "access",
        "exp": NOW + 600,
        "iat": NOW,
        "jti": format!("token-of-{user_id}"),
        "user_id": user_id,
    })
}

/// A token with these claims, signed with the shared secret.
pub(crate) fn mint(claims: &Value) -> String {
    mint_with(&header(), claims, SECRET.as_bytes())
}

pub(crate) fn mint_with(header: &Value, claims: &Value, key: &[u8]) -> String {
    mint_raw(&header.to_string(), &claims.to_string(), key)
}

/// A token of exactly these texts.
pub(crate) fn mint_raw(header: &str, payload: &str, key: &[u8]) -> String {
    let message = format!("{}.{}", part(header), part(payload));
    let signature = hs256(key, message.as_bytes());
    format!("{message}.{}", part(signature))
}

pub(crate) fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn hs256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}
