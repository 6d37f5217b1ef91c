//! Records that come in: checked as if a stranger had written them, for nobody looks at each.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{GrantRecord, KeyRecord, MarkRecord, Reason, SessionRecord, UserRecord};
use crate::admin::checks;
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId, is_role_name};
use crate::keys::KeyRing;
use crate::password::recognize;
use crate::printable::{Printable, is_active};
use crate::session::{USERNAME_LENGTH, check_email, normalize_username, seal_api_key, trim};
use crate::store::{
    ApiKey, EndReason, KeptSession, Mark, RefreshGrant, Session, SpentGrant, User, WholeUser,
};

/// Most characters of what a session says of its device and address.
const TEXT: usize = 200;

/// Most bytes of the id of a token.
const JTI: usize = 256;

impl UserRecord {
    /// The user that is meant. `keys` seal an API key that comes as it is.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for the operator.
    pub fn into_whole(self, keys: Option<&KeyRing>) -> Result<WholeUser, String> {
        let username = username(&self.username)?;
        let email = email(&self.email)?;
        let password = self.password.map(|hash| recognize(&hash.0)).transpose();
        let password = password.map_err(|fault| format!("the password: {fault}"))?.flatten();
        for (name, value) in &self.claims {
            checks::claim(name, value).map_err(|refusal| refusal.detail)?;
        }
        let roles = role_names(self.roles)?;
        let groups = self.groups.iter().map(|name| checks::group(name));
        let groups = groups.collect::<Result<_, _>>().map_err(|refusal| refusal.detail)?;
        let id = UserId(self.id);
        let user = User {
            id,
            username,
            email_verified: self.email_verified && !email.is_empty(),
            email,
            password,
            active: self.active,
            roles,
            inherited: Vec::new(),
            groups: in_order(groups),
            claims: self.claims,
            created: Timestamp::from_millis(self.created),
            last_login: self.last_login.map(Timestamp::from_millis),
            password_mark: self.password_mark.map(mark),
            logout_mark: self.logout_mark.map(mark),
        };
        let key = self.key.map(|record| key(record, id, keys)).transpose()?;
        let keys = self.keys.into_iter().map(|record| record.into_key(id));
        let keys = keys.collect::<Result<_, _>>()?;
        let factors = self.factors.map(|record| record.into_factors(id)).transpose()?;
        let sessions = self.sessions.into_iter().map(|record| session(record, id));
        let sessions = sessions.collect::<Result<_, _>>()?;
        Ok(WholeUser { user, key, keys, factors, sessions })
    }
}

/// Names that came about by other rules than ours are fine, as long as they can be typed.
fn username(raw: &str) -> Result<String, String> {
    let name = normalize_username(raw);
    let fault = if name.is_empty() {
        "the name is empty"
    } else if name.chars().count() > USERNAME_LENGTH {
        "the name has more than 150 characters"
    } else if trim(&name) != name {
        "the name begins or ends with white space, which no client can send"
    } else if name.chars().any(is_active) {
        "the name has control characters"
    } else {
        return Ok(name);
    };
    Err(fault.to_owned())
}

/// Role names, each checked, in order.
pub(super) fn role_names(names: Vec<String>) -> Result<Vec<String>, String> {
    if let Some(name) = names.iter().find(|name| !is_role_name(name)) {
        return Err(format!("`{}` is no role name", Printable(name)));
    }
    Ok(in_order(names))
}

/// Sorted, without repeats.
fn in_order(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn email(raw: &str) -> Result<String, String> {
    if raw.is_empty() {
        return Ok(String::new());
    }
    check_email(raw).map_err(|_| "the address is none".to_owned())
}

const fn mark(record: MarkRecord) -> Mark {
    Mark { session: record.session, at: Timestamp::from_millis(record.at) }
}

fn key(record: KeyRecord, user: UserId, keys: Option<&KeyRing>) -> Result<ApiKey, String> {
    match record {
        KeyRecord::Plain(key) => {
            let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
            if key.0.len() != 40 || !key.0.bytes().all(hex) {
                return Err("the API key is not 40 hex digits".to_owned());
            }
            if user.0 == 0 {
                return Err("an API key belongs to a user with an id".to_owned());
            }
            let keys = keys.ok_or("the keys are not open here")?;
            seal_api_key(keys, user, &key.0).map_err(|error| error.to_string())
        }
        KeyRecord::Sealed { hash, sealed } => {
            let hash = from_hex(&hash);
            let sealed = STANDARD.decode(sealed.0).ok();
            hash.zip(sealed)
                .map(|(hash, sealed)| ApiKey { hash, sealed })
                .ok_or_else(|| "the API key is damaged".to_owned())
        }
    }
}

pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |sign: u8| char::from(sign).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

fn session(record: SessionRecord, user: UserId) -> Result<KeptSession, String> {
    let damaged = || "a session is damaged".to_owned();
    let id = match &record.sid {
        Some(sid) => sid.parse::<SessionId>().map_err(|_| damaged())?,
        None => SessionId { number: 0, tag: getrandom::u64().map_err(|_| damaged())? },
    };
    let long = |text: &str| text.chars().count() > TEXT;
    let jtis = record.adopted.iter().chain(record.refresh.iter().map(|grant| &grant.0));
    if (id.number == 0) != record.sid.is_none()
        || long(&record.device)
        || long(&record.address)
        || record.spent.len() > crate::store::SPENT_KEPT
        || jtis.into_iter().any(|jti| jti.is_empty() || jti.len() > JTI)
    {
        return Err(damaged());
    }
    let at = Timestamp::from_millis;
    let spent = |(jti, when, successor): (String, u64, GrantRecord)| SpentGrant {
        jti,
        at: at(when),
        successor: grant(successor),
    };
    let session = Session {
        id,
        user,
        started: at(record.started),
        last_used: at(record.last_used),
        expires: at(record.expires),
        ends: at(record.ends),
        ended: record.ended.map(|(when, reason)| (at(when), reason.into())),
        refresh: record.refresh.map(grant),
        spent: record.spent.into_iter().map(spent).collect(),
        device: record.device,
        address: record.address,
        second: record.second.map(Into::into),
        is_adopted: record.adopted.is_some(),
    };
    Ok(KeptSession { session, adopted: record.adopted })
}

fn grant((jti, issued, expires): GrantRecord) -> RefreshGrant {
    let at = Timestamp::from_millis;
    RefreshGrant { jti, issued: at(issued), expires: at(expires) }
}

impl From<Reason> for EndReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::LoggedOut => Self::LoggedOut,
            Reason::Reused => Self::Reused,
            Reason::Operator => Self::Operator,
        }
    }
}
