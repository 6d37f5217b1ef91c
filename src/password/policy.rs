//! Which passwords are too weak, in Django's words, since clients show them.

use std::collections::HashMap;
use std::fmt;

use super::PasswordSettings;

/// What is wrong with a password. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weakness {
    /// Too like a fact about the account.
    Similar(Attribute),
    /// Fewer characters than this.
    Short(usize),
    /// Digits only.
    Numeric,
}

/// The fact that a password resembles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribute {
    /// The login name.
    Username,
    /// The e-mail address.
    Email,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Similar(Attribute::Username) => {
                f.write_str("The password is too similar to the username.")
            }
            Self::Similar(Attribute::Email) => {
                f.write_str("The password is too similar to the email address.")
            }
            Self::Short(1) => {
                f.write_str("This password is too short. It must contain at least 1 character.")
            }
            Self::Short(least) => write!(
                f,
                "This password is too short. It must contain at least {least} characters."
            ),
            Self::Numeric => f.write_str("This password is entirely numeric."),
        }
    }
}

/// How alike is too alike, of 10.
const SIMILAR: usize = 7;

/// Everything that is wrong, in Django's order of validators.
pub(super) fn weaknesses(
    settings: &PasswordSettings,
    password: &str,
    username: &str,
    email: &str,
) -> Vec<Weakness> {
    let mut found = Vec::new();
    if settings.similarity {
        let facts = [(Attribute::Username, username), (Attribute::Email, email)];
        let alike = facts.into_iter().find(|(_, fact)| resembles(password, fact));
        found.extend(alike.map(|(attribute, _)| Weakness::Similar(attribute)));
    }
    if password.chars().count() < settings.min {
        found.push(Weakness::Short(settings.min));
    }
    if settings.numeric && !password.is_empty() && password.chars().all(char::is_numeric) {
        found.push(Weakness::Numeric);
    }
    found
}

/// Whether the password is much like the fact or one of its words, letters without case.
fn resembles(password: &str, fact: &str) -> bool {
    let password = password.to_lowercase();
    let fact = fact.to_lowercase();
    let words = fact.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.chain([fact.as_str()]).filter(|word| !word.is_empty()).any(|word| alike(&password, word))
}

/// Whether twice the signs they share, in any order, are 7/10 of all their signs: the upper
/// bound that Python's `SequenceMatcher.quick_ratio` gives, which is what Django asks.
fn alike(password: &str, word: &str) -> bool {
    let (length, other) = (password.chars().count(), word.chars().count());
    // A long password that contains a short word is not much like it; counting would be waste.
    if length >= 10 * other {
        return false;
    }
    let mut left: HashMap<char, usize> = HashMap::new();
    for sign in word.chars() {
        *left.entry(sign).or_default() += 1;
    }
    let shared = password
        .chars()
        .filter(|sign| {
            left.get_mut(sign).is_some_and(|count| {
                let any = *count > 0;
                *count = count.saturating_sub(1);
                any
            })
        })
        .count();
    2 * shared * 10 >= SIMILAR * (length + other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(password: &str) -> Vec<String> {
        let settings = PasswordSettings::default();
        weaknesses(&settings, password, "johndoe", "j.smithson@example.com")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn each_weakness_has_djangos_words() {
        assert_eq!(
            told("1234"),
            [
                "This password is too short. It must contain at least 8 characters.",
                "This password is entirely numeric."
            ]
        );
        assert_eq!(told("JohnDoe1"), ["The password is too similar to the username."]);
        assert_eq!(told("smithson9"), ["The password is too similar to the email address."]);
        assert!(told("password123").is_empty());
        assert!(told("Tr1cky-Phrase-77").is_empty());
    }

    #[test]
    fn a_long_password_may_contain_the_name() {
        assert!(told("johndoe keeps seventeen wild geese in his attic").is_empty());
    }
}
