//! How a command reaches the users: through a running gateway, or by opening their store.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::out::Out;
use crate::admin::{BackupRequest, Client, ClientError, Command, Door, Reply};
use crate::audit::{self, Audit, Origin, asked_by};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::keys::KeyRing;
use crate::password::{PasswordSettings, Passwords};
use crate::session::{Accounts, Rules};
use crate::store::{OpenError, OpenMode, RedbStore, Store};
use crate::token::Revisions;

/// What a command is about to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To see users.
    Look,
    /// To see or change users that are there.
    Users,
    /// To make a user, and the store if need be.
    FirstUser,
    /// To take users in, and to make store and keys if need be.
    Import,
    /// To see what taking them in would do.
    Rehearsal,
    /// To see or change the keys.
    Keys,
    /// To copy all of it, keys and all.
    Backup,
}

/// A way to the users.
#[derive(Debug)]
pub(super) enum Reach {
    /// A gateway runs and answers at this socket.
    Gateway(PathBuf),
    /// None answers. Where the store is a file we hold its lock, so that none can start meanwhile.
    Store(Box<Door>),
}

impl Reach {
    pub(super) async fn open(
        config: Config,
        purpose: Purpose,
        out: &mut Out,
    ) -> anyhow::Result<Self> {
        let socket = &config.admin.socket;
        match Client::connect(socket).await {
            Ok(_answers) => Ok(Self::Gateway(socket.clone())),
            Err(ClientError::NotRunning(_)) => {
                open_store(&config, purpose, out).map(|door| Self::Store(Box::new(door)))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn send(&self, command: Command) -> anyhow::Result<Reply> {
        match self {
            Self::Gateway(socket) => Ok(Client::connect(socket).await?.send(&command).await?),
            Self::Store(door) => {
                let origin = Origin::operator(rustix::process::geteuid().as_raw());
                Ok(asked_by(origin, door.run(command)).await?)
            }
        }
    }

    /// Begins a backup.
    pub(super) async fn back_up(
        &self,
        asked: &BackupRequest,
    ) -> anyhow::Result<mpsc::Receiver<Bytes>> {
        match self {
            Self::Gateway(socket) => Ok(Client::connect(socket).await?.back_up(asked).await?),
            Self::Store(door) => {
                let origin = Origin::operator(rustix::process::geteuid().as_raw());
                Ok(asked_by(origin, door.back_up(*asked)).await?)
            }
        }
    }
}

/// Refuses where a gateway runs: whoever wants the store to itself does not want to wait for it.
pub(super) async fn no_gateway(config: &Config, why: &str) -> anyhow::Result<()> {
    let socket = &config.admin.socket;
    match Client::connect(socket).await {
        Ok(_answers) => {
            Err(anyhow!("{}: a gateway runs: stop it first, for {why}", socket.display()))
        }
        Err(ClientError::NotRunning(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The file of the store, where only one can be what the command says.
pub(super) fn file_of<'c>(config: &'c Config, done: &str) -> anyhow::Result<&'c Path> {
    config.store.file().ok_or_else(|| {
        anyhow!("{}: a database is {done} by its own means, not by this command", config.store)
    })
}

fn open_store(config: &Config, purpose: Purpose, out: &mut Out) -> anyhow::Result<Door> {
    let mode = match purpose {
        Purpose::FirstUser | Purpose::Import => OpenMode::CreateIfMissing,
        Purpose::Look | Purpose::Users | Purpose::Keys | Purpose::Rehearsal | Purpose::Backup => {
            OpenMode::Existing
        }
    };
    let new = config.store.file().is_some_and(|store| !store.exists());
    let rehearses_first = new && purpose == Purpose::Rehearsal;
    // Also where only the keys are wanted: the lock of a file says that no gateway uses them.
    let store = if rehearses_first {
        RedbStore::in_memory().map(|store| Arc::new(store) as _)
    } else {
        config.store.open(mode)
    };
    let store = store.map_err(|error| explain(error, config))?;
    if config.store.file().is_none() && purpose != Purpose::Look {
        let told = "no gateway answers at the admin socket; those that serve this database hear of what is \
                    changed here";
        out.note(told);
    }
    if let Some(store) = config.store.file().filter(|_| new && !rehearses_first) {
        out.note(format_args!("made a new store at {}", whole(store).display()));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = PasswordSettings { at_once: NonZeroUsize::MIN, ..config.passwords.clone() };
    let passwords = Arc::new(Passwords::start(settings)?);
    let revisions = Arc::new(Revisions::default());
    let rules = Rules::new([], config.accounts.clone(), config.links.clone())
        .with_user_keys(config.sessions.user_keys.clone());
    let accounts =
        Accounts::new(Arc::clone(&store), Arc::clone(&clock), passwords, revisions, rules);
    let Some(keys) = open_keys(config, &store, purpose, clock.now(), out)? else {
        return Ok(Door::new(Arc::new(accounts), clock));
    };
    // A rehearsal does nothing that would be recorded.
    let audit = match purpose {
        Purpose::Rehearsal => Audit::off(),
        Purpose::Look
        | Purpose::Users
        | Purpose::FirstUser
        | Purpose::Import
        | Purpose::Keys
        | Purpose::Backup => {
            let key = keys.derive(audit::KEY_PURPOSE);
            Audit::start(&config.audit, &key, Arc::clone(&clock))?
        }
    };
    let door = Door::new(Arc::new(accounts.with_audit(audit)), clock);
    Ok(match purpose {
        Purpose::Keys | Purpose::Import | Purpose::Rehearsal | Purpose::Backup => {
            door.with_keys(Arc::new(keys))
        }
        Purpose::Look | Purpose::Users | Purpose::FirstUser => door,
    })
}

/// The keys, where they are wanted or something will be recorded: that is sealed with one.
fn open_keys(
    config: &Config,
    store: &Arc<dyn Store>,
    purpose: Purpose,
    now: Timestamp,
    out: &mut Out,
) -> anyhow::Result<Option<KeyRing>> {
    let longest = config.tokens.longest();
    let settings = config.keys.clone();
    let existing = |settings| match &config.shared_keys {
        Some(shared) => KeyRing::open_existing_shared(settings, shared, store, longest, now),
        None => KeyRing::open_existing(settings, longest, now),
    };
    // A ring that many share is made by a gateway, which has the key file that may have been in use.
    let open = |settings| match &config.shared_keys {
        Some(_) => existing(settings),
        None => KeyRing::open(settings, longest, now),
    };
    let opened = match purpose {
        Purpose::Keys => existing(settings),
        Purpose::Import => open(settings),
        // Nothing that is sealed now is kept.
        Purpose::Rehearsal => KeyRing::ephemeral(settings, now),
        Purpose::Backup if settings.ring.exists() => existing(settings),
        Purpose::FirstUser | Purpose::Users | Purpose::Backup if config.audit.enabled => {
            let new = !settings.ring.exists();
            let path = settings.ring.clone();
            let opened = open(settings);
            if new && path.exists() && opened.is_ok() {
                out.note(format_args!("made a new key file at {}", whole(&path).display()));
            }
            opened
        }
        Purpose::Look | Purpose::FirstUser | Purpose::Users | Purpose::Backup => return Ok(None),
    };
    opened.map(Some).context("keys")
}

/// A reply that is none to the command that was sent.
pub(super) fn another_reply() -> anyhow::Error {
    anyhow!("the gateway replied to another command")
}

/// The path from the root, for people who may be elsewhere when they look for it.
pub(super) fn whole(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What to do about a store that does not open.
pub(super) fn explain(error: OpenError, config: &Config) -> anyhow::Error {
    let told = anyhow!("{error}");
    match error {
        OpenError::Locked { .. } => anyhow!(
            "{told}, and none answers at {}; if a gateway runs there with other settings, name \
             its file with `--config`",
            config.admin.socket.display()
        ),
        OpenError::Missing { .. } => anyhow!(
            "{told}; start the gateway or run `portcullis user add` to make one, or name the \
             policy file with `--config`"
        ),
        OpenError::Foreign { .. }
        | OpenError::Io { .. }
        | OpenError::Database { .. }
        | OpenError::Layout { .. } => error.into(),
    }
}
