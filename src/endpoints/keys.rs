//! `GET` and `POST keys/`, `DELETE keys/{id}/`: API keys that the caller makes for its programs.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request, email};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::session::{KeyMade, NewKey};
use crate::store::UserKey;

/// Those that are good, by number.
pub(super) async fn list(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = request.caller.and_then(|caller| caller.user);
    let user = user.ok_or(EndpointError::NoCredentials)?;
    let now = cx.clock.now();
    let keys = cx.accounts.keys_of(user).await?.into_iter();
    let shown = keys.filter(|key| !key.is_expired(now)).map(|key| shown(cx, &key));
    Ok(Outcome::ok(Value::Array(shown.collect())).about(&user))
}

/// Makes one, for somebody who logged in lately: a token that was stolen does not become a key
/// that lives on when the thief is found out.
pub(super) async fn make(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.clone().ok_or(EndpointError::NoCredentials)?;
    let settings = cx.sessions.user_keys().ok_or(EndpointError::NotFound)?;
    let now = cx.clock.now();
    if let Some(within) = settings.fresh
        && !caller.logged_in_within(within, now)
    {
        return Err(EndpointError::StaleLogin(within));
    }
    let owner = email::caller(cx, &request).await?;
    let form = request.into_form(cx);
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let scopes = form.good("scopes").map(words);
    let life = form.good("expires_in").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let name = form.finish()?.take("name");
    cx.throttles.take_key(cx.accounts.audit(), owner.id, cx.clock.steady()).await?;
    let made = cx.accounts.make_key(&owner, NewKey { name, scopes, life }).await;
    if !matches!(made, Ok(KeyMade::Made(_))) {
        cx.throttles.give_back_key(owner.id).await;
    }
    let refused = |field, text| EndpointError::Fields(vec![(field, vec![text])]);
    let made = match made? {
        KeyMade::Made(made) => made,
        KeyMade::NotTheirs(role) => {
            return Err(refused("scopes", format!("You do not have the role \"{role}\".")));
        }
        KeyMade::TooLong(most) => {
            let most = most.as_secs();
            let text = format!("Ensure this value is less than or equal to {most}.");
            return Err(refused("expires_in", text));
        }
        KeyMade::TooMany(most) => return Err(EndpointError::TooManyKeys(most)),
        KeyMade::NoUser => return Err(EndpointError::NoCredentials),
        KeyMade::Off => return Err(EndpointError::NotFound),
    };
    let mut body = shown(cx, &made.key);
    if let Some(body) = body.as_object_mut() {
        body.insert("key".to_owned(), made.text.as_str().into());
    }
    Ok(Outcome { status: StatusCode::CREATED, ..Outcome::ok(body) }.about(&owner.id))
}

/// Revokes one of them. What is not there and what is somebody else's is all the same.
pub(super) async fn revoke(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = request.caller.and_then(|caller| caller.user);
    let user = user.ok_or(EndpointError::NoCredentials)?;
    // Numbers are written as those of users are.
    let UserId(id) = request.id.parse().map_err(|_| EndpointError::NotFound)?;
    if !cx.accounts.revoke_key(user, id).await? {
        return Err(EndpointError::NotFound);
    }
    Ok(Outcome::nothing().about(&user))
}

fn shown(cx: &Endpoints, key: &UserKey) -> Value {
    let last_used = cx.sessions.last_key_use(key.id).max(key.last_used);
    let text = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
    json!({
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes,
        "created": key.created.to_string(),
        "expires": text(key.expires),
        "last_used": text(last_used),
    })
}
