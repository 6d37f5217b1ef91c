//! Sending what is due, one letter after the other.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::compose::compose;
use super::link::{Aim, Wanted};
use super::relay::Relay;
use super::{MailError, MailSettings, Mailer, template};
use crate::clock::Timestamp;
use crate::store::{Claimed, Letter, LetterKind, User};

/// How often the queue is looked at while a letter waits for its time.
const LOOK: Duration = Duration::from_secs(1);
/// And while it is empty: another gateway may share the store.
const SELDOM: Duration = Duration::from_secs(30);
/// The longest rest after the server could not be had.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What became of a letter.
enum Outcome {
    Sent,
    /// The account is gone or another: nobody waits for this letter.
    Void,
}

impl Mailer {
    /// Sends letters until `stop`; the one that is under way is finished.
    ///
    /// A letter is sent once at least: where the gateway is killed before it has noted that one
    /// was taken, it is sent again.
    pub async fn work(&self, stop: CancellationToken) {
        let mut relay = None;
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let now = self.clock.now();
            let rest = match self.store.claim_letter(now, now.plus(self.lease())).await {
                Ok(Claimed::Letter(letter)) => {
                    let sent = self.deliver(&mut relay, &letter, &stop).await;
                    let trouble = sent.as_ref().is_err_and(MailError::is_about_the_server);
                    failures = if trouble { failures.saturating_add(1) } else { 0 };
                    self.settle(&letter, sent).await;
                    trouble.then(|| self.wait_after(failures).min(LONGEST_REST))
                }
                Ok(Claimed::At(due)) => Some(due.since(now).min(LOOK)),
                Ok(Claimed::Nothing) => Some(SELDOM),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "cannot look for mail to send");
                    Some(LOOK)
                }
            };
            let Some(rest) = rest else { continue };
            if let Some(relay) = relay.take() {
                Relay::quit(relay).await;
            }
            // A new letter does not bring a server back.
            let woken = async {
                if failures > 0 {
                    std::future::pending::<()>().await;
                } else {
                    self.posted.notified().await;
                }
            };
            tokio::select! {
                () = sleep(rest) => {}
                () = woken => {}
                () = stop.cancelled() => {}
            }
        }
        if let Some(relay) = relay {
            relay.quit().await;
        }
    }

    async fn deliver(
        &self,
        relay: &mut Option<Relay>,
        letter: &Letter,
        stop: &CancellationToken,
    ) -> Result<Outcome, MailError> {
        let Some(user) = self.store.user(letter.user).await? else { return Ok(Outcome::Void) };
        let links = self.links.load_full();
        let mut ready = if let Some(relay) = relay.take() {
            relay
        } else {
            tokio::select! {
                connected = Relay::connect(&self.settings, &links.public.host) => connected?,
                () = stop.cancelled() => return Err(MailError::Stopped),
            }
        };
        // Made now and not when it was asked for: its time runs from here, and nothing but its
        // hash is ever kept.
        let link = match wanted(letter, &user) {
            None => None,
            Some(wanted) => {
                let life = links.life(wanted.aim);
                match links.make(self.store.as_ref(), wanted, self.clock.now()).await? {
                    Some(link) => Some((link, life)),
                    None => return Ok(Outcome::Void),
                }
            }
        };
        let link = link.as_ref().map(|(link, life)| (link.as_str(), *life));
        let sealed = compose(&self.settings, &links.public, letter, &user, link)?;
        ready.send(&sealed).await?;
        *relay = Some(ready);
        Ok(Outcome::Sent)
    }

    /// Notes what became of a letter. Where that fails it is sent again.
    async fn settle(&self, letter: &Letter, sent: Result<Outcome, MailError>) {
        let number = letter.number;
        let noted = match self.again(letter, sent) {
            Some(due) => self.store.put_off_letter(number, due).await,
            None => self.store.remove_letter(number).await,
        };
        if let Err(error) = noted {
            let error = &error as &dyn std::error::Error;
            tracing::error!(letter = number, error, "cannot note what became of a letter");
        }
    }

    /// Says what became of a letter, and when it is to be tried again, if it is.
    fn again(&self, letter: &Letter, sent: Result<Outcome, MailError>) -> Option<Timestamp> {
        let Letter { number, user, attempts, .. } = *letter;
        let kind = template::name(letter.kind);
        let now = self.clock.now();
        let error = match sent {
            Ok(Outcome::Sent) => {
                tracing::info!(letter = number, %user, kind, "mail sent");
                return None;
            }
            Ok(Outcome::Void) => {
                tracing::info!(letter = number, %user, kind, "mail void: the account is another");
                return None;
            }
            Err(MailError::Stopped) => return Some(now),
            Err(error) => error,
        };
        let cause = &error as &dyn std::error::Error;
        if error.is_final() || now.since(letter.posted) >= self.settings.give_up {
            tracing::error!(letter = number, %user, kind, attempts, error = cause, "mail given up");
            return None;
        }
        let wait = self.wait_after(attempts);
        tracing::warn!(letter = number, %user, kind, attempts, error = cause, ?wait, "mail not sent");
        Some(now.plus(wait))
    }

    /// For how long a letter is ours: longer than one attempt can take.
    const fn lease(&self) -> Duration {
        const SLACK: Duration = Duration::from_secs(60);
        self.settings.timeout.saturating_mul(2).saturating_add(SLACK)
    }

    /// The wait after so many failures: twice as long each time, give or take a quarter, so that
    /// letters that failed together do not come back together.
    fn wait_after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
        let wait = self.settings.retry.saturating_mul(doubled).min(MailSettings::LONGEST_WAIT);
        // Without randomness there is none: that harms nobody.
        let share = getrandom::u32().unwrap_or_default() % 501;
        wait * (750 + share) / 1000
    }
}

/// The link that a letter has to have.
fn wanted(letter: &Letter, user: &User) -> Option<Wanted> {
    let (aim, address) = match letter.kind {
        LetterKind::Reset => (Aim::Password, String::new()),
        LetterKind::Verify | LetterKind::NewEmail => (Aim::Email, letter.to.clone()),
        LetterKind::EmailChanged
        | LetterKind::PasswordChanged
        | LetterKind::FactorAdded
        | LetterKind::FactorRemoved
        | LetterKind::RecoveryCodesMade
        | LetterKind::PasskeyAdded
        | LetterKind::PasskeyRemoved
        | LetterKind::AppRemoved => return None,
    };
    Some(Wanted { user: user.id, basis: letter.basis, aim, address })
}
