//! Names and addresses of accounts, as Django checks them.
//!
//! The rules are the original's, so that whoever could register there can register here, under
//! the same name, and is told the same where not.

use std::net::{Ipv4Addr, Ipv6Addr};

use unicode_normalization::UnicodeNormalization;

use crate::password::is_word_sign;

/// Most characters of a username.
pub const USERNAME_LENGTH: usize = 150;

/// Most characters of an address.
pub const EMAIL_LENGTH: usize = 254;

/// Most characters that are read as an address at all (RFC 3696 section 3).
const READABLE_EMAIL_LENGTH: usize = 320;

/// What is wrong with a username. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameFault {
    /// A sign that no username has, or no sign at all.
    #[error(
        "Enter a valid username. This value may contain only letters, numbers, and @/./+/-/_ \
         characters."
    )]
    Signs,
    /// More than [`USERNAME_LENGTH`] characters.
    #[error("Ensure this field has no more than {USERNAME_LENGTH} characters.")]
    Long,
    /// A NUL.
    #[error("Null characters are not allowed.")]
    Null,
}

/// What is wrong with an address. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EmailFault {
    /// More than [`EMAIL_LENGTH`] characters.
    #[error("Ensure this field has no more than {EMAIL_LENGTH} characters.")]
    Long,
    /// A NUL.
    #[error("Null characters are not allowed.")]
    Null,
    /// Not an address.
    #[error("Enter a valid email address.")]
    Shape,
}

/// Text without the white space around it, which is what Python calls white space: Unicode's,
/// and the four separators U+001C to U+001F.
///
/// ```
/// assert_eq!(portcullis::rooms::session::trim("\u{3000} johndoe\u{1f}\n"), "johndoe");
/// ```
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

/// The spelling of a username under which it is stored and found (NFKC).
pub fn normalize_username(raw: &str) -> String {
    raw.nfkc().collect()
}

/// The username that `raw`, trimmed, stands for, in the form in which it is stored.
///
/// Both the text as typed and the stored form have to be a username. Django looks at the first
/// only, and so stores names with spaces in them where NFKC turns one sign into several words.
///
/// # Errors
///
/// All that is wrong with it, in Django's order; show each to whoever chose the name.
pub fn check_username(raw: &str) -> Result<String, Vec<NameFault>> {
    let typed = trim(raw);
    let stored = normalize_username(typed);
    let any = |wrong: fn(&str) -> bool| wrong(typed) || wrong(&stored);
    let faults = [
        (NameFault::Signs, any(|name| name.is_empty() || !name.chars().all(is_username_sign))),
        (NameFault::Long, any(|name| name.chars().count() > USERNAME_LENGTH)),
        (NameFault::Null, any(|name| name.contains('\0'))),
    ];
    found(faults).map_or(Ok(stored), Err)
}

/// The address that `raw`, trimmed, stands for, in the form in which it is stored: its domain
/// in lower case.
///
/// # Errors
///
/// All that is wrong with it, in Django's order; show each to whoever gave the address.
pub fn check_email(raw: &str) -> Result<String, Vec<EmailFault>> {
    let typed = trim(raw);
    let stored = typed.rsplit_once('@').map_or_else(
        || typed.to_owned(),
        |(user, domain)| format!("{user}@{}", domain.to_lowercase()),
    );
    let length = typed.chars().count().max(stored.chars().count());
    let faults = [
        (EmailFault::Long, length > EMAIL_LENGTH),
        (EmailFault::Null, typed.contains('\0')),
        (EmailFault::Shape, length > READABLE_EMAIL_LENGTH || !is_address(typed)),
    ];
    found(faults).map_or(Ok(stored), Err)
}

/// The faults that are there, if any.
fn found<T: Copy, const N: usize>(faults: [(T, bool); N]) -> Option<Vec<T>> {
    let found: Vec<T> =
        faults.iter().filter(|(_, there)| *there).map(|(fault, _)| *fault).collect();
    (!found.is_empty()).then_some(found)
}

/// `[\w.@+-]` as Python reads it: letters and numbers of any script, no combining marks.
fn is_username_sign(sign: char) -> bool {
    is_word_sign(sign) || matches!(sign, '.' | '@' | '+' | '-')
}

/// Whether Django's `EmailValidator` takes it.
fn is_address(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(user, domain)| {
        (is_dot_atom(user) || is_quoted(user))
            && (domain == "localhost" || is_domain(domain) || is_literal(domain))
    })
}

/// RFC 5322 section 3.2.3.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    })
}

/// RFC 5322 section 3.2.4, with the obsolete control characters that Django lets pass.
fn is_quoted(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return false;
    };
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'\\' => bytes.next().is_some_and(|b| matches!(b, 1..=9 | 0x0b | 0x0c | 0x0e..=0x7f)),
            b'"' | b' ' => false,
            _ => matches!(byte, 1..=8 | 0x0b | 0x0c | 0x0e..=0x7f),
        };
        if !fine {
            return false;
        }
    }
    true
}

/// Two labels at least, in ASCII or another script (IDN), the last without digits or in
/// punycode.
fn is_domain(text: &str) -> bool {
    let Some((front, top)) = text.rsplit_once('.') else { return false };
    let is_punycode = |top: &str| {
        let rest = top.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("xn--"));
        let rest = rest.and_then(|_| top.get(4..)).unwrap_or_default();
        (1..=59).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let has_digit = top.bytes().any(|byte| byte.is_ascii_digit());
    let is_word = is_label(top) && top.chars().count() >= 2 && !has_digit;
    front.split('.').all(is_label) && (is_word || is_punycode(top))
}

fn is_label(text: &str) -> bool {
    // White space beyond ASCII falls into the range that Django takes for letters.
    let foreign = |c: char| ('\u{a1}'..='\u{ffff}').contains(&c) && !c.is_whitespace();
    (1..=63).contains(&text.chars().count())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || foreign(c))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// RFC 5321 section 4.1.3, without the `IPv6:` tag, as Django has it.
fn is_literal(text: &str) -> bool {
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|address| {
        address.parse::<Ipv4Addr>().is_ok() || address.parse::<Ipv6Addr>().is_ok()
    })
}

#[cfg(test)]
mod tests;
