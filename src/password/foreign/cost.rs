//! What checking a hash costs: bounded, and made the same for everybody who is not let in.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::pbkdf2;

use super::{HashFault, LONGEST};

/// Rounds of a `$5$` or `$6$` hash that names none.
pub(super) const SHA_CRYPT_ROUNDS: u32 = 5000;

/// The bounds: about five seconds of one core, and memory that a small machine has.
const PBKDF2_ROUNDS: u32 = 10_000_000;
const BCRYPT_COST: u32 = 16;
const SHA_CRYPT_MOST: u32 = 5_000_000;
const ARGON2_MEMORY: u32 = 512 * 1024;
const ARGON2_LANES: u32 = 64;
/// Memory times passes, in KiB.
const ARGON2_WORK: u64 = 4 * 1024 * 1024;
const SCRYPT_MEMORY: u64 = 512 * 1024 * 1024;
/// Memory times lanes, in bytes.
const SCRYPT_WORK: u64 = 2 * 1024 * 1024 * 1024;

/// Salt where nobody's hash is computed.
const SALT: &[u8; 16] = b"nobody's in here";

/// What one check costs. Those that are cheap beside any of these cost nothing.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::password) enum Cost {
    Argon2 { kind: u8, memory: u32, passes: u32, lanes: u32 },
    Scrypt { n: u32, r: u32, p: u32 },
    Pbkdf2Sha256(u32),
    Pbkdf2Sha1(u32),
    Bcrypt(u32),
    Sha256Crypt(u32),
    Sha512Crypt(u32),
}

impl Cost {
    /// What hashes of that recipe cost, see [`crate::store::PasswordHash::recipe`]. `None` for
    /// those that cost next to nothing, and for those that are never checked.
    pub(in crate::password) fn of(recipe: &str) -> Option<Self> {
        let fields: Vec<&str> = recipe.split('$').collect();
        let number = |text: &str| text.parse::<u32>().ok();
        let cost = match *fields.as_slice() {
            ["argon2" | "", kind @ ("argon2id" | "argon2i" | "argon2d"), _version, params] => {
                let kind = if kind == "argon2id" { 2 } else { u8::from(kind == "argon2i") };
                let param = |name: &str| {
                    params.split(',').find_map(|pair| pair.strip_prefix(name)).and_then(number)
                };
                let (memory, passes, lanes) = (param("m=")?, param("t=")?, param("p=")?);
                let cost = Self::Argon2 { kind, memory, passes, lanes };
                // Ours are as costly as the operator says.
                if fields.first() == Some(&"") {
                    return Some(cost);
                }
                cost
            }
            ["pbkdf2_sha256", rounds] => Self::Pbkdf2Sha256(number(rounds)?),
            ["pbkdf2_sha1", rounds] => Self::Pbkdf2Sha1(number(rounds)?),
            [.., "2a" | "2b" | "2y", cost] => Self::Bcrypt(number(cost)?),
            ["scrypt", n, r, p] => Self::Scrypt { n: number(n)?, r: number(r)?, p: number(p)? },
            ["", "5"] => Self::Sha256Crypt(SHA_CRYPT_ROUNDS),
            ["", "6"] => Self::Sha512Crypt(SHA_CRYPT_ROUNDS),
            ["", "5", rounds] => Self::Sha256Crypt(number(rounds.strip_prefix("rounds=")?)?),
            ["", "6", rounds] => Self::Sha512Crypt(number(rounds.strip_prefix("rounds=")?)?),
            _ => return None,
        };
        bearable(cost).is_ok().then_some(cost)
    }

    pub(super) fn argon2(params: &Params) -> Self {
        let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
        Self::Argon2 { kind: 2, memory, passes, lanes }
    }
}

/// Refuses what no login may cost.
pub(super) fn bearable(cost: Cost) -> Result<(), HashFault> {
    let fine = match cost {
        Cost::Argon2 { memory, passes, lanes, .. } => {
            memory <= ARGON2_MEMORY
                && lanes <= ARGON2_LANES
                && u64::from(memory) * u64::from(passes) <= ARGON2_WORK
        }
        Cost::Scrypt { n, r, p } => {
            let memory = u64::from(n).saturating_mul(u64::from(r)).saturating_mul(128);
            memory <= SCRYPT_MEMORY && memory.saturating_mul(u64::from(p)) <= SCRYPT_WORK
        }
        Cost::Pbkdf2Sha256(rounds) | Cost::Pbkdf2Sha1(rounds) => rounds <= PBKDF2_ROUNDS,
        Cost::Bcrypt(cost) => cost <= BCRYPT_COST,
        Cost::Sha256Crypt(rounds) | Cost::Sha512Crypt(rounds) => rounds <= SHA_CRYPT_MOST,
    };
    if fine { Ok(()) } else { Err(HashFault::Costly) }
}

