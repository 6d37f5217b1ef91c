//! The passwords that everybody tries first.
//!
//! `common.bin` holds what is needed to know them again and no word of them: the first 40 bits of
//! the SHA-256 of each, sorted, each as its distance from the one before. `tests/common_passwords.py`
//! makes it from Django's list of 19,640. That another password is taken for one of them happens
//! once in 56 million.

use std::iter::from_fn;

use aws_lc_rs::digest::{SHA256, digest};

/// In LEB128, in 78 KB.
static DISTANCES: &[u8] = include_bytes!("common.bin");

/// Whether it is one of them, in whatever case.
pub(super) fn is_common(password: &str) -> bool {
    let space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let lower = password.to_lowercase();
    let digest = digest(&SHA256, lower.trim_matches(space).as_bytes());
    let first = digest.as_ref().iter().take(5);
    let wanted = first.fold(0, |number, byte| number << 8 | u64::from(*byte));
    numbers().take_while(|number| *number <= wanted).any(|number| number == wanted)
}

fn numbers() -> impl Iterator<Item = u64> {
    let (mut bytes, mut last) = (DISTANCES.iter(), 0_u64);
    from_fn(move || {
        let mut shift = 0;
        loop {
            let byte = *bytes.next()?;
            last = last.wrapping_add(u64::from(byte & 0x7F).checked_shl(shift)?);
            if byte < 0x80 {
                return Some(last);
            }
            shift += 7;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_tries_is_common() {
        for password in [
            "password",
            "123456",
            "qwerty",
            "password123",
            "PassWord123",
            " letmein ",
            "\u{1c}letmein\u{1f}",
        ] {
            assert!(is_common(password), "{password}");
        }
        for password in ["", "Tr1cky-Phrase-77", "password 123", "correct horse battery"] {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn the_list_is_whole_and_in_order() {
        let all: Vec<_> = numbers().collect();
        assert_eq!(all.len(), 19_640);
        assert!(all.is_sorted_by(|one, next| one < next) && all.iter().all(|it| *it < 1 << 40));
    }
}
