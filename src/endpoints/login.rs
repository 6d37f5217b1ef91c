//! Name and password, wherever they are exchanged for something.

use http::HeaderValue;

use super::error::{EndpointError, LoginRefusal};
use super::factor_error::FactorError;
use super::fields::Values;
use super::reply::Outcome;
use super::throttle::Guessed;
use super::{Endpoints, device};
use crate::password::Turn;
use crate::secret::Secret;
use crate::session::{Checked, Wanted};
use crate::store::User;

/// What a name and a password are shown for.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// A session; whoever has a second factor is asked for it first.
    Session(Wanted),
    /// The key of `api-token-auth/`, which opens routes without a login ever after: whoever has a
    /// second factor gets none.
    ApiKey,
}

/// Somebody whose name and password were right, and were enough.
pub(super) struct LoggedIn {
    pub(super) user: User,
    /// By which the device is known the next time.
    cookie: Option<HeaderValue>,
    /// Until the answer is made.
    _turn: Option<Turn>,
}

/// The user whose name and password these are, if they are enough. `devices` are the tokens of
/// devices that came with them.
///
/// Unknown name, wrong password and disabled account are refused alike, after the same work,
/// and count alike.
pub(super) async fn user(
    cx: &Endpoints,
    mut values: Values,
    devices: &[String],
    refusal: LoginRefusal,
    purpose: For,
) -> Result<LoggedIn, EndpointError> {
    let username = values.take("username");
    let password = Secret::from(values.take("password"));
    let guessed = match device::known(cx, &username, devices).await? {
        Some(device) => Guessed::Device(device),
        None => Guessed::name(&username),
    };
    let check = cx.accounts.check_login(&username, password);
    let checked = guess(cx, &guessed, check, Option::is_none).await?;
    let Checked { user, factors, turn } = checked.ok_or(EndpointError::Login(refusal))?;
    let Some(factors) = factors else {
        return Ok(LoggedIn { _turn: turn, ..LoggedIn::by_both(cx, user)? });
    };
    let due = match purpose {
        For::Session(wanted) => {
            FactorError::Due(cx.sessions.challenge(&user, &factors, wanted).await?)
        }
        For::ApiKey => FactorError::Forbids,
    };
    cx.sessions.record_due(&user);
    Err(due.into())
}

/// Whoever signs in with a passkey, which is enough. No name is guessed at here, so it counts for
/// the address alone.
pub(super) async fn by_passkey(cx: &Endpoints, sent: &str) -> Result<LoggedIn, EndpointError> {
    let user = cx.sessions.check_passkey(sent).await?.ok_or(FactorError::WrongPasskey)?;
    LoggedIn::by_both(cx, user)
}

/// Looks at a second factor that somebody typed. In a count of its own, which nobody fills who
/// does not know the password.
pub(super) async fn code<T, E>(
    cx: &Endpoints,
    guessed: Guessed,
    check: impl Future<Output = Result<T, E>>,
    is_wrong: impl FnOnce(&T) -> bool,
) -> Result<T, EndpointError>
where
    EndpointError: From<E>,
{
    guess(cx, &guessed, check, is_wrong).await
}

/// Whether that is the password of a user who is in. In a count of its own: strangers who lock the
/// name lock nobody out who is in, and a token alone, found or stolen, does not guess on and on.
pub(super) async fn is_own_password(
    cx: &Endpoints,
    user: &User,
    typed: Secret,
) -> Result<bool, EndpointError> {
    let check = cx.accounts.is_password(user, typed);
    guess(cx, &Guessed::User(user.id), check, |right| !right).await
}

/// Looks at a password that somebody typed. It counts as a guess before that, and no more once it
/// is known not to be wrong: a caller who goes away meanwhile has failed.
async fn guess<T, E>(
    cx: &Endpoints,
    guessed: &Guessed,
    check: impl Future<Output = Result<T, E>>,
    is_wrong: impl FnOnce(&T) -> bool,
) -> Result<T, EndpointError>
where
    EndpointError: From<E>,
{
    cx.throttles.take_guess(cx.accounts.audit(), guessed, cx.clock.steady()).await?;
    let checked = check.await;
    if !checked.as_ref().is_ok_and(is_wrong) {
        cx.throttles.give_back_guess(guessed).await;
    }
    Ok(checked?)
}

impl LoggedIn {
    /// Somebody who has shown all that is asked for.
    pub(super) fn by_both(cx: &Endpoints, user: User) -> Result<Self, EndpointError> {
        let cookie = device::cookie(cx, &user)?;
        Ok(Self { user, cookie, _turn: None })
    }

    /// What they get for it.
    pub(super) fn outcome(self, body: serde_json::Value) -> Outcome {
        Outcome { cookie: self.cookie, ..Outcome::ok(body) }.about(&self.user.id)
    }
}
