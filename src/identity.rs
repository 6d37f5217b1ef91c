//! Who a request speaks for, in the words that every room uses.
//!
//! ```
//! use portcullis::identity::{NoSessionId, NoUserId, SessionId, UserId};
//!
//! assert_eq!("7".parse(), Ok(UserId(7)));
//! // Not another spelling of 7.
//! assert_eq!("07".parse::<UserId>(), Err(NoUserId));
//!
//! let session = SessionId { number: 12, tag: 0xcafe };
//! assert_eq!(session.to_string(), "12-000000000000cafe");
//! assert_eq!(session.to_string().parse(), Ok(session));
//! assert_eq!("12-cafe".parse::<SessionId>(), Err(NoSessionId));
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The number of a user in our store: decimal, increasing, never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId(pub u64);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no user id: only decimal digits without a leading zero are.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a user id")]
pub struct NoUserId;

impl FromStr for UserId {
    type Err = NoUserId;

    /// Reads an id strictly, so that `01` and `+1` are not other spellings of `1`.
    fn from_str(text: &str) -> Result<Self, NoUserId> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || (text.len() > 1 && text.starts_with('0')) {
            return Err(NoUserId);
        }
        text.parse().map(Self).map_err(|_overflow| NoUserId)
    }
}

/// The name of a session, as the `sid` claim has it: a store-wide increasing number, then
/// random hex so that a session cannot be guessed from its neighbour.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SessionId {
    /// Increases with every login anywhere in the store.
    pub number: u64,
    /// 64 random bits.
    pub tag: u64,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.tag)
    }
}

/// The text is no session id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a session id")]
pub struct NoSessionId;

impl FromStr for SessionId {
    type Err = NoSessionId;

    fn from_str(text: &str) -> Result<Self, NoSessionId> {
        let (number, tag) = text.split_once('-').ok_or(NoSessionId)?;
        let number = number.parse::<UserId>().map_err(|_| NoSessionId)?.0;
        let hex = tag.len() == 16 && tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let tag = if hex { u64::from_str_radix(tag, 16) } else { return Err(NoSessionId) };
        Ok(Self { number, tag: tag.map_err(|_| NoSessionId)? })
    }
}

/// The authentication by more than one factor: a method in `amr` (RFC 8176 section 2), and the
/// class in `acr`.
pub const MFA: &str = "mfa";

/// How somebody was authenticated who has shown a code beside the password (RFC 8176 section 2). A
/// recovery code is a one-time password as well, of a list that was made before.
///
/// ```
/// use portcullis::Identity;
/// use portcullis::identity::{MFA, PASSWORD_AND_CODE};
///
/// /// How whoever asks has signed in, for a page that shows it.
/// fn how(caller: &Identity) -> &'static str {
///     if PASSWORD_AND_CODE.iter().all(|method| caller.amr.iter().any(|known| known == method)) {
///         "by password and code"
///     } else if caller.amr.iter().any(|known| known == MFA) {
///         "by two factors of another place"
///     } else {
///         "by password"
///     }
/// }
/// # let _ = how;
/// ```
pub const PASSWORD_AND_CODE: [&str; 3] = ["pwd", "otp", MFA];

/// The value of a claim: one text, or a list of texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Claim {
    /// One value. Numbers and booleans of foreign tokens are their JSON text.
    Text(String),
    /// Several values, such as `roles`.
    List(Vec<String>),
}

/// The authenticated caller of a request.
///
/// For users of our own store these are the store's facts of now, not those of the day the
/// token was issued; for a foreign issuer they are the token's claims after mapping.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use portcullis::Identity;
///
/// let alice = Identity {
///     user_id: "7".into(),
///     username: "alice".into(),
///     email: None,
///     email_verified: false,
///     roles: vec!["editor".into()],
///     claims: BTreeMap::new(),
///     session: None,
///     issuer: None,
///     amr: Vec::new(),
/// };
/// assert!(alice.has_role("editor") && !alice.has_role("admin"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The id as upstreams see it: decimal for our users, `<issuer name>:<sub>` for others.
    pub user_id: String,
    /// The login name; empty where a foreign token has none.
    pub username: String,
    /// The address, if there is one.
    pub email: Option<String>,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// Role names of ours, `[a-z0-9_.:-]{1,64}`, sorted.
    pub roles: Vec<String>,
    /// Other claims: those set in the store, or all that a foreign token carries.
    pub claims: BTreeMap<String, Claim>,
    /// The session, for tokens of our own making.
    pub session: Option<SessionId>,
    /// The `[[issuers]]` name, for foreign tokens; `None` for our own users.
    pub issuer: Option<Arc<str>>,
    /// How the caller was authenticated (RFC 8176), where that took more than a password; for
    /// foreign tokens what they say of it. Empty for all others.
    pub amr: Vec<String>,
}

