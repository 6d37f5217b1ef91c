//! What limits which endpoint.

mod count;
mod guessed;
mod key;

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use self::count::Count;
pub(super) use self::count::Shared;
pub(super) use self::guessed::Guessed;
use super::error::EndpointError;
use super::reply::Outcome;
use super::settings::EndpointSettings;
use crate::audit::{Audit, Event, Kind};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::limit::{Limiter, Quota, subnet};
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

/// The limiters of the endpoints, shared by all cores.
#[derive(Debug)]
pub(super) struct Throttles {
    account: Option<Count>,
    /// Of codes: six digits are found by trying, so there is always one.
    factor: Count,
    /// Of codes as well, whatever the policy says.
    factor_in_the_long_run: Count,
    address: Option<Count>,
    registrations: Option<Count>,
    letters: Option<Count>,
    recipient: Option<Count>,
    keys: Option<Count>,
    /// Refusals that were recorded here: one a minute for each name and address, so that a flood of
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
    pub(super) fn new(settings: &EndpointSettings, shared: Option<&Shared>) -> Self {
        let count = |name, quota| Count::new(quota, name, shared);
        let of = |name, quota: Option<Quota>| quota.map(|quota| count(name, quota));
        let once_a_minute = Quota { count: NonZeroU32::MIN, per: Duration::from_secs(60) };
        Self {
            account: of("account", settings.account),
            factor: count("factor", settings.account.unwrap_or(CODES)),
            factor_in_the_long_run: count("factor, in the long run", CODES_IN_THE_LONG_RUN),
            address: of("address", settings.address),
            registrations: of("registrations", settings.registrations),
            letters: of("letters", settings.letters),
            recipient: of("recipient", settings.recipient),
            keys: of("keys", settings.keys),
            recorded: Arc::new(Limiter::new(once_a_minute)),
        }
    }

    /// The same with what was counted by `before`, where that allowed as much.
    pub(super) fn inherit(self, before: &Self) -> Self {
        let of = |mine: Option<Count>, theirs: &Option<Count>| {
            mine.map(|mine| mine.inherit(theirs.as_ref()))
        };
        let always = |mine: Count, theirs: &Count| mine.inherit(Some(theirs));
        Self {
            account: of(self.account, &before.account),
            factor: always(self.factor, &before.factor),
            factor_in_the_long_run: always(
                self.factor_in_the_long_run,
                &before.factor_in_the_long_run,
            ),
            address: of(self.address, &before.address),
            registrations: of(self.registrations, &before.registrations),
            letters: of(self.letters, &before.letters),
            recipient: of(self.recipient, &before.recipient),
            keys: of(self.keys, &before.keys),
            recorded: Arc::clone(&before.recorded),
        }
    }

    /// Takes one event of an address, before anything is done for it.
    pub(super) async fn take_by_address(
        &self,
        audit: &Audit,
        limited: Limited,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        let Some(count) = self.by_address(limited) else { return Ok(()) };
        let from = subnet(client);
        let taken = count.take(&from, now).await;
        self.note(audit, &taken, &(limited.as_str(), from), now, || {
            Event::new(Kind::Throttled).with("by", "address").with("of", limited.as_str())
        });
        taken
    }

    /// Gives back one that did not count.
    pub(super) async fn give_back_by_address(&self, limited: Limited, client: IpAddr) {
        if let Some(count) = self.by_address(limited) {
            count.give_back(&subnet(client)).await;
        }
    }

    /// Takes one guess, right or not. Taken before the password is looked at, so that a throttled
    /// caller cannot tell the right one from a wrong one.
    pub(super) async fn take_guess(
        &self,
        audit: &Audit,
        guessed: &Guessed,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        let taken = self.take_all(guessed, now).await;
        self.note(audit, &taken, guessed, now, || {
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
            event.with("of", Limited::FailedLogins.as_str())
        });
        taken
    }

    /// Takes one of each count, or none.
    async fn take_all(&self, guessed: &Guessed, now: Timestamp) -> Result<(), EndpointError> {
        for (at, count) in self.guesses(guessed).enumerate() {
            if let Err(refused) = count.take(guessed, now).await {
                for earlier in self.guesses(guessed).take(at) {
                    earlier.give_back(guessed).await;
                }
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Gives back one that was no failure.
    pub(super) async fn give_back_guess(&self, guessed: &Guessed) {
        for count in self.guesses(guessed) {
            count.give_back(guessed).await;
        }
    }

    fn guesses(&self, guessed: &Guessed) -> impl Iterator<Item = &Count> + use<'_> {
        let both = match guessed {
            Guessed::Name(_) | Guessed::Device(_) | Guessed::User(_) => {
                [self.account.as_ref(), None]
            }
            Guessed::FirstCode(_) => [Some(&self.factor), None],
            Guessed::Factor(_) | Guessed::OwnFactor(_) => {
                [Some(&self.factor), Some(&self.factor_in_the_long_run)]
            }
        };
        both.into_iter().flatten()
    }

    /// Takes one letter to an address, whether anybody has it or not.
    pub(super) async fn take_by_recipient(
        &self,
        email: &str,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        let Some(count) = &self.recipient else { return Ok(()) };
        count.take(&fold_case(email), now).await
    }

    /// Takes one API key that a user wants to make.
    pub(super) async fn take_key(
        &self,
        audit: &Audit,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), EndpointError> {
        let Some(count) = &self.keys else { return Ok(()) };
        let (taken, of) = (count.take(&user, now).await, Limited::Keys.as_str());
        self.note(audit, &taken, &(of, user), now, || {
            Event::new(Kind::Throttled).with("by", "user").to_id(user).with("of", of)
        });
        taken
    }

    /// Gives back one that was not made.
    pub(super) async fn give_back_key(&self, user: UserId) {
        if let Some(count) = &self.keys {
            count.give_back(&user).await;
        }
    }

    /// Records that somebody is kept from trying.
    fn note(
        &self,
        audit: &Audit,
        taken: &Result<(), EndpointError>,
        key: &impl Hash,
        now: Timestamp,
        event: impl FnOnce() -> Event,
    ) {
        let is_too_much = matches!(taken, Err(EndpointError::Throttled(_)));
        if is_too_much && self.recorded.take(key, now).is_ok() {
            audit.record(event());
        }
    }

    fn by_address(&self, limited: Limited) -> Option<&Count> {
        match limited {
            Limited::ByNothing | Limited::Keys => None,
            Limited::FailedLogins => self.address.as_ref(),
            Limited::Registrations => self.registrations.as_ref(),
            Limited::Letters => self.letters.as_ref(),
        }
    }
}
