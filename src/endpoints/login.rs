//! Name and password, wherever they are exchanged for something.

use super::Endpoints;
use super::error::{EndpointError, LoginRefusal};
use super::fields::Values;
use crate::secret::Secret;
use crate::store::User;

/// The user whose name and password these are.
///
/// Unknown name, wrong password and disabled account are refused alike, after the same work,
/// and count alike.
pub(super) async fn user(
    cx: &Endpoints,
    mut values: Values,
    refusal: LoginRefusal,
) -> Result<User, EndpointError> {
    let username = values.take("username");
    let password = Secret::from(values.take("password"));
    cx.throttles.take_by_name(&username, cx.clock.now())?;
    let checked = cx.accounts.check_login(&username, password).await;
    // A caller who goes away before this point has counted as a failure.
    if !matches!(checked, Ok(None)) {
        cx.throttles.give_back_by_name(&username);
    }
    checked?.ok_or(EndpointError::Login(refusal))
}
