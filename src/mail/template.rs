//! What letters say: templates that are built in, each of which an operator may replace.

use std::fmt;
use std::sync::Arc;

use minijinja::{Environment, Value, context};

use crate::store::LetterKind;
use crate::template::{TemplateError, environment};

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// The names of all templates.
        pub const FILES: &[&str] = &[$($name),*];
        const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

built_in!(
    "reset.subject.txt",
    "reset.txt",
    "reset.html",
    "verify.subject.txt",
    "verify.txt",
    "verify.html",
    "new_email.subject.txt",
    "new_email.txt",
    "new_email.html",
    "email_changed.subject.txt",
    "email_changed.txt",
    "email_changed.html",
    "password_changed.subject.txt",
    "password_changed.txt",
    "password_changed.html",
    "factor_added.subject.txt",
    "factor_added.txt",
    "factor_added.html",
    "factor_removed.subject.txt",
    "factor_removed.txt",
    "factor_removed.html",
    "recovery_codes_made.subject.txt",
    "recovery_codes_made.txt",
    "recovery_codes_made.html",
    "passkey_added.subject.txt",
    "passkey_added.txt",
    "passkey_added.html",
    "passkey_removed.subject.txt",
    "passkey_removed.txt",
    "passkey_removed.html",
    "app_removed.subject.txt",
    "app_removed.txt",
    "app_removed.html",
);

const KINDS: [LetterKind; 11] = [
    LetterKind::Reset,
    LetterKind::Verify,
    LetterKind::NewEmail,
    LetterKind::EmailChanged,
    LetterKind::PasswordChanged,
    LetterKind::FactorAdded,
    LetterKind::FactorRemoved,
    LetterKind::RecoveryCodesMade,
    LetterKind::PasskeyAdded,
    LetterKind::PasskeyRemoved,
    LetterKind::AppRemoved,
];

/// The name that the templates of a kind begin with.
pub(super) const fn name(kind: LetterKind) -> &'static str {
    match kind {
        LetterKind::Reset => "reset",
        LetterKind::Verify => "verify",
        LetterKind::NewEmail => "new_email",
        LetterKind::EmailChanged => "email_changed",
        LetterKind::PasswordChanged => "password_changed",
        LetterKind::FactorAdded => "factor_added",
        LetterKind::FactorRemoved => "factor_removed",
        LetterKind::RecoveryCodesMade => "recovery_codes_made",
        LetterKind::PasskeyAdded => "passkey_added",
        LetterKind::PasskeyRemoved => "passkey_removed",
        LetterKind::AppRemoved => "app_removed",
    }
}

/// The facts that a letter can speak of.
#[derive(Clone, Debug)]
pub(super) struct Facts<'a> {
    /// The host of `public`.
    pub(super) site: &'a str,
    /// `public` itself.
    pub(super) public: &'a str,
    /// The account.
    pub(super) username: &'a str,
    /// The address that the letter goes to.
    pub(super) email: &'a str,
    /// The link, and how long it is good, in words; for letters that have one.
    pub(super) link: Option<(&'a str, &'a str)>,
}

