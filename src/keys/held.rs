//! The keys of a ring at one moment.

use std::time::Duration;

use super::pair::{SigningKey, VerifyingKey};
use super::ring_file::{MadeKey, alive};
use super::{KeyError, KeyInfo, KeySettings, KeySource};
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Keys {
    pub(super) signing: SigningKey,
    /// The signing key's own half first.
    pub(super) verifying: Vec<VerifyingKey>,
    pub(super) infos: Vec<KeyInfo>,
    /// Those of our own making, of which there may be one whose time is yet to come.
    pub(super) made: Vec<MadeKey>,
    /// Which ring they are of.
    pub(super) version: u64,
    next: Option<Timestamp>,
}

impl Keys {
    pub(super) fn assemble(
        settings: &KeySettings,
        made: Vec<MadeKey>,
        version: u64,
        longest: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let algorithm = settings.algorithm;
        let mut infos = Vec::new();
        let mut verifying = Vec::new();
        let ours = matches!(settings.source, KeySource::Made);
        let current = current(&made, now);
        let signing = match &settings.source {
            KeySource::Pem(pem) => SigningKey::from_pem(algorithm, pem.expose())?,
            KeySource::Shared(secret) => SigningKey::shared(algorithm, secret)?,
            KeySource::Made => {
                let (_, current) = current.ok_or(KeyError::Damaged)?;
                SigningKey::from_pkcs8(current.algorithm, current.pkcs8.expose())?
            }
        };
        let mut add = |key: VerifyingKey, created, retired, signs_from| {
            let (kid, algorithm) = (key.kid.clone(), key.algorithm);
            infos.push(KeyInfo { kid, algorithm, created, retired, signs_from });
            verifying.push(key);
        };
        let created = current.filter(|_| ours).map(|(_, key)| key.created);
        add(signing.verifying.clone(), created, None, None);
        for older in &settings.previous {
            add(VerifyingKey::read(algorithm, older)?, None, Some(now), None);
        }
        let is_current = |at: usize| current.is_some_and(|(current, _)| current == at);
        for (_, key) in made.iter().enumerate().filter(|(at, _)| !is_current(*at)) {
            // Others sign with it by their clocks a moment before.
            let is_next = ours && key.created > now;
            if is_next || (key.retired.is_some() && alive(key, longest, now)) {
                let signing = SigningKey::from_pkcs8(key.algorithm, key.pkcs8.expose())?;
                let signs_from = Some(key.created).filter(|_| is_next);
                let retired = key.retired.filter(|_| !is_next);
                add(signing.verifying, Some(key.created), retired, signs_from);
            }
        }
        let coming = made.iter().map(|key| key.created).filter(|at| ours && *at > now);
        let next = coming.min();
        Ok(Self { signing, verifying, infos, made, version, next })
    }

    /// Whether another key is to sign by now.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_some_and(|at| at <= now)
    }

    /// The key that was made last: the one that signs, or the one that will.
    pub(super) fn newest(&self) -> Option<&KeyInfo> {
        // Of those that are as new as one another the first, which signs.
        self.infos.iter().rev().max_by_key(|key| key.created)
    }
}

/// The key that signs at that moment, and its place. Where a clock was set back it may be one whose time
/// is yet to come.
fn current(made: &[MadeKey], now: Timestamp) -> Option<(usize, &MadeKey)> {
    let signs = |(_, key): &(usize, &MadeKey)| {
        key.created <= now && key.retired.is_none_or(|retired| now < retired)
    };
    let last = |(_, key): &(usize, &MadeKey)| key.retired.is_none();
    made.iter().enumerate().find(signs).or_else(|| made.iter().enumerate().find(last))
}
