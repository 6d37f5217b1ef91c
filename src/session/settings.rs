//! What the operator decides about sessions.

use std::time::Duration;

use super::{RelyingParty, UserKeySettings};
use crate::store::Terms;
use crate::token::CALLERS;
use crate::web::SessionCookie;

/// The session part of `[auth]`, checked.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// The absolute end of a session, however often it is refreshed.
    pub lifetime: Duration,
    /// Whether a refresh token is exchanged for a new one at each use.
    pub rotation: bool,
    /// For how long a spent refresh token yields the successor it already has.
    pub grace: Duration,
    /// Whether `Authorization: Token <key>` opens routes.
    pub token_scheme: bool,
    /// Keys that users make; `None`: there are none.
    pub user_keys: Option<UserKeySettings>,
    /// What browsers hold their sessions by; `None` where nobody signs in on a page of ours.
    pub cookie: Option<SessionCookie>,
    /// Second factors.
    pub factors: FactorSettings,
    /// Memory for callers that are known, in bytes.
    pub callers: u64,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            rotation: true,
            grace: Duration::from_secs(10),
            token_scheme: false,
            user_keys: None,
            cookie: None,
            factors: FactorSettings::default(),
            callers: CALLERS,
        }
    }
}

/// What is asked of the names and addresses of accounts: the rest of `[auth]`, checked.
#[derive(Clone, Debug)]
pub struct AccountRules {
    /// Names that only an operator may make, in any case, beside those of the policy.
    pub reserved: Vec<String>,
    /// Whether two accounts may have one address.
    pub unique_email: bool,
    /// What becomes of names that look like others.
    pub lookalikes: Lookalikes,
}

/// What becomes of a name that looks like another one when somebody registers it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lookalikes {
    /// It is a name like any other, as in the original.
    #[default]
    Allow,
    /// It is refused.
    Refuse,
}

impl AccountRules {
    /// What a registration without an invitation has to meet.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            unique_email: self.unique_email,
            distinct_looks: self.lookalikes == Lookalikes::Refuse,
            invitation: None,
        }
    }
}

impl Default for AccountRules {
    fn default() -> Self {
        let reserved = ["admin", "administrator", "root", "support", "system"];
        Self {
            reserved: reserved.map(str::to_owned).to_vec(),
            unique_email: false,
            lookalikes: Lookalikes::Allow,
        }
    }
}

/// `[auth.factors]`, checked.
#[derive(Clone, Debug)]
pub struct FactorSettings {
    /// Whether users may enrol. Who has enrolled is asked in any case.
    pub enrol: bool,
    /// What authenticator apps call the place.
    pub issuer: String,
    /// Whether users may add passkeys, and sign in with them alone.
    pub passkeys: bool,
    /// For whom they are made; `None` where browsers have none.
    pub relying_party: Option<RelyingParty>,
}

impl Default for FactorSettings {
    fn default() -> Self {
        let issuer = "portcullis".to_owned();
        Self { enrol: true, issuer, passkeys: true, relying_party: None }
    }
}