/// A letter's words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Words {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// The templates of all letters. Each has been rendered once with facts that were made up.
#[derive(Clone)]
pub struct Templates(Arc<Environment<'static>>);

impl Templates {
    /// The built-in templates, some of them replaced by `own`: name and text.
    ///
    /// # Errors
    ///
    /// Every template that cannot be parsed, or that fails over made-up facts.
    pub fn new(own: &[(String, String)]) -> Result<Self, Vec<TemplateError>> {
        let templates = Self(Arc::new(environment(BUILT_IN, own)?));
        let tried = KINDS.into_iter().flat_map(|kind| templates.try_out(kind));
        let problems: Vec<_> = tried.collect();
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// What is wrong with the templates of a kind.
    fn try_out(&self, kind: LetterKind) -> Vec<TemplateError> {
        let linked = match kind {
            LetterKind::Reset | LetterKind::Verify | LetterKind::NewEmail => true,
            LetterKind::EmailChanged
            | LetterKind::PasswordChanged
            | LetterKind::FactorAdded
            | LetterKind::FactorRemoved
            | LetterKind::RecoveryCodesMade
            | LetterKind::PasskeyAdded
            | LetterKind::PasskeyRemoved
            | LetterKind::AppRemoved => false,
        };
        let link = "https://app.example.com/page?uid=7&token=dG9rZW4";
        let facts = Facts {
            site: "app.example.com",
            public: "https://app.example.com",
            username: "alice",
            email: "alice@example.com",
            link: linked.then_some((link, "1 hour")),
        };
        let mut problems = Vec::new();
        for part in [subject, text, html] {
            let file = part(kind);
            match self.part(&file, &facts) {
                Err(problem) => problems.push(problem),
                Ok(made) if made.trim().is_empty() => {
                    problems.push(TemplateError { file, line: 1, what: "says nothing".to_owned() });
                }
                Ok(made) if linked && file == text(kind) && !made.contains(link) => {
                    let what = "the letter would not have `{{ link }}` in it".to_owned();
                    problems.push(TemplateError { file, line: 1, what });
                }
                Ok(_) => {}
            }
        }
        problems
    }

    /// The words of a letter.
    pub(super) fn words(
        &self,
        kind: LetterKind,
        facts: &Facts<'_>,
    ) -> Result<Words, TemplateError> {
        Ok(Words {
            subject: one_line(&self.part(&subject(kind), facts)?),
            text: self.part(&text(kind), facts)?,
            html: self.part(&html(kind), facts)?,
        })
    }

    fn part(&self, file: &str, facts: &Facts<'_>) -> Result<String, TemplateError> {
        let made = self.0.get_template(file).and_then(|it| it.render(context(facts)));
        made.map_err(|error| TemplateError::of(file, &error))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Templates(..)")
    }
}

fn subject(kind: LetterKind) -> String {
    format!("{}.subject.txt", name(kind))
}

fn text(kind: LetterKind) -> String {
    format!("{}.txt", name(kind))
}

fn html(kind: LetterKind) -> String {
    format!("{}.html", name(kind))
}

fn context(facts: &Facts<'_>) -> Value {
    let Facts { site, public, username, email, link } = *facts;
    match link {
        None => context! { site, public, username, email },
        Some((link, valid)) => context! { site, public, username, email, link, valid },
    }
}

/// A header field is one line, whatever a template or a name has in it.
fn one_line(text: &str) -> String {
    let words = text.split(|sign: char| sign.is_whitespace() || sign.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "<b>\"x\"</b>\r\nBcc: all@example.com";

    fn own(name: &str, text: &str) -> Result<Templates, Vec<TemplateError>> {
        Templates::new(&[(name.to_owned(), text.to_owned())])
    }

    fn facts<'a>(username: &'a str, link: &'a str) -> Facts<'a> {
        Facts {
            site: "a.test",
            public: "https://a.test",
            username,
            email: "ann@a.test",
            link: Some((link, "1 hour")),
        }
    }

    #[test]
    fn every_letter_has_words_without_an_operators_help() {
        let templates = Templates::new(&[]).unwrap();
        for kind in KINDS {
            let words = templates.words(kind, &facts("ann", "https://a.test/?uid=7&token=x"));
            let words = words.unwrap();
            assert!(words.text.contains("ann"), "{kind:?}");
            assert!(words.html.contains("ann"), "{kind:?}");
            assert!(words.subject.contains("a.test"), "{kind:?}");
        }
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        let templates = Templates::new(&[]).unwrap();
        let link = "https://a.test/?uid=7&token=x";
        let words = templates.words(LetterKind::Reset, &facts(EVIL, link)).unwrap();
        assert!(!words.html.contains("<b>") && words.html.contains("&lt;b&gt;"));
        assert!(words.html.contains("uid=7&amp;token=x"));
        assert!(words.text.contains(EVIL) && words.text.contains(link));
    }

    #[test]
    fn a_subject_is_one_line_whatever_is_in_it() {
        let templates = own("reset.subject.txt", "\nHello\t{{ username }} \n").unwrap();
        let words = templates.words(LetterKind::Reset, &facts(EVIL, "l")).unwrap();
        assert_eq!(words.subject, "Hello <b>\"x\"</b> Bcc: all@example.com");
        assert_eq!(one_line("a\u{0}b\u{85}c\u{2028}d\u{7f}"), "a b c d");
    }

    #[test]
    fn a_broken_template_is_told_with_file_and_line() {
        for (name, text, line, what) in [
            ("reset.txt", "Hello\n{{ link", 2, "syntax error"),
            ("verify.html", "a\nb\n{{ lnik }}", 3, "undefined value"),
            ("reset.html", "{{ link }}\n{% include 'other.html' %}", 2, "syntax error"),
            ("email_changed.txt", "{{ link }}", 1, "undefined value"),
            ("verify.txt", "no link here", 1, "the letter would not have `{{ link }}` in it"),
            ("reset.subject.txt", " \n", 1, "says nothing"),
        ] {
            let problems = own(name, text).unwrap_err();
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            assert_eq!((problem.file.as_str(), problem.line), (name, line), "{problem}");
            assert!(problem.what.starts_with(what), "{problem}");
        }
    }
}
