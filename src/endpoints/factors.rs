//! `token/factor/`: a login goes on with a second factor. `factors/`: the caller's own, enrolled and
//! removed.

use serde_json::{Value, json};

use super::error::EndpointError;
use super::factor_error::FactorError;
use super::login::{self, LoggedIn};
use super::reply::Outcome;
use super::throttle::Guessed;
use super::{Endpoints, Request, token};
use crate::secret::Secret;
use crate::session::{RecoveryCodes, Reply, Wanted};
use crate::store::{SecondFactor, User};

/// Takes the answer to a challenge, and gives what the password was shown for.
pub(super) async fn answer(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (mut values, client) = request.into_values(cx)?;
    let (challenge, code) = (values.take("challenge"), Secret::from(values.take("otp")));
    let Some((challenge, user)) = cx.sessions.challenged(&challenge).await? else {
        return Err(FactorError::BadChallenge.into());
    };
    let answered = cx.sessions.answer(challenge, &user, text(&code));
    let is_wrong = |reply: &Reply| matches!(reply, Reply::Wrong);
    // They may have been switched off since.
    if challenge.wanted() == Wanted::Sliding && !cx.sessions.sliding() {
        return Err(FactorError::BadChallenge.into());
    }
    let met = match login::code(cx, Guessed::Factor(user.id), answered, is_wrong).await? {
        Reply::Met(met) => met,
        Reply::Wrong => return Err(FactorError::WrongCode.into()),
        Reply::BadChallenge => return Err(FactorError::BadChallenge.into()),
    };
    let login = LoggedIn::by_both(cx, met.user)?;
    let second = Some(met.second);
    let body = match met.wanted {
        Wanted::Pair => token::body(cx, &cx.sessions.log_in(&login.user, client, second).await?),
        Wanted::Sliding => {
            json!({ "token": cx.sessions.log_in_sliding(&login.user, client, second).await? })
        }
    };
    Ok(login.outcome(body))
}

/// What the caller has.
pub(super) async fn list(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.clone().ok_or(EndpointError::NoCredentials)?;
    let user = caller.user.ok_or(EndpointError::NoCredentials)?;
    let factors = cx.accounts.factors(user).await?;
    let since = factors.as_ref().and_then(|factors| factors.confirmed_totp()?.confirmed);
    let factors = factors.unwrap_or_default();
    let body = json!({
        "totp": since.is_some(),
        "since": since.map(|at| at.to_string()),
        "recovery_codes": factors.recovery.len(),
        "shown": caller.identity.has_second_factor(),
        "passkeys": factors.passkeys.len(),
    });
    Ok(Outcome::ok(body).about(&user))
}

/// Offers an authenticator app a secret. Whoever has but the token has no use for this, nor has who
/// shows no factor where there is one.
pub(super) async fn offer(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let code = Secret::from(values.take("otp"));
    prove(cx, &user, Secret::from(values.take("password"))).await?;
    let factors = cx.accounts.factors(user.id).await?;
    if factors.is_some_and(|factors| factors.confirmed_totp().is_some()) {
        return Err(FactorError::Exists.into());
    }
    second(cx, &user, code).await?;
    let offered = cx.sessions.offer_totp(&user).await?.ok_or(FactorError::Exists)?;
    let body = json!({ "secret": *offered.secret, "uri": *offered.uri });
    Ok(Outcome { status: http::StatusCode::CREATED, ..Outcome::ok(body) }.about(&user.id))
}

/// Confirms it by its first code. The caller's session is as before: a copy of its tokens has not
/// shown a code.
pub(super) async fn confirm(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let code = Secret::from(values.take("otp"));
    // Whoever has but a token finds nothing to try here, and keeps nobody from a login.
    let factors = cx.accounts.factors(user.id).await?;
    if factors.is_some_and(|factors| factors.confirmed_totp().is_some()) {
        return Err(FactorError::Exists.into());
    }
    let confirmed = cx.sessions.confirm_totp(&user, text(&code));
    let guessed = Guessed::FirstCode(user.id);
    told(&user, login::code(cx, guessed, confirmed, Option::is_none).await?)
}

