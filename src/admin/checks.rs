//! What operators may set: the same rules as at the endpoints, told in the same words.

use super::{NewPassword, Refusal};
use crate::identity::is_role_name;
use crate::password::Passwords;
use crate::printable::{Printable, is_active};
use crate::session::{check_email, check_username, normalize_username, trim};

/// Longest claim name and value, in bytes: they travel in headers.
const CLAIM_NAME: usize = 128;
const CLAIM_VALUE: usize = 1024;

/// Longest name of a group, in characters, as Django has it.
const GROUP_NAME: usize = 150;

/// Claims that come from the account or the token itself.
const FACTS: [&str; 16] = [
    "acr",
    "amr",
    "aud",
    "auth_time",
    "email",
    "email_verified",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "roles",
    "sid",
    "token_type",
    "user_id",
    "username",
];

/// The spelling of a login name under which it is stored.
pub(super) fn username(raw: &str) -> Result<String, Refusal> {
    check_username(raw).map_err(|faults| faulty("username", &faults))
}

/// An address as it is stored; none is fine.
pub(super) fn email(raw: &str) -> Result<String, Refusal> {
    if raw.is_empty() {
        return Ok(String::new());
    }
    check_email(raw).map_err(|faults| faulty("email", &faults))
}

pub(super) fn role(name: &str) -> Result<(), Refusal> {
    if is_role_name(name) {
        return Ok(());
    }
    let shown = Printable(name);
    Err(Refusal::invalid(format!(
        "`{shown}` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`"
    )))
}

/// The spelling of a group's name under which it is stored. Other systems' names are fine, as
/// long as they can be shown on one line.
pub(crate) fn group(raw: &str) -> Result<String, Refusal> {
    let name = normalize_username(raw);
    let length = name.chars().count();
    if (1..=GROUP_NAME).contains(&length) && !name.chars().any(is_active) && trim(&name) == name {
        return Ok(name);
    }
    let shown = Printable(raw);
    Err(Refusal::invalid(format!(
        "`{shown}` is no name of a group; write up to {GROUP_NAME} characters on one line, \
         without white space at either end"
    )))
}

pub(super) fn claim(name: &str, value: &str) -> Result<(), Refusal> {
    if FACTS.contains(&name) {
        return Err(Refusal::invalid(format!(
            "`{name}` is a fact of the account or the token, not a claim to set"
        )));
    }
    let sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'/' | b'-');
    if name.is_empty() || name.len() > CLAIM_NAME || !name.bytes().all(sign) {
        let shown = Printable(name);
        return Err(Refusal::invalid(format!(
            "`{shown}` is no claim name; write up to {CLAIM_NAME} letters, digits, `_`, `.`, `:`, `/` and `-`"
        )));
    }
    if value.len() > CLAIM_VALUE || value.chars().any(is_active) || value.trim() != value {
        return Err(Refusal::invalid(format!(
            "the value of `{name}` must be at most {CLAIM_VALUE} bytes, on one line, without white space at either end"
        )));
    }
    Ok(())
}

/// Whether a password can be used, and with `force` not more than that.
pub(super) fn password(
    passwords: &Passwords,
    password: &NewPassword,
    (username, email): (&str, &str),
    force: bool,
) -> Result<(), Refusal> {
    let text = std::str::from_utf8(password.0.expose());
    let text = text.map_err(|_| Refusal::invalid("the password is not UTF-8"))?;
    if text.is_empty() {
        return Err(Refusal::invalid("the password is empty"));
    }
    // The endpoints trim what they are sent and refuse NUL, so such a password opens nothing.
    if trim(text) != text {
        return Err(Refusal::invalid(
            "the password begins or ends with white space, which no client could send; leave it out",
        ));
    }
    if text.contains('\0') {
        return Err(Refusal::invalid("the password has a NUL in it, which no client could send"));
    }
    let longest = passwords.longest();
    if text.chars().count() > longest {
        return Err(Refusal::invalid(format!(
            "the password has more than {longest} characters, which no client could send"
        )));
    }
    let weaknesses = if force { Vec::new() } else { passwords.weaknesses(text, username, email) };
    if weaknesses.is_empty() {
        return Ok(());
    }
    let texts: Vec<_> = weaknesses.iter().map(ToString::to_string).collect();
    Err(Refusal::invalid(format!("{} (`--force` takes it nevertheless)", texts.join(" "))))
}

fn faulty(field: &str, faults: &[impl ToString]) -> Refusal {
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    Refusal::invalid(format!("{field}: {}", texts.join(" ")))
}
