//! What the record has of second factors, and what their users are told.

use crate::audit::{Event, Kind};
use crate::mail::Notice;
use crate::session::Sessions;
use crate::session::passkeys::passkey_id;
use crate::store::{FactorChange, Factors, SecondFactor, User};

/// What was shown and is no factor of the user, as far as the record says it.
pub(in crate::session) struct Wrong {
    pub(in crate::session) shown: Option<SecondFactor>,
    pub(in crate::session) why: Option<&'static str>,
}

impl Wrong {
    /// Something that was typed.
    pub(super) const TYPED: Self = Self { shown: None, why: None };
}

/// As the record has it.
pub(in crate::session) const fn name(second: SecondFactor) -> &'static str {
    match second {
        SecondFactor::Totp => "totp",
        SecondFactor::RecoveryCode => "recovery-code",
        SecondFactor::Passkey | SecondFactor::PasskeyAlone => "passkey",
    }
}

impl FactorChange {
    /// What it is in the record, and what the user is told of it.
    pub(super) fn told(&self, factors: &Factors) -> Option<(Kind, Notice)> {
        match self {
            Self::Nothing => None,
            Self::Recovery(_) => Some((Kind::RecoveryCodesMade, Notice::RecoveryCodesMade)),
            Self::Remove => Some((Kind::FactorRemoved, Notice::FactorRemoved)),
            Self::RemovePasskey(_) => Some((Kind::FactorRemoved, Notice::PasskeyRemoved)),
            // With the last one all are gone.
            Self::RemoveTotp if factors.passkeys.is_empty() => Self::Remove.told(factors),
            Self::RemoveTotp => Some((Kind::FactorRemoved, Notice::AppRemoved)),
        }
    }

    /// The event of that kind.
    pub(super) fn event(&self, kind: Kind, user: &User, factors: &Factors) -> Event {
        let event = Event::new(kind).to_user(user);
        let passkey = match self {
            Self::RemovePasskey(credential) => factors.passkey(credential),
            Self::RemoveTotp => return event.with("factor", name(SecondFactor::Totp)),
            Self::Nothing | Self::Recovery(_) | Self::Remove => None,
        };
        match passkey {
            Some(passkey) => event.with("factor", "passkey").with("passkey", passkey_id(passkey)),
            None => event,
        }
    }
}

impl Sessions {
    /// Records that what was shown is no factor.
    pub(in crate::session) fn record_wrong(&self, user: &User, wrong: &Wrong) {
        let event = Event::new(Kind::FactorFailed).to_user(user);
        let shown = wrong.shown.map(|shown| ("factor", name(shown)));
        let why = wrong.why.map(|why| ("why", why));
        let all = shown.into_iter().chain(why);
        self.audit.record(all.fold(event, |event, (key, value)| event.with(key, value)));
    }

    pub(in crate::session) fn record_factor(
        &self,
        user: &User,
        kind: Kind,
        shown: Option<SecondFactor>,
    ) {
        let event = Event::new(kind).to_user(user);
        self.audit.record(match shown {
            None => event,
            Some(second) => event.with("factor", name(second)),
        });
    }
}
