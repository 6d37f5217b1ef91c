//! Devices that an account was logged in on: each has a count of failures of its own, so that
//! strangers who lock the name do not lock its owner out.
//!
//! The token is sealed by the key ring and bound to the name. It is no credential: who has it may
//! try passwords, as often as anybody may, and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderMap, HeaderValue};

use super::Endpoints;
use super::error::EndpointError;
use crate::clock::Timestamp;
use crate::keys::KeyError;
use crate::session::{AuthError, normalize_username};
use crate::store::{Mark, User};
use crate::web::cookies;

const NAME: &str = "portcullis-device";
/// Cookies of that name that are looked at. A browser has one, unless a page planted others.
const MOST: usize = 4;

/// What tells a device from all others.
pub(super) type DeviceId = [u8; 16];

/// What a token says. The account stands in its seal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Claims {
    id: DeviceId,
    expires: Timestamp,
    /// The password mark at the login: another password is another lock.
    mark: Option<Mark>,
}

/// The tokens in the cookies of a request, good or not.
pub(super) fn presented(headers: &HeaderMap) -> Vec<String> {
    let values = cookies(headers, NAME).filter_map(|value| std::str::from_utf8(value).ok());
    values.take(MOST).map(str::to_owned).collect()
}

/// The device of that name's account that one of the tokens speaks for.
pub(super) async fn known(
    cx: &Endpoints,
    username: &str,
    tokens: &[String],
) -> Result<Option<DeviceId>, EndpointError> {
    if cx.settings.device.is_none() {
        return Ok(None);
    }
    let (name, now) = (normalize_username(username), cx.clock.now());
    let opened = tokens.iter().find_map(|token| {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        Claims::read(cx.keys.unseal(&sealed, &context(&name))?.expose())
    });
    // Only who has a token of this very account comes further, and so learns nothing.
    let Some(claims) = opened.filter(|claims| now < claims.expires) else { return Ok(None) };
    let user = cx.accounts.find(&name).await?;
    Ok(user.filter(|user| user.password_mark == claims.mark).map(|_| claims.id))
}

/// The cookie of a new device, after a login; `None` where nothing is locked.
pub(super) fn cookie(cx: &Endpoints, user: &User) -> Result<Option<HeaderValue>, EndpointError> {
    let (Some(life), Some(_)) = (cx.settings.device, cx.settings.account) else { return Ok(None) };
    let mut id = DeviceId::default();
    let fill = getrandom::fill(&mut id).map_err(|_| KeyError::NoRandomness);
    fill.map_err(AuthError::from)?;
    let claims = Claims { id, expires: cx.clock.now().plus(life), mark: user.password_mark };
    let sealed = cx.keys.seal(&claims.write(), &context(&user.username));
    let token = URL_SAFE_NO_PAD.encode(sealed.map_err(AuthError::from)?);
    let path = if cx.settings.pages { "/" } else { cx.settings.prefix.as_str() };
    let age = life.as_secs();
    let secure = if cx.settings.secure { "; Secure" } else { "" };
    let text =
        format!("{NAME}={token}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    // A prefix is plain, and all the rest is ours.
    Ok(HeaderValue::try_from(text).ok())
}

fn context(name: &str) -> String {
    format!("device of {name}")
}

impl Claims {
    /// The form of the token, so that a later one can be told from it.
    const VERSION: u8 = 1;

    fn write(&self) -> Vec<u8> {
        let mark = self.mark.map(|mark| [mark.session, mark.at.as_millis()]);
        let numbers = [self.expires.as_millis()].into_iter().chain(mark.into_iter().flatten());
        let numbers = numbers.flat_map(u64::to_be_bytes);
        [Self::VERSION].into_iter().chain(self.id).chain(numbers).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, numbers) = bytes.strip_prefix(&[Self::VERSION])?.split_first_chunk()?;
        let (numbers, []) = numbers.as_chunks() else { return None };
        let numbers: Vec<u64> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
        let (expires, mark) = match *numbers.as_slice() {
            [expires] => (expires, None),
            [expires, session, at] => {
                (expires, Some(Mark { session, at: Timestamp::from_millis(at) }))
            }
            _ => return None,
        };
        Some(Self { id: *id, expires: Timestamp::from_millis(expires), mark })
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    #[test]
    fn claims_come_back_as_they_were() {
        let at = Timestamp::from_millis;
        for mark in [None, Some(Mark { session: 7, at: at(9) })] {
            let claims = Claims { id: [3; 16], expires: at(1_800_000_000_001), mark };
            assert_eq!(Claims::read(&claims.write()), Some(claims));
            let mut bytes = claims.write();
            bytes.push(0);
            assert_eq!(Claims::read(&bytes), None);
            bytes.truncate(bytes.len() - 2);
            assert_eq!(Claims::read(&bytes), None);
            let later = [&[2], &claims.write()[1..]].concat();
            assert_eq!(Claims::read(&later), None);
        }
        assert_eq!(Claims::read(&[]), None);
    }

    #[test]
    fn a_token_is_found_among_other_cookies() {
        let headers: HeaderMap = [
            "a=1; portcullis-device=x.y;b=2",
            "portcullis-device2=n; xportcullis-device=n; portcullis-device",
            "portcullis-device=; Portcullis-Device=n",
            "portcullis-device=1; portcullis-device=2; portcullis-device=3",
        ]
        .into_iter()
        .map(|text| (COOKIE, HeaderValue::from_static(text)))
        .collect();
        assert_eq!(presented(&headers), ["x.y", "", "1", "2"]);
        assert!(presented(&HeaderMap::new()).is_empty());
    }
}
