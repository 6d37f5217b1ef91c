//! The policy file of a gateway that runs: read again when an operator asks and when it changes,
//! and put back where nobody confirms it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::policy_file::{PolicyFile, PolicyText};
use crate::admin::{PolicyCommand, PolicyView, Refusal, RefusalKind};
use crate::config::{Checked, ConfigError};
use crate::gateway::{Reloaded, Reloader};
use crate::small_file::Stamp;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the gateway with its policy file.
pub(super) struct Follower {
    file: PolicyFile,
    reloader: Reloader,
    state: Mutex<State>,
}

struct State {
    in_force: PolicyText,
    /// The file as it was when it was read last, good or bad.
    read: Option<Stamp>,
    /// A policy that waits to be confirmed.
    trial: Option<Trial>,
}

struct Trial {
    reloaded: Reloaded,
    /// What was in force before.
    before: PolicyText,
    until: Instant,
}

impl Follower {
    /// Follows the file of a gateway that serves this policy.
    pub(super) fn new(file: PolicyFile, in_force: PolicyText, reloader: Reloader) -> Self {
        let read = stamp(&file);
        Self { file, reloader, state: Mutex::new(State { in_force, read, trial: None }) }
    }

    /// The policy that is served.
    pub(super) fn in_force(&self) -> PolicyText {
        self.state().in_force.clone()
    }

    /// And its SHA-256.
    pub(super) fn fingerprint(&self) -> String {
        self.reloader.fingerprint()
    }

    /// Does what an operator asks for.
    pub(super) fn obey(&self, command: PolicyCommand) -> Result<PolicyView, Refusal> {
        match command {
            PolicyCommand::Reload { confirm } => {
                let confirm = confirm.map(|seconds| Duration::from_secs(seconds.get().into()));
                self.reload(confirm)
            }
            PolicyCommand::Keep => {
                let Some(_kept) = self.state().trial.take() else { return Err(no_trial()) };
                tracing::info!(file = %self.file, "the policy is confirmed");
                Ok(PolicyView::default())
            }
            PolicyCommand::Back => {
                let mut state = self.state();
                let Some(trial) = state.trial.take() else { return Err(no_trial()) };
                self.reloader.undo(&trial.reloaded);
                state.in_force = trial.before;
                tracing::warn!(file = %self.file, "an operator put the earlier policy back");
                self.reloader.say(vec!["an operator put the earlier policy back".to_owned()]);
                Ok(PolicyView::default())
            }
        }
    }

    /// Reads the file again because somebody said so who waits for no answer.
    pub(super) fn reread(&self) {
        // What came of it is in the log.
        drop(self.reload(None));
    }

    /// Looks after what waits to be confirmed and, where it is `watched`, after the file. Never
    /// ends.
    pub(super) async fn follow(&self, watched: bool) {
        let mut seen = self.state().read;
        loop {
            sleep(LOOK).await;
            self.judge_trial();
            if !watched {
                continue;
            }
            let now = stamp(&self.file);
            // Twice the same: nobody is writing it. One that is gone will come again.
            let settled = now.is_some() && now == seen;
            seen = now;
            let due = {
                let state = self.state();
                state.trial.is_none() && now != state.read
            };
            if settled && due {
                tracing::info!(file = %self.file, "the policy file has changed");
                self.reread();
            }
        }
    }

    fn reload(&self, confirm: Option<Duration>) -> Result<PolicyView, Refusal> {
        let mut state = self.state();
        if state.trial.is_some() {
            let refusal = "a policy waits to be confirmed; say `portcullis reload --keep` or \
                           `--back` first";
            tracing::warn!(file = %self.file, "not reloaded: {refusal}");
            return Err(Refusal::new(RefusalKind::Unavailable, refusal));
        }
        // Before it is read: what is written meanwhile is another file.
        state.read = stamp(&self.file);
        let text = self.file.read().and_then(PolicyText::unless_empty);
        let text = text.map_err(|error| self.refused(&error))?;
        let Checked { config, warnings } = text.parse().map_err(|error| self.refused(&error))?;
        let reloaded = self.reloader.reload(config);
        let view = PolicyView {
            warnings: warnings.iter().map(ToString::to_string).collect(),
            at_next_start: reloaded.at_next_start.iter().map(ToString::to_string).collect(),
        };
        for warning in &view.warnings {
            tracing::warn!("{warning}");
        }
        if !view.at_next_start.is_empty() {
            let keys = view.at_next_start.join(", ");
            tracing::warn!(keys, "these keys have changed and count from the next start on");
        }
        let waits =
            view.at_next_start.iter().map(|key| format!("{key}: counts from the next start on"));
        self.reloader.say(view.warnings.iter().cloned().chain(waits).collect());
        let before = std::mem::replace(&mut state.in_force, text);
        state.trial = confirm.map(|time| {
            let until = Instant::now() + time;
            Trial { reloaded, before, until }
        });
        drop(state);
        let trial = confirm.map(|time| humantime::format_duration(time).to_string());
        tracing::info!(file = %self.file, trial, "the policy file is in force");
        Ok(view)
    }

    fn refused(&self, error: &ConfigError) -> Refusal {
        self.reloader.refused();
        let detail = error.to_string();
        self.reloader.say(vec![detail.clone()]);
        tracing::error!(file = %self.file, "not reloaded, the earlier policy stands: {detail}");
        Refusal::new(RefusalKind::Invalid, detail)
    }

    /// Ends a trial that nobody has confirmed in time, and at once one that does harm.
    fn judge_trial(&self) {
        let mut state = self.state();
        let Some(trial) = &state.trial else { return };
        let worse = self.reloader.worse_since(&trial.reloaded);
        let is_over = worse.is_some() || trial.until <= Instant::now();
        let Some(trial) = state.trial.take_if(|_| is_over) else { return };
        self.reloader.undo(&trial.reloaded);
        state.in_force = trial.before;
        drop(state);
        let why = worse.map_or_else(
            || "nobody confirmed the policy".to_owned(),
            |worse| format!("the policy does harm ({worse})"),
        );
        tracing::error!(file = %self.file, "{why}: the earlier one is back");
        self.reloader.say(vec![format!("{why}: the earlier one is back")]);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_trial() -> Refusal {
    let detail = "no policy waits to be confirmed; begin with `portcullis reload --confirm 60s`";
    Refusal::new(RefusalKind::NotFound, detail)
}

fn stamp(file: &PolicyFile) -> Option<Stamp> {
    file.path().and_then(Stamp::of)
}
