//! `token/passkey/`: a login by a passkey alone. `factors/passkeys/`: the caller's own, added,
//! called otherwise and removed.

use http::StatusCode;
use serde_json::{Value, json};

use super::error::EndpointError;
use super::factor_error::FactorError;
use super::factors::{caller, prove, second, text};
use super::reply::Outcome;
use super::throttle::Guessed;
use super::{Endpoints, Request, login, token};
use crate::secret::Secret;
use crate::session::{CHALLENGE_LIFE, PasskeyOptions, RecoveryCodes, passkey_id};
use crate::store::{Passkey, SecondFactor};

/// What a browser is to ask for. It is the same whoever asks, and nothing is kept of it.
pub(super) fn begin(cx: &Endpoints) -> Result<Outcome, EndpointError> {
    let options = cx.sessions.ask_for_passkey()?.ok_or(EndpointError::NoRelyingParty)?;
    Ok(Outcome::ok(asked(options)))
}

/// Takes what a passkey has signed, and gives what `token/` gives.
pub(super) async fn sign_in(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, client) = request.into_values(cx)?;
    let login = login::by_passkey(cx, &values.take("credential")).await?;
    let second = Some(SecondFactor::PasskeyAlone);
    let pair = cx.sessions.log_in(&login.user, client, second).await?;
    Ok(login.outcome(token::body(cx, &pair)))
}

/// Those of the caller.
pub(super) async fn list(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let factors = cx.accounts.factors(user.id).await?.unwrap_or_default();
    let all: Vec<_> = factors.passkeys.iter().map(shown).collect();
    Ok(Outcome::ok(Value::from(all)).about(&user.id))
}

/// What a browser is to make one by, for a caller who knows the password, and shows a factor if it has
/// one.
pub(super) async fn offer(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let code = Secret::from(values.take("otp"));
    prove(cx, &user, Secret::from(values.take("password"))).await?;
    second(cx, &user, code).await?;
    let offered = cx.sessions.offer_passkey(&user).await?.ok_or(EndpointError::NoRelyingParty)?;
    let options = offered.map_err(FactorError::NotAdded)?;
    let made = Outcome { status: StatusCode::CREATED, ..Outcome::ok(asked(options)) };
    Ok(made.about(&user.id))
}

/// Adds what the browser has made. The caller's session is as before.
pub(super) async fn confirm(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let (name, credential) = (values.take("name"), values.take("credential"));
    let added = cx.sessions.add_passkey(&user, name, &credential).await?;
    let codes = added.map_err(FactorError::NotAdded)?;
    let codes = codes.map(|RecoveryCodes(codes)| codes).unwrap_or_default();
    let codes: Vec<Value> = codes.iter().map(|code| Value::from(code.as_str())).collect();
    let body = json!({ "recovery_codes": codes });
    Ok(Outcome { status: StatusCode::CREATED, ..Outcome::ok(body) }.about(&user.id))
}

/// What a browser is to ask for where a caller who has passkeys has to show a factor: what comes of
/// it is good where a code is.
pub(super) async fn challenge(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let factors = cx.accounts.factors(user.id).await?.unwrap_or_default();
    if cx.sessions.relying_party().is_none() {
        return Err(EndpointError::NoRelyingParty);
    }
    let options = cx.sessions.ask_for_passkey_of(user.id, &factors)?;
    let options = options.ok_or(FactorError::Missing)?;
    Ok(Outcome::ok(asked(options)).about(&user.id))
}

/// Removes one of a caller who shows password and factor.
pub(super) async fn remove(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let (id, code) = (values.take("id"), Secret::from(values.take("otp")));
    prove(cx, &user, Secret::from(values.take("password"))).await?;
    let removed = cx.sessions.remove_passkey(&user, &id, text(&code));
    let is_wrong = |removed: &Option<bool>| *removed == Some(false);
    match login::code(cx, Guessed::OwnFactor(user.id), removed, is_wrong).await? {
        Some(true) => Ok(Outcome::ok(json!({})).about(&user.id)),
        Some(false) => Err(FactorError::WrongCode.into()),
        None => Err(FactorError::NoSuchPasskey.into()),
    }
}

/// Gives one of the caller another name.
pub(super) async fn rename(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let (id, name) = (values.take("id"), values.take("name"));
    if cx.sessions.rename_passkey(&user, &id, name).await? {
        return Ok(Outcome::ok(json!({})).about(&user.id));
    }
    Err(FactorError::NoSuchPasskey.into())
}

fn asked(PasskeyOptions(options): PasskeyOptions) -> Value {
    json!({ "publicKey": options, "expires_in": CHALLENGE_LIFE.as_secs() })
}

fn shown(passkey: &Passkey) -> Value {
    json!({
        "id": passkey_id(passkey),
        "name": passkey.name,
        "created": passkey.created.to_string(),
        "last_used": passkey.used.map(|at| at.to_string()),
        "copied": passkey.is_copied,
    })
}
