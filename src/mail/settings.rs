//! What the operator decides about mail.

use std::str::FromStr;
use std::time::Duration;

use lettre::message::Mailbox;

use super::Templates;
use crate::secret::Secret;
use crate::store::QueueLimits;
use crate::tls::ClientTls;

/// `[mail]`, checked.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The server that takes our letters.
    pub relay: RelaySettings,
    /// Who they are from.
    pub from: Sender,
    /// What they say.
    pub templates: Templates,
    /// Longest wait for the server: once until it is ready to take letters, once a letter.
    pub timeout: Duration,
    /// The wait before a second attempt; it doubles with each one, up to an hour.
    pub retry: Duration,
    /// The age at which a letter is given up.
    pub give_up: Duration,
    /// Bounds of the queue.
    pub limits: QueueLimits,
    /// Whether a user with a verified address is told that the password was changed.
    pub notices: bool,
}

/// The server that takes our letters.
#[derive(Clone, Debug)]
pub struct RelaySettings {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: Security,
    /// Who we are to it; nobody if it does not ask.
    pub login: Option<Login>,
}

/// How the server is spoken to.
#[derive(Clone, Debug)]
pub enum Security {
    /// TLS from the first byte (RFC 8314 section 3.3).
    Implicit(ClientTls),
    /// TLS by STARTTLS, and never without it (RFC 3207).
    StartTls(ClientTls),
    /// In clear.
    Clear,
}

/// A name and a password for the server.
#[derive(Clone, Debug)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Who letters are from: `Shop <no-reply@example.com>` or an address alone.
#[derive(Clone, Debug)]
pub struct Sender(pub(super) Mailbox);

/// The text is no sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no sender")]
pub struct NoSender;

impl FromStr for Sender {
    type Err = NoSender;

    fn from_str(text: &str) -> Result<Self, NoSender> {
        if text.chars().any(char::is_control) {
            return Err(NoSender);
        }
        text.parse().map(Self).map_err(|_| NoSender)
    }
}

impl MailSettings {
    /// The longest wait between two attempts.
    pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
    /// The usual deadline.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
    /// The usual wait before a second attempt.
    pub const RETRY: Duration = Duration::from_secs(30);
    /// The usual age at which a letter is given up.
    pub const GIVE_UP: Duration = Duration::from_secs(24 * 60 * 60);
    /// The usual bounds of the queue.
    pub const LIMITS: QueueLimits = QueueLimits { letters: 1000, recipient: 5 };
}
