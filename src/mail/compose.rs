//! A letter as it goes over the wire (RFC 5322, MIME).

use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::template::{Facts, Words};
use super::{MailError, MailSettings};
use crate::store::{Letter, User};
use crate::web::Public;

/// A letter and its envelope.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Puts a letter together. `link` is what it leads to and for how long, where it does.
pub(super) fn compose(
    settings: &MailSettings,
    public: &Public,
    letter: &Letter,
    user: &User,
    link: Option<(&str, Duration)>,
) -> Result<Sealed, MailError> {
    let to = address(&letter.to)?;
    let origin = public.to_string();
    let valid = link.map(|(_, life)| in_words(life)).unwrap_or_default();
    let facts = Facts {
        site: &public.host,
        public: &origin,
        username: &user.username,
        email: &letter.to,
        link: link.map(|(link, _)| (link, valid.as_str())),
    };
    let Words { subject, text, html } = settings.templates.words(letter.kind, &facts)?;
    let from = settings.from.0.clone();
    // The same at each attempt, so that a reader may show a letter that came twice once.
    let id = format!(
        "<{}.{}.{}@{}>",
        letter.number,
        letter.user,
        letter.posted.as_millis(),
        from.email.domain()
    );
    // RFC 3834 section 5: nobody on holiday has to answer.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let message = Message::builder()
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(subject)
        .date(SystemTime::from(letter.posted))
        .message_id(Some(id))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(MultiPart::alternative_plain_html(text, html))
        .map_err(|error| MailError::Form(error.into()))?;
    Ok(Sealed { envelope: message.envelope().clone(), bytes: message.formatted() })
}

/// An address that mail can be sent to: its domain in ASCII (RFC 5890), so that servers need
/// know no other.
fn address(text: &str) -> Result<Address, MailError> {
    if text.chars().any(char::is_control) {
        return Err(MailError::Address);
    }
    let (user, domain) = text.rsplit_once('@').ok_or(MailError::Address)?;
    let ascii = if domain.starts_with('[') {
        domain.to_owned()
    } else {
        idna::domain_to_ascii(domain).map_err(|_| MailError::Address)?
    };
    Address::new(user, ascii).map_err(|_| MailError::Address)
}

/// "1 hour", "2 days", "90 minutes".
fn in_words(life: Duration) -> String {
    let seconds = life.as_secs();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let fits = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, name) = fits.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_words() {
        for (seconds, words) in [
            (3600, "1 hour"),
            (5400, "90 minutes"),
            (172_800, "2 days"),
            (45, "45 seconds"),
            (0, "0 seconds"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn an_address_is_one_that_servers_take() {
        for (text, sent) in [
            ("ann@example.com", "ann@example.com"),
            ("ann@bücher.example", "ann@xn--bcher-kva.example"),
            ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), sent);
        }
        for text in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "ann@exa mple.com",
            "ann@example.com>\r\nRCPT TO:<bob@example.com",
            "\"a\\\tb\"@example.com",
            "a@b@example.com",
        ] {
            assert!(matches!(address(text), Err(MailError::Address)), "{text:?}");
        }
    }
}
