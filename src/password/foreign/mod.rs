//! Password hashes that others made: those of Django, of password files and of `PocketBase`.
//!
//! A hash is kept as it came and checked by its own rule, until its owner logs in and it is
//! replaced. What it costs to check is bounded, for whoever wrote the file chose the price.

mod cost;
mod digests;
mod md5_crypt;

use std::num::NonZeroU32;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Argon2, Params, PasswordVerifier};
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use crate::store::PasswordHash;
use digests::{hex, md5, sha1, sha256_hex};

pub(super) use cost::{Cost, missing, perform};

/// No password beyond this is right: the price of some formats grows with its square.
const LONGEST: usize = 4096;

/// Why an encoded hash cannot be used. `Display` is for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HashFault {
    /// No format that is known here.
    #[error("no hash in a format that is known here")]
    Unknown,
    /// A known format, but not written as it should be.
    #[error("the hash is damaged")]
    Damaged,
    /// Checking it would cost more than a login may.
    #[error("a hash that costs too much to check")]
    Costly,
    /// DES crypt: eight characters at most count, and all of them can be tried.
    #[error("a DES hash, which protects no password")]
    Des,
}

/// The hash that `encoded` is, if it can be checked here; `None` if it says that no password is
/// right.
///
/// ```
/// use portcullis::rooms::password::{HashFault, recognize};
///
/// assert!(recognize("$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")?.is_some());
/// assert_eq!(recognize("!no password")?, None);
/// assert_eq!(recognize("pbkdf2_sha256$4000000000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), Err(HashFault::Costly));
/// # Ok::<(), HashFault>(())
/// ```
///
/// # Errors
///
/// [`HashFault`]: tell it to whoever brings the hash.
pub fn recognize(encoded: &str) -> Result<Option<PasswordHash>, HashFault> {
    // What Django and shadow(5) write where no password shall do.
    if encoded.is_empty() || encoded.starts_with(['!', '*']) {
        return Ok(None);
    }
    Encoded::read(encoded)?;
    let hash = PasswordHash::new(encoded.to_owned());
    Cost::of(&hash.recipe()).map_or(Ok(()), cost::bearable)?;
    Ok(Some(hash))
}

/// Whether the password is the one that was hashed. What cannot be read lets nobody in.
pub(super) fn matches(password: &[u8], stored: &PasswordHash) -> bool {
    let whole = password.len() <= LONGEST;
    let password = password.get(..LONGEST).unwrap_or(password);
    whole & Encoded::read(stored.expose()).is_ok_and(|encoded| encoded.matches(password))
}

