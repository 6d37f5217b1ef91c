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
    cx.throttles.take_guess(cx.accounts.audit(), &guessed, cx.clock.now())?;
    let checked = cx.accounts.check_login(&username, password).await;
    // A caller who goes away before this point has counted as a failure.
    if !matches!(checked, Ok(None)) {
        cx.throttles.give_back_guess(&guessed);
    }
    let user = checked?.ok_or(EndpointError::Login(refusal))?;
    let cookie = device::cookie(cx, &user)?;
    Ok(LoggedIn { user, cookie })
}

impl LoggedIn {
    /// What they get for it.
    pub(super) fn outcome(self, body: serde_json::Value) -> Outcome {
        Outcome { cookie: self.cookie, ..Outcome::ok(body) }.about(&self.user.id)
    }
}
