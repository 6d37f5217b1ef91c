//! Mail: letters about accounts, queued in the store and sent by SMTP.
//!
//! Whoever wants a letter to be sent asks the [`Mailer`], which puts it into the queue and
//! answers when it is there for good. A task of its own sends what is due: it never runs on a
//! runtime that proxies. A letter in the queue has no secret in it; its link is made when it is
//! sent, and the store keeps the hash of it.

mod compose;
mod error;
mod link;
mod mailer;
mod relay;
mod settings;
mod starttls;
mod template;
mod worker;

pub use error::MailError;
pub use link::{Links, Page, token_hash};
pub use mailer::{Mailer, Notice};
pub use settings::{Login, MailSettings, NoSender, RelaySettings, Security, Sender};
pub use template::{FILES, Templates};