/// An encoded hash, taken apart and found bearable.
enum Encoded<'e> {
    Argon2(Box<Phc>),
    Pbkdf2(pbkdf2::Algorithm, NonZeroU32, &'e str, Vec<u8>),
    Bcrypt(&'e str, Prepared),
    Scrypt(scrypt::Params, &'e str, Vec<u8>),
    ShaCrypt(&'e str),
    Md5Crypt(md5_crypt::Md5Crypt<'e>),
    Md5(&'e str, Vec<u8>),
    Sha1(&'e str, Vec<u8>),
}

/// What bcrypt is given.
#[derive(Clone, Copy, PartialEq)]
enum Prepared {
    /// The password, of which 72 bytes count.
    No,
    /// Its SHA-256 in lower-case hex.
    Sha256,
}

impl<'e> Encoded<'e> {
    fn read(encoded: &'e str) -> Result<Self, HashFault> {
        let fields: Vec<&str> = encoded.split('$').collect();
        match fields.as_slice() {
            ["", "argon2id" | "argon2i" | "argon2d", ..] => argon2(encoded, Bounds::Ours),
            ["argon2", _kind, ..] => {
                argon2(encoded.strip_prefix("argon2").unwrap_or_default(), Bounds::Theirs)
            }
            ["pbkdf2_sha256", rounds, salt, digest] => {
                pbkdf2(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, decoded(digest, 32)?)
            }
            ["pbkdf2_sha1", rounds, salt, digest] => {
                pbkdf2(pbkdf2::PBKDF2_HMAC_SHA1, rounds, salt, decoded(digest, 20)?)
            }
            ["bcrypt_sha256", "", ..] => {
                bcrypt(encoded.strip_prefix("bcrypt_sha256$"), Prepared::Sha256)
            }
            ["bcrypt", "", ..] => bcrypt(encoded.strip_prefix("bcrypt$"), Prepared::No),
            ["", "2a" | "2b" | "2y", ..] => bcrypt(Some(encoded), Prepared::No),
            ["scrypt", n, salt, r, p, digest] => scrypt([n, r, p], salt, decoded(digest, 64)?),
            ["", "5" | "6", ..] => sha_crypt(encoded, &fields),
            ["", magic @ ("apr1" | "1"), salt, digest] => {
                md5_crypt::Md5Crypt::read(magic, salt, digest)
                    .map(Self::Md5Crypt)
                    .ok_or(HashFault::Damaged)
            }
            ["md5", salt, digest] => Ok(Self::Md5(salt, unhex(digest, 16)?)),
            ["sha1", salt, digest] => Ok(Self::Sha1(salt, unhex(digest, 20)?)),
            [digest] => bare(digest),
            _ => Err(HashFault::Unknown),
        }
    }

    fn matches(&self, password: &[u8]) -> bool {
        let same = |digest: &[u8], stored: &[u8]| bool::from(digest.ct_eq(stored));
        match self {
            Self::Argon2(phc) => Argon2::default().verify_password(password, &**phc).is_ok(),
            Self::Pbkdf2(algorithm, rounds, salt, digest) => {
                pbkdf2::verify(*algorithm, *rounds, salt.as_bytes(), password, digest).is_ok()
            }
            Self::Bcrypt(text, Prepared::No) => bcrypt::verify(password, text).unwrap_or(false),
            Self::Bcrypt(text, Prepared::Sha256) => {
                bcrypt::verify(sha256_hex(password), text).unwrap_or(false)
            }
            Self::Scrypt(params, salt, digest) => {
                let mut made = vec![0; digest.len()];
                scrypt::scrypt(password, salt.as_bytes(), params, &mut made)
                    .is_ok_and(|()| same(&made, digest))
            }
            Self::ShaCrypt(text) => {
                sha_crypt::ShaCrypt::default().verify_password(password, *text).is_ok()
            }
            Self::Md5Crypt(hash) => hash.matches(password),
            Self::Md5(salt, digest) => same(&md5(&[salt.as_bytes(), password]), digest),
            Self::Sha1(salt, digest) => same(&sha1(&[salt.as_bytes(), password]), digest),
        }
    }
}

/// Whose parameters a hash has.
#[derive(Clone, Copy, PartialEq)]
enum Bounds {
    /// Those of `[auth.password]`, now or earlier: the operator decides what is bearable.
    Ours,
    /// Those of whoever made the hash.
    Theirs,
}

fn argon2<'e>(phc: &str, bounds: Bounds) -> Result<Encoded<'e>, HashFault> {
    let phc = Phc::new(phc).map_err(|_| HashFault::Damaged)?;
    let params = Params::try_from(&phc).map_err(|_| HashFault::Damaged)?;
    // Where there is no salt there is none either.
    if phc.hash.is_none() {
        return Err(HashFault::Damaged);
    }
    if bounds == Bounds::Theirs {
        cost::bearable(Cost::argon2(&params))?;
    }
    Ok(Encoded::Argon2(Box::new(phc)))
}

fn pbkdf2<'e>(
    algorithm: pbkdf2::Algorithm,
    rounds: &str,
    salt: &'e str,
    digest: Vec<u8>,
) -> Result<Encoded<'e>, HashFault> {
    let rounds = number(rounds)?;
    cost::bearable(Cost::Pbkdf2Sha256(rounds))?;
    let rounds = NonZeroU32::new(rounds).ok_or(HashFault::Damaged)?;
    Ok(Encoded::Pbkdf2(algorithm, rounds, salt, digest))
}

fn bcrypt(text: Option<&str>, prepared: Prepared) -> Result<Encoded<'_>, HashFault> {
    let text = text.ok_or(HashFault::Damaged)?;
    let ["", "2a" | "2b" | "2y", cost, both] = *text.split('$').collect::<Vec<_>>() else {
        return Err(HashFault::Damaged);
    };
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    let cost_is = if cost.len() == 2 { number(cost)? } else { return Err(HashFault::Damaged) };
    if both.len() != 53 || !both.bytes().all(sign) || cost_is < 4 {
        return Err(HashFault::Damaged);
    }
    cost::bearable(Cost::Bcrypt(cost_is))?;
    Ok(Encoded::Bcrypt(text, prepared))
}

fn scrypt<'e>(
    [n, r, p]: [&str; 3],
    salt: &'e str,
    digest: Vec<u8>,
) -> Result<Encoded<'e>, HashFault> {
    let (n, r, p) = (number(n)?, number(r)?, number(p)?);
    if !n.is_power_of_two() || n < 2 {
        return Err(HashFault::Damaged);
    }
    cost::bearable(Cost::Scrypt { n, r, p })?;
    let params = cost::scrypt_params(n, r, p).ok_or(HashFault::Damaged)?;
    Ok(Encoded::Scrypt(params, salt, digest))
}

fn sha_crypt<'e>(encoded: &'e str, fields: &[&str]) -> Result<Encoded<'e>, HashFault> {
    let (id, rounds, salt, digest) = match fields {
        ["", id, salt, digest] => (*id, cost::SHA_CRYPT_ROUNDS, *salt, *digest),
        ["", id, rounds, salt, digest] => {
            let rounds = rounds.strip_prefix("rounds=").ok_or(HashFault::Damaged)?;
            (*id, number(rounds)?, *salt, *digest)
        }
        _ => return Err(HashFault::Damaged),
    };
    let length = if id == "5" { 43 } else { 86 };
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    let salted = salt.len() <= 16 && salt.bytes().all(|b| b.is_ascii_graphic());
    if digest.len() != length || !digest.bytes().all(sign) || !salted || rounds < 1000 {
        return Err(HashFault::Damaged);
    }
    cost::bearable(Cost::Sha512Crypt(rounds))?;
    Ok(Encoded::ShaCrypt(encoded))
}