/// Removes the factors of a caller who shows password and factor.
pub(super) async fn remove(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (user, code) = shown(cx, request).await?;
    let removed = cx.sessions.remove_factors(&user, text(&code));
    if !login::code(cx, Guessed::OwnFactor(user.id), removed, |done| !done).await? {
        return Err(FactorError::WrongCode.into());
    }
    Ok(Outcome::ok(json!({})).about(&user.id))
}

/// Removes the authenticator app of a caller who shows password and factor. Passkeys stay.
pub(super) async fn remove_totp(
    cx: &Endpoints,
    request: Request,
) -> Result<Outcome, EndpointError> {
    let (user, code) = shown(cx, request).await?;
    let removed = cx.sessions.remove_totp(&user, text(&code));
    let is_wrong = |removed: &Option<bool>| *removed == Some(false);
    match login::code(cx, Guessed::OwnFactor(user.id), removed, is_wrong).await? {
        Some(true) => Ok(Outcome::ok(json!({})).about(&user.id)),
        Some(false) => Err(FactorError::WrongCode.into()),
        None => Err(FactorError::NoApp.into()),
    }
}

/// Other recovery codes, for a caller who shows password and factor.
pub(super) async fn recovery(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let (user, code) = shown(cx, request).await?;
    let made = cx.sessions.renew_recovery(&user, text(&code));
    told(&user, login::code(cx, Guessed::OwnFactor(user.id), made, Option::is_none).await?)
}

/// The caller whose password was right, and the code that came with it.
pub(super) async fn shown(
    cx: &Endpoints,
    request: Request,
) -> Result<(User, Secret), EndpointError> {
    let user = caller(cx, &request).await?;
    let (mut values, _client) = request.into_values(cx)?;
    let code = Secret::from(values.take("otp"));
    prove(cx, &user, Secret::from(values.take("password"))).await?;
    cx.accounts.factors(user.id).await?.ok_or(FactorError::Missing)?;
    Ok((user, code))
}

pub(super) async fn caller(cx: &Endpoints, request: &Request) -> Result<User, EndpointError> {
    let id = request.caller.as_ref().and_then(|caller| caller.user);
    let id = id.ok_or(EndpointError::NoCredentials)?;
    cx.accounts.get(id).await?.ok_or(EndpointError::NoCredentials)
}

pub(super) async fn prove(
    cx: &Endpoints,
    user: &User,
    password: Secret,
) -> Result<(), EndpointError> {
    if login::is_own_password(cx, user, password).await? {
        return Ok(());
    }
    Err(FactorError::WrongPassword.into())
}

/// The factor that a caller has shown; `None` where it has none. Whoever has but found out a password
/// does not pass by the factors that there are by adding one.
pub(super) async fn second(
    cx: &Endpoints,
    user: &User,
    typed: Secret,
) -> Result<Option<SecondFactor>, EndpointError> {
    if cx.accounts.factors(user.id).await?.is_none() {
        return Ok(None);
    }
    if typed.expose().is_empty() {
        return Err(FactorError::CodeMissing.into());
    }
    let shown = cx.sessions.show_factor(user, text(&typed));
    let shown = login::code(cx, Guessed::OwnFactor(user.id), shown, Option::is_none).await?;
    shown.map(Some).ok_or_else(|| FactorError::WrongCode.into())
}

/// Tells codes that can be had this once.
fn told(user: &User, codes: Option<RecoveryCodes>) -> Result<Outcome, EndpointError> {
    let RecoveryCodes(codes) = codes.ok_or(FactorError::WrongCode)?;
    let codes: Vec<Value> = codes.iter().map(|code| Value::from(code.as_str())).collect();
    Ok(Outcome::ok(json!({ "recovery_codes": codes })).about(&user.id))
}

/// What was typed. Fields are text.
pub(super) fn text(typed: &Secret) -> &str {
    std::str::from_utf8(typed.expose()).unwrap_or_default()
}
