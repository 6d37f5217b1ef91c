//! Which passwords are too weak, in Django's words, since clients show them.

use std::collections::HashMap;
use std::fmt;

use unicode_general_category::{GeneralCategory, get_general_category};

use super::{PasswordSettings, common};

/// What is wrong with a password. `Display` is Django's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Weakness {
    /// Too like a fact about the account.
    Similar(Attribute),
    /// Fewer characters than this.
    Short(usize),
    /// One of those that everybody tries first.
    Common,
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
            Self::Common => f.write_str("This password is too common."),
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
    if settings.common && common::is_common(password) {
        found.push(Weakness::Common);
    }
    if settings.numeric && !password.is_empty() && password.chars().all(is_digit) {
        found.push(Weakness::Numeric);
    }
    found
}

/// Whether Python's `str.isdigit` is true of it: decimal digits, and digits in circles, above
/// the line or otherwise dressed up, but no fractions and no letters for numbers.
fn is_digit(sign: char) -> bool {
    get_general_category(sign) == GeneralCategory::DecimalNumber
        || DRESSED_UP.iter().any(|(first, last)| (*first..=*last).contains(&sign))
}

/// The digits (`Numeric_Type=Digit`) among the signs that are numbers otherwise.
const DRESSED_UP: [(char, char); 20] = [
    ('\u{b2}', '\u{b3}'),
    ('\u{b9}', '\u{b9}'),
    ('\u{1369}', '\u{1371}'),
    ('\u{19da}', '\u{19da}'),
    ('\u{2070}', '\u{2070}'),
    ('\u{2074}', '\u{2079}'),
    ('\u{2080}', '\u{2089}'),
    ('\u{2460}', '\u{2468}'),
    ('\u{2474}', '\u{247c}'),
    ('\u{2488}', '\u{2490}'),
    ('\u{24ea}', '\u{24ea}'),
    ('\u{24f5}', '\u{24fd}'),
    ('\u{24ff}', '\u{24ff}'),
    ('\u{2776}', '\u{277e}'),
    ('\u{2780}', '\u{2788}'),
    ('\u{278a}', '\u{2792}'),
    ('\u{10a40}', '\u{10a43}'),
    ('\u{10e60}', '\u{10e68}'),
    ('\u{11052}', '\u{1105a}'),
    ('\u{1f100}', '\u{1f10a}'),
];

/// Whether the password is much like the fact or one of its words, letters without case.
fn resembles(password: &str, fact: &str) -> bool {
    let password = password.to_lowercase();
    let fact = fact.to_lowercase();
    let words = fact.split(|c: char| !is_word_sign(c));
    words.chain([fact.as_str()]).filter(|word| !word.is_empty()).any(|word| alike(&password, word))
}

/// `\w` as Python reads it: letters and numbers of any script, no combining marks.
pub(crate) fn is_word_sign(sign: char) -> bool {
    if sign.is_ascii() {
        return sign.is_ascii_alphanumeric() || sign == '_';
    }
    matches!(
        get_general_category(sign),
        GeneralCategory::UppercaseLetter
            | GeneralCategory::LowercaseLetter
            | GeneralCategory::TitlecaseLetter
            | GeneralCategory::ModifierLetter
            | GeneralCategory::OtherLetter
            | GeneralCategory::DecimalNumber
            | GeneralCategory::LetterNumber
            | GeneralCategory::OtherNumber
    )
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
    fn a_common_password_is_told_so_between_length_and_digits() {
        let settings = PasswordSettings { common: true, ..PasswordSettings::default() };
        let told = |password| weaknesses(&settings, password, "johndoe", "");
        let short = Weakness::Short(8);
        assert_eq!(told("123456"), [short, Weakness::Common, Weakness::Numeric]);
        assert_eq!(told("PassWord123"), [Weakness::Common]);
        assert_eq!(Weakness::Common.to_string(), "This password is too common.");
    }

    #[test]
    fn what_is_not_asked_for_is_no_weakness() {
        let strict = PasswordSettings { common: true, ..PasswordSettings::default() };
        for (settings, found) in [
            (strict.clone(), &[Weakness::Similar(Attribute::Username), Weakness::Numeric][..]),
            (PasswordSettings { similarity: false, ..strict.clone() }, &[Weakness::Numeric]),
            (
                PasswordSettings { numeric: false, ..strict },
                &[Weakness::Similar(Attribute::Username)],
            ),
        ] {
            assert_eq!(weaknesses(&settings, "7193520846", "719352084", ""), found, "{settings:?}");
        }
        // Where there is nothing there is no digit.
        assert_eq!(weaknesses(&PasswordSettings::default(), "", "", ""), [Weakness::Short(8)]);
    }

    #[test]
    fn seven_signs_of_ten_are_too_many() {
        let settings = PasswordSettings::default();
        let similar = [Weakness::Similar(Attribute::Username)];
        assert_eq!(weaknesses(&settings, "gfedcbaXYZ", "abcdefghij", ""), similar);
        assert!(weaknesses(&settings, "fedcbaWXYZ", "abcdefghij", "").is_empty());
    }

    #[test]
    fn digits_are_what_python_calls_digits() {
        for text in ["0123456789", "٣٤٥", "²³", "①⑨", "\u{1f10a}"] {
            assert!(text.chars().all(is_digit), "{text}");
        }
        for sign in ['½', 'Ⅷ', '一', '⑩', 'a', '\u{1f10b}'] {
            assert!(!is_digit(sign), "{sign}");
        }
    }

    #[test]
    fn a_long_password_may_contain_the_name() {
        assert!(told("johndoe keeps seventeen wild geese in his attic").is_empty());
    }
}
