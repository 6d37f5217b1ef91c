//! `$1$` and `$apr1$`: MD5 a thousand times over, as password files have it.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::digests::md5;

/// The signs of the digest, each for six bits.
const SIGNS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Which bytes of the digest are written together, three in four signs.
const ORDER: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// A hash of that kind.
pub(super) struct Md5Crypt<'e> {
    magic: &'e str,
    salt: &'e str,
    digest: &'e str,
}

impl<'e> Md5Crypt<'e> {
    /// `None` if it is not written as it should be.
    pub(super) fn read(magic: &'e str, salt: &'e str, digest: &'e str) -> Option<Self> {
        let fine = digest.len() == 22 && digest.bytes().all(|sign| SIGNS.contains(&sign));
        (fine && salt.len() <= 8).then_some(Self { magic, salt, digest })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        written(&self.digest_of(password)).as_bytes().ct_eq(self.digest.as_bytes()).into()
    }

    fn digest_of(&self, password: &[u8]) -> [u8; 16] {
        let salt = self.salt.as_bytes();
        let inner = md5(&[password, salt, password]);
        let mut first = Zeroizing::new(password.to_vec());
        first.extend_from_slice(format!("${}$", self.magic).as_bytes());
        first.extend_from_slice(salt);
        first.extend(inner.iter().cycle().take(password.len()));
        // One bit of the length after the other: a NUL where it is set, the first byte where not.
        let mut length = password.len();
        while length > 0 {
            let byte = if length & 1 == 1 { 0 } else { password.first().copied().unwrap_or(0) };
            first.push(byte);
            length >>= 1;
        }
        let mut digest = md5(&[&first]);
        for round in 0..1000 {
            let (begin, end): (&[u8], &[u8]) =
                if round % 2 == 1 { (password, &digest) } else { (&digest, password) };
            let salt = if round % 3 == 0 { &[] } else { salt };
            let middle = if round % 7 == 0 { &[] } else { password };
            digest = md5(&[begin, salt, middle, end]);
        }
        digest
    }
}

/// The digest in its own order and alphabet.
fn written(digest: &[u8; 16]) -> String {
    let byte = |at: usize| u32::from(digest.get(at).copied().unwrap_or(0));
    let mut text = String::with_capacity(22);
    let mut write = |mut bits: u32, signs: usize| {
        for _ in 0..signs {
            let sign = SIGNS.get((bits & 63) as usize).copied().unwrap_or(b'.');
            text.push(char::from(sign));
            bits >>= 6;
        }
    };
    for [high, middle, low] in ORDER {
        write(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    write(byte(11), 2);
    text
}