impl Identity {
    /// A caller of our own of whom nothing is known yet.
    pub(crate) const fn nobody() -> Self {
        Self {
            user_id: String::new(),
            username: String::new(),
            email: None,
            email_verified: false,
            roles: Vec::new(),
            claims: BTreeMap::new(),
            session: None,
            issuer: None,
            amr: Vec::new(),
        }
    }

    /// The caller of a request that has come through a gateway to a handler of the program that
    /// the gateway is a part of: `None` where anyone may ask and nobody has said who asks.
    ///
    /// With the feature `axum` a handler has it as an argument, an `Identity` or an
    /// `Option<Identity>`.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use portcullis::Body;
    /// use portcullis::{Identity, NoIdentity};
    ///
    /// fn handle(request: &Request<Body>) -> Response<Body> {
    ///     let Some(caller) = Identity::of(request.extensions()) else {
    ///         return NoIdentity.into_response();
    ///     };
    ///     Response::new(Body::from(caller.username.clone()))
    /// }
    ///
    /// assert_eq!(handle(&Request::default()).status(), 401);
    /// ```
    pub fn of(extensions: &http::Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The same with no role beyond those in `scopes`, where there are any to keep to.
    #[must_use]
    pub fn narrowed(mut self, scopes: Option<&[String]>) -> Self {
        if let Some(scopes) = scopes {
            self.roles.retain(|role| scopes.contains(role));
        }
        self
    }

    /// The claim of that name, as `[identity]` and `claim:` rules read it.
    pub fn claim(&self, name: &str) -> Option<Cow<'_, Claim>> {
        let text = |value: &str| (!value.is_empty()).then(|| Cow::Owned(Claim::Text(value.into())));
        match name {
            "user_id" => text(&self.user_id),
            "username" => text(&self.username),
            "email" => self.email.as_deref().and_then(text),
            "email_verified" => text(if self.email_verified { "true" } else { "false" }),
            "roles" if self.roles.is_empty() => None,
            "roles" => Some(Cow::Owned(Claim::List(self.roles.clone()))),
            "sid" => self.session.map(|id| Cow::Owned(Claim::Text(id.to_string()))),
            // What an operator may have set under these names says nothing of a login.
            "amr" if self.issuer.is_none() && self.amr.is_empty() => None,
            "amr" if self.issuer.is_none() => Some(Cow::Owned(Claim::List(self.amr.clone()))),
            "acr" if self.issuer.is_none() => {
                self.has_second_factor().then(|| Cow::Owned(Claim::Text(MFA.into())))
            }
            other => self.claims.get(other).map(Cow::Borrowed),
        }
    }

    /// Whether the caller has shown more than one factor, as whoever has authenticated it says.
    pub fn has_second_factor(&self) -> bool {
        self.amr.iter().any(|method| method == MFA)
    }

    /// Whether the caller has that role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }
}

/// Whether `name` may be a role: `[a-z0-9_.:-]{1,64}`. Anything else could be read as two
/// roles, or as none, by whoever splits the header.
///
/// ```
/// assert!(portcullis::is_role_name("team:billing"));
/// assert!(!portcullis::is_role_name("admin,root"));
/// ```
pub fn is_role_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!("17".parse(), Ok(UserId(17)));
        assert_eq!("0".parse(), Ok(UserId(0)));
        for text in ["", "01", "+1", "-1", " 1", "1 ", "1.0", "१", "18446744073709551616"] {
            assert_eq!(text.parse::<UserId>(), Err(NoUserId), "{text:?}");
        }
    }

    #[test]
    fn a_session_id_has_one_spelling() {
        let id = SessionId { number: 42, tag: 0xab };
        assert_eq!(id.to_string(), "42-00000000000000ab");
        assert_eq!("42-00000000000000ab".parse(), Ok(id));
        for text in ["42", "42-ab", "042-00000000000000ab", "42-00000000000000AB", "-1-0"] {
            assert_eq!(text.parse::<SessionId>(), Err(NoSessionId), "{text:?}");
        }
    }
}
