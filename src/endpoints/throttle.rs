//! What limits which endpoint.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::device::DeviceId;
use super::error::EndpointError;
use super::reply::Outcome;
use super::settings::EndpointSettings;
use crate::audit::{Audit, Event, Kind};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::limit::{Exceeded, Limiter, Quota, subnet};
use crate::session::normalize_username;
use crate::store::fold_case;

/// Wrong codes of a user where wrong passwords are not counted by account.
// Ten is not zero, which the compiler finds out.
const CODES: Quota =
    Quota { count: NonZeroU32::new(10).unwrap(), per: Duration::from_secs(15 * 60) };

/// Wrong codes of a user in the long run: six digits hold out as long as nobody tries for months. NIST
/// SP 800-63B section 5.2.2 has no more than a hundred in a row.
// Nor is a hundred zero.
const CODES_IN_THE_LONG_RUN: Quota =
    Quota { count: NonZeroU32::new(100).unwrap(), per: Duration::from_secs(30 * 24 * 60 * 60) };

/// What is counted at an endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limited {
    /// Nothing: it takes a token of ours to cause any work here.
    ByNothing,
    /// Wrong passwords, by address and by name.
    FailedLogins,
    /// Attempts to register, by address.
    Registrations,
    /// Letters that are asked for, by client address and by the address that they go to.
    Letters,
    /// API keys that are made, by user.
    Keys,
}

/// Whose password is guessed, as the guesses are counted: so many of each.
#[derive(Clone, Debug, Hash)]
pub(super) enum Guessed {
    /// That of a normalised name, whether anybody has it or not.
    Name(String),
    /// On a device that the account was logged in on.
    Device(DeviceId),
    /// By somebody who is in.
    User(UserId),
    /// The second factor of somebody whose password is known.
    Factor(UserId),
    /// That of somebody who is in: whoever guesses at a login locks nobody out of a new password.
    OwnFactor(UserId),
    /// The first code of a secret that somebody who is in was offered.
    FirstCode(UserId),
}

impl Guessed {
    /// That of a name as it was typed.
    pub(super) fn name(username: &str) -> Self {
        Self::Name(normalize_username(username))
    }
}

/// The limiters of the endpoints, shared by all cores.
#[derive(Debug)]
pub(super) struct Throttles {
    account: Option<Arc<Limiter>>,
    /// Of codes: six digits are found by trying, so there is always one.
    factor: Arc<Limiter>,
    /// Of codes as well, whatever the policy says.
    factor_in_the_long_run: Arc<Limiter>,
    address: Option<Arc<Limiter>>,
    registrations: Option<Arc<Limiter>>,
    letters: Option<Arc<Limiter>>,
    recipient: Option<Arc<Limiter>>,
    keys: Option<Arc<Limiter>>,
    /// Refusals that were recorded: one a minute for each name and address, so that a flood of
    /// them does not wash the rest of the record away.
    recorded: Arc<Limiter>,
}

impl Limited {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ByNothing => "nothing",
            Self::FailedLogins => "logins",
            Self::Registrations => "registrations",
            Self::Letters => "letters",
            Self::Keys => "keys",
        }
    }

    /// Whether a call that has ended so counts.
    pub(super) fn counts(self, result: &Result<Outcome, EndpointError>) -> bool {
        match self {
            Self::ByNothing | Self::Keys => false,
            // What could not be checked was not wrong.
            Self::FailedLogins => {
                matches!(result, Err(EndpointError::Login(_) | EndpointError::OldPassword))
                    || matches!(result, Err(EndpointError::Factor(error)) if error.is_guess())
            }
            // Fields in order or not: the answer tells whether the name is free.
            Self::Registrations => matches!(result, Ok(_) | Err(EndpointError::Fields(_))),
            Self::Letters => result.is_ok(),
        }
    }
}

impl Throttles {
    pub(super) fn new(settings: &EndpointSettings) -> Self {
        let of = |quota: Option<Quota>| quota.map(|quota| Arc::new(Limiter::new(quota)));
        let once_a_minute = Quota { count: NonZeroU32::MIN, per: Duration::from_secs(60) };
        Self {
            account: of(settings.account),
            factor: Arc::new(Limiter::new(settings.account.unwrap_or(CODES))),
            factor_in_the_long_run: Arc::new(Limiter::new(CODES_IN_THE_LONG_RUN)),
            address: of(settings.address),
            registrations: of(settings.registrations),
            recorded: Arc::new(Limiter::new(once_a_minute)),
            letters: of(settings.letters),
            recipient: of(settings.recipient),
            keys: of(settings.keys),
        }
    }