pub(super) fn scrypt_params(n: u32, r: u32, p: u32) -> Option<scrypt::Params> {
    let log_n = u8::try_from(n.checked_ilog2()?).ok()?;
    scrypt::Params::new(log_n, r, p).ok()
}

/// The work that is still missing, so that with `paid` it is what a check of each kind of hash in
/// the store would cost together: whoever is not let in has cost the same, whatever the account's
/// own hash is, and whether or not there is an account.
///
/// Kinds whose work is counted in rounds are topped up to the longest of them; of the others each
/// is done once.
pub(in crate::password) fn missing(
    paid: Option<Cost>,
    there_are: impl IntoIterator<Item = Cost>,
) -> Vec<Cost> {
    let there_are: BTreeSet<Cost> = there_are.into_iter().chain(paid).collect();
    let mut left = Vec::new();
    let mut top = |most: Option<u32>, done: Option<u32>, kind: fn(u32) -> Cost| {
        let rounds = most.unwrap_or(0).saturating_sub(done.unwrap_or(0));
        left.extend((rounds > 0).then(|| kind(rounds)));
    };
    let most = |of: fn(&Cost) -> Option<u32>| there_are.iter().filter_map(of).max();
    for (of, kind) in ROUNDS {
        top(most(*of), paid.as_ref().and_then(of), *kind);
    }
    let bcrypt = |cost: &Cost| if let Cost::Bcrypt(cost) = cost { Some(*cost) } else { None };
    match (most(bcrypt), paid.as_ref().and_then(bcrypt)) {
        // Each step doubles the work: cost 10, 11 and again 10 are together as much as 12.
        (Some(most), Some(done)) => left.extend((done..most).map(Cost::Bcrypt)),
        (Some(most), None) => left.push(Cost::Bcrypt(most)),
        (None, _) => {}
    }
    let single = |cost: &&Cost| matches!(cost, Cost::Argon2 { .. } | Cost::Scrypt { .. });
    left.extend(there_are.iter().filter(single).filter(|cost| Some(**cost) != paid));
    left
}

type Rounds = (fn(&Cost) -> Option<u32>, fn(u32) -> Cost);

/// The kinds whose work is counted in rounds.
const ROUNDS: &[Rounds] = &[
    (|cost| if let Cost::Pbkdf2Sha256(n) = cost { Some(*n) } else { None }, Cost::Pbkdf2Sha256),
    (|cost| if let Cost::Pbkdf2Sha1(n) = cost { Some(*n) } else { None }, Cost::Pbkdf2Sha1),
    (|cost| if let Cost::Sha256Crypt(n) = cost { Some(*n) } else { None }, Cost::Sha256Crypt),
    (|cost| if let Cost::Sha512Crypt(n) = cost { Some(*n) } else { None }, Cost::Sha512Crypt),
];

/// Hashes the password for nothing but the time, as a check does that costs so much. What fails was
/// bounded before, and costs less.
pub(in crate::password) fn perform(password: &[u8], work: Cost) -> Option<Vec<u8>> {
    let password = password.get(..LONGEST).unwrap_or(password);
    match work {
        Cost::Argon2 { kind, memory, passes, lanes } => {
            let algorithm = match kind {
                0 => Algorithm::Argon2d,
                1 => Algorithm::Argon2i,
                _ => Algorithm::Argon2id,
            };
            let params = Params::new(memory, passes, lanes, None).ok()?;
            let hasher = Argon2::new(algorithm, Version::V0x13, params);
            let mut out = vec![0; 32];
            hasher.hash_password_into(password, SALT, &mut out).ok()?;
            Some(out)
        }
        Cost::Scrypt { n, r, p } => {
            let mut out = vec![0; 64];
            scrypt::scrypt(password, SALT, &scrypt_params(n, r, p)?, &mut out).ok()?;
            Some(out)
        }
        Cost::Pbkdf2Sha256(rounds) => derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, password, 32),
        Cost::Pbkdf2Sha1(rounds) => derive(pbkdf2::PBKDF2_HMAC_SHA1, rounds, password, 20),
        Cost::Bcrypt(cost) => {
            Some(bcrypt::bcrypt(cost, *SALT, password.get(..72).unwrap_or(password)).to_vec())
        }
        Cost::Sha256Crypt(rounds) => {
            let params = sha_crypt::Params::new(rounds.max(1000)).ok()?;
            Some(sha_crypt::sha256_crypt(password, SALT, params).to_vec())
        }
        Cost::Sha512Crypt(rounds) => {
            let params = sha_crypt::Params::new(rounds.max(1000)).ok()?;
            Some(sha_crypt::sha512_crypt(password, SALT, params).to_vec())
        }
    }
}

fn derive(
    algorithm: pbkdf2::Algorithm,
    rounds: u32,
    password: &[u8],
    length: usize,
) -> Option<Vec<u8>> {
    let mut out = vec![0; length];
    pbkdf2::derive(algorithm, NonZeroU32::new(rounds)?, SALT, password, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests;
