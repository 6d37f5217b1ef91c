//! Callers of other issuers: what their tokens say, in our words.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::AuthError;
use crate::identity::{Claim, Identity, is_role_name};
use crate::token::{Claims, IssuerSettings, TokenError};

/// Another issuer's token in our words: its claims after mapping, no look into our store.
pub(super) fn foreign_identity(
    issuer: &IssuerSettings,
    claims: &Claims,
) -> Result<Identity, AuthError> {
    let theirs = |ours: &'static str, default: &'static str| {
        let name = issuer.claims.get(ours).map_or(default, String::as_str);
        claims.get(name).and_then(as_claim)
    };
    let text = |ours, default| match theirs(ours, default) {
        Some(Claim::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let subject = text("user_id", "sub").ok_or(TokenError::NoUser)?;
    let mut all: BTreeMap<_, _> =
        claims.iter().filter_map(|(name, value)| Some((name.clone(), as_claim(value)?))).collect();
    for (ours, theirs) in &issuer.claims {
        match claims.get(theirs).and_then(as_claim) {
            Some(claim) => all.insert(ours.clone(), claim),
            None => all.remove(ours),
        };
    }
    Ok(Identity {
        user_id: format!("{}:{subject}", issuer.name),
        username: text("username", "preferred_username").unwrap_or_default(),
        email: text("email", "email"),
        email_verified: text("email_verified", "email_verified").as_deref() == Some("true"),
        roles: foreign_roles(issuer, claims),
        claims: all,
        session: None,
        issuer: Some(Arc::clone(&issuer.name)),
        amr: claims.methods(),
    })
}

/// Only what the table lists is granted, under our names.
fn foreign_roles(issuer: &IssuerSettings, claims: &Claims) -> Vec<String> {
    let held = match claims.get(&issuer.roles_claim).and_then(as_claim) {
        Some(Claim::List(items)) => items,
        Some(Claim::Text(text)) => vec![text],
        None => Vec::new(),
    };
    let granted = held.iter().filter_map(|role| issuer.roles.get(role));
    let mut roles: Vec<_> = granted.filter(|role| is_role_name(role)).cloned().collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn as_claim(value: &Value) -> Option<Claim> {
    match value {
        Value::String(text) => Some(Claim::Text(text.clone())),
        Value::Number(_) | Value::Bool(_) => Some(Claim::Text(value.to_string())),
        Value::Array(items) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().map(Claim::List)
        }
        Value::Null | Value::Object(_) => None,
    }
}
