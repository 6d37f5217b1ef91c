//! `[identity]`: header = claim.

use http::HeaderName;
use toml::Spanned;

use super::context::Context;
use super::read::Named;
use crate::keys::Algorithm;
use crate::web::{IdentityHeaderError, IdentityHeaders};

pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<Named<Spanned<String>>>>,
    algorithm: Algorithm,
) -> IdentityHeaders {
    let Some(raw) = raw else { return IdentityHeaders::default() };
    let mut pairs = Vec::new();
    for (header, claim) in raw.into_inner().0 {
        if claim.get_ref().is_empty() {
            cx.error(claim.span(), "an empty claim name; write one such as \"user_id\"");
        }
        match claim.get_ref().strip_prefix('@') {
            Some("signed") if algorithm.is_hmac() => cx.error(
                claim.span(),
                format!(
                    "with {algorithm} whoever can check a token can make one; for \"@signed\" \
                     let [auth.signing] algorithm be ES256, EdDSA or RS256"
                ),
            ),
            Some("signed" | "cert" | "cert_subject") | None => {}
            Some(_) => cx.error(
                claim.span(),
                format!(
                    "`{}` is none; write a claim, \"@signed\", \"@cert\" or \"@cert_subject\"",
                    claim.get_ref()
                ),
            ),
        }
        match header.get_ref().parse::<HeaderName>() {
            Ok(name) => pairs.push((name, header.span(), claim.into_inner())),
            Err(_) => cx.error(
                header.span(),
                format!("`{}` is no header name; write one such as `X-User-Id`", header.get_ref()),
            ),
        }
    }
    // Each refusal names one header; without it the next one shows.
    loop {
        let given = pairs.iter().map(|(name, _, claim)| (name.clone(), claim.clone()));
        let refused = match IdentityHeaders::new(given) {
            Ok(headers) => return headers,
            Err(refused) => refused,
        };
        let (IdentityHeaderError::Reserved(name) | IdentityHeaderError::Alike(_, name)) = &refused;
        let Some(last) = pairs.iter().rposition(|(header, ..)| header == name) else {
            return IdentityHeaders::default();
        };
        let (_, at, _) = pairs.remove(last);
        cx.error(at, refused.to_string());
    }
}
