//! Name and password, wherever they are exchanged for something.

use http::HeaderValue;

use super::error::{EndpointError, LoginRefusal};
use super::fields::Values;
use super::reply::Outcome;
use super::throttle::Guessed;
use super::{Endpoints, device};
use crate::secret::Secret;
use crate::store::User;

/// Somebody whose name and password were right.
pub(super) struct LoggedIn {
    pub(super) user: User,
    /// By which the device is known the next time.
    cookie: Option<HeaderValue>,
}

/// The user whose name and password these are. `devices` are the tokens of devices that came
/// with them.
///
/// Unknown name, wrong password and disabled account are refused alike, after the same work,
/// and count alike.
pub(super) async fn user(
    cx: &Endpoints,
    mut values: Values,
    devices: &[String],
    refusal: LoginRefusal,
) -> Result<LoggedIn, EndpointError> {
    let username = values.take("username");
    let password = Secret::from(values.take("password"));
    let guessed = match device::known(cx, &username, devices).await? {
        Some(device) => Guessed::Device(device),
        None => Guessed::name(&username),
    };
    let check = cx.accounts.check_login(&username, password);
    let user = guess(cx, &guessed, check, Option::is_none).await?;
    let user = user.ok_or(EndpointError::Login(refusal))?;
    let cookie = device::cookie(cx, &user)?;
    Ok(LoggedIn { user, cookie })
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
    cx.throttles.take_guess(cx.accounts.audit(), guessed, cx.clock.now())?;
    let checked = check.await;
    if !checked.as_ref().is_ok_and(is_wrong) {
        cx.throttles.give_back_guess(guessed);
    }
    Ok(checked?)
}

impl LoggedIn {
    /// What they get for it.
    pub(super) fn outcome(self, body: serde_json::Value) -> Outcome {
        Outcome { cookie: self.cookie, ..Outcome::ok(body) }.about(&self.user.id)
    }
}