    /// The same with what was counted by `before`, where that allowed as much.
    pub(super) fn inherit(self, before: &Self) -> Self {
        let of = |mine: Option<Arc<Limiter>>, theirs: &Option<Arc<Limiter>>| {
            let mine = mine?;
            let kept = theirs.as_ref().filter(|theirs| theirs.is_alike(&mine));
            Some(kept.map_or(mine, Arc::clone))
        };
        let alike = before.factor.is_alike(&self.factor);
        Self {
            account: of(self.account, &before.account),
            factor: if alike { Arc::clone(&before.factor) } else { self.factor },
            factor_in_the_long_run: Arc::clone(&before.factor_in_the_long_run),
            address: of(self.address, &before.address),
            registrations: of(self.registrations, &before.registrations),
            letters: of(self.letters, &before.letters),
            recipient: of(self.recipient, &before.recipient),
            keys: of(self.keys, &before.keys),
            recorded: Arc::clone(&before.recorded),
        }
    }

    /// Takes one event of an address, before anything is done for it.
    pub(super) fn take_by_address(
        &self,
        audit: &Audit,
        limited: Limited,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let Some(quota) = self.by_address(limited) else { return Ok(()) };
        let from = subnet(client);
        quota.take(&from, now).inspect_err(|_exceeded| {
            let event = Event::new(Kind::Throttled).with("by", "address");
            self.record(audit, &(limited.as_str(), from), event.with("of", limited.as_str()), now);
        })
    }

    /// Gives back one that did not count.
    pub(super) fn give_back_by_address(&self, limited: Limited, client: IpAddr) {
        if let Some(limiter) = self.by_address(limited) {
            limiter.give_back(&subnet(client));
        }
    }

    /// Takes one guess, right or not. Taken before the password is looked at, so that a throttled
    /// caller cannot tell the right one from a wrong one.
    pub(super) fn take_guess(
        &self,
        audit: &Audit,
        guessed: &Guessed,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let take = |(at, limiter): (usize, &Limiter)| {
            let give_back = || {
                self.guesses(guessed).take(at).for_each(|earlier| earlier.give_back(guessed));
            };
            limiter.take(guessed, now).inspect_err(|_exceeded| give_back())
        };
        self.guesses(guessed).enumerate().try_for_each(take).inspect_err(|_exceeded| {
            let event = Event::new(Kind::Throttled);
            let event = match guessed {
                // Whether anybody has that name is not asked here, and it may be a password.
                Guessed::Name(name) => {
                    event.with("by", "account").with("typed", audit.digest(name))
                }
                Guessed::Device(_) => event.with("by", "device"),
                Guessed::User(id) => event.with("by", "user").to_id(*id),
                Guessed::Factor(id) | Guessed::OwnFactor(id) | Guessed::FirstCode(id) => {
                    event.with("by", "factor").to_id(*id)
                }
            };
            self.record(audit, guessed, event.with("of", Limited::FailedLogins.as_str()), now);
        })
    }

    /// Gives back one that was no failure.
    pub(super) fn give_back_guess(&self, guessed: &Guessed) {
        self.guesses(guessed).for_each(|limiter| limiter.give_back(guessed));
    }

    fn guesses(&self, guessed: &Guessed) -> impl Iterator<Item = &Limiter> {
        let both = match guessed {
            Guessed::Name(_) | Guessed::Device(_) | Guessed::User(_) => {
                [self.account.as_ref(), None]
            }
            Guessed::FirstCode(_) => [Some(&self.factor), None],
            Guessed::Factor(_) | Guessed::OwnFactor(_) => {
                [Some(&self.factor), Some(&self.factor_in_the_long_run)]
            }
        };
        both.into_iter().flatten().map(|limiter| &**limiter)
    }

    /// Takes one letter to an address, whether anybody has it or not.
    pub(super) fn take_by_recipient(&self, email: &str, now: Timestamp) -> Result<(), Exceeded> {
        let Some(limiter) = &self.recipient else { return Ok(()) };
        limiter.take(&fold_case(email), now)
    }

    /// Takes one API key that a user wants to make.
    pub(super) fn take_key(
        &self,
        audit: &Audit,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let Some(limiter) = &self.keys else { return Ok(()) };
        limiter.take(&user, now).inspect_err(|_exceeded| {
            let event = Event::new(Kind::Throttled).with("by", "user").to_id(user);
            let of = Limited::Keys.as_str();
            self.record(audit, &(of, user), event.with("of", of), now);
        })
    }

    /// Gives back one that was not made.
    pub(super) fn give_back_key(&self, user: UserId) {
        if let Some(limiter) = &self.keys {
            limiter.give_back(&user);
        }
    }

    /// Records that somebody is kept from trying.
    fn record(&self, audit: &Audit, key: &impl Hash, event: Event, now: Timestamp) {
        if self.recorded.take(key, now).is_ok() {
            audit.record(event);
        }
    }

    fn by_address(&self, limited: Limited) -> Option<&Limiter> {
        match limited {
            Limited::ByNothing | Limited::Keys => None,
            Limited::FailedLogins => self.address.as_deref(),
            Limited::Registrations => self.registrations.as_deref(),
            Limited::Letters => self.letters.as_deref(),
        }
    }
}