/// A digest without a salt, as very old rows and password files have it.
fn bare(text: &str) -> Result<Encoded<'_>, HashFault> {
    if let Some(digest) = text.strip_prefix("{SHA}") {
        return Ok(Encoded::Sha1("", decoded(digest, 20)?));
    }
    match hex(text) {
        Some(digest) if digest.len() == 16 => Ok(Encoded::Md5("", digest)),
        _ if is_des(text) => Err(HashFault::Des),
        _ => Err(HashFault::Unknown),
    }
}

fn is_des(text: &str) -> bool {
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/');
    text.len() == 13 && text.bytes().all(sign)
}

fn number(text: &str) -> Result<u32, HashFault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HashFault::Damaged);
    }
    // More digits than fit are more work than anybody does.
    text.parse().map_err(|_overflow| HashFault::Costly)
}

fn decoded(text: &str, length: usize) -> Result<Vec<u8>, HashFault> {
    let digest = STANDARD.decode(text).map_err(|_| HashFault::Damaged)?;
    if digest.len() == length { Ok(digest) } else { Err(HashFault::Damaged) }
}

fn unhex(text: &str, length: usize) -> Result<Vec<u8>, HashFault> {
    hex(text).filter(|digest| digest.len() == length).ok_or(HashFault::Damaged)
}

#[cfg(test)]
mod tests;
