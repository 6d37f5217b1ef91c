//! `portcullis api-key`: keys that users have for their programs, where `[auth.keys]` is set.

use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use super::times::seconds;
use crate::admin::{ApiKeyAdd, ApiKeyList, Command, Reply, UserKeyView};
use crate::printable::Printable;

/// Keys asked for at once.
const PAGE: usize = 500;

const HEADS: [&str; 8] =
    ["ID", "USER", "NAME", "BEGINS", "SCOPES", "CREATED", "EXPIRES", "LAST USED"];

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a key of a user and print it; it cannot be shown again
    Add {
        /// Whose it will be
        user: String,
        /// What it is called
        #[arg(long, value_name = "TEXT")]
        name: String,
        /// A role of the user that it may use; may be repeated. Without any: all that the user has
        #[arg(long = "scope", value_name = "ROLE")]
        scopes: Vec<String>,
        /// How long it is good: "12h", "90d"; as long as `[auth.keys] life` says when left out
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        expires: Option<NonZeroU32>,
    },
    /// List all keys, or those of a user
    List { user: Option<String> },
    /// Revoke a key, from the next request on
    Revoke {
        /// Its number, as listed
        id: u64,
    },
}

#[derive(Serialize)]
struct Revoked {
    revoked: u64,
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let looks = matches!(args.action, Action::List { .. });
    let purpose = if looks { Purpose::Look } else { Purpose::Users };
    let reach = Reach::open(config, purpose, out).await?;
    match args.action {
        Action::Add { user, name, scopes, expires } => {
            let scopes = (!scopes.is_empty()).then_some(scopes);
            let add = ApiKeyAdd { user, name, scopes, life: expires };
            let Reply::ApiKeyMade(made) = reach.send(Command::ApiKeyAdd(add)).await? else {
                return Err(another_reply());
            };
            if args.json {
                out.json(&made)?;
            } else {
                told(&made, out)?;
            }
        }
        Action::List { user } => {
            let all = list(&reach, user).await?;
            if args.json {
                out.json(&all)?;
            } else {
                out.table(HEADS, all.iter().map(row).collect())?;
            }
        }
        Action::Revoke { id } => {
            let Reply::ApiKeyRevoked { id } = reach.send(Command::ApiKeyRevoke { id }).await?
            else {
                return Err(another_reply());
            };
            if args.json {
                out.json(&Revoked { revoked: id })?;
            } else {
                out.line(format_args!("API key {id} opens nothing any more"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(made: &UserKeyView, out: &mut Out) -> anyhow::Result<()> {
    let key = made.key.as_deref().ok_or_else(another_reply)?;
    let until = made.expires.as_ref().map_or_else(String::new, |it| format!(", until {it}"));
    let UserKeyView { id, username, .. } = made;
    out.line(format_args!("API key {id} of {}{until}", Printable(username)))?;
    Ok(out.line(format_args!("key: {key}"))?)
}

async fn list(reach: &Reach, user: Option<String>) -> anyhow::Result<Vec<UserKeyView>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ApiKeyList { user: user.clone(), after, limit: PAGE };
        let reply = reach.send(Command::ApiKeyList(page)).await?;
        let Reply::ApiKeys { keys, next } = reply else { return Err(another_reply()) };
        all.extend(keys);
        after = next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

fn row(key: &UserKeyView) -> [String; 8] {
    let expires = match &key.expires {
        Some(expires) if key.expired => format!("{expires} (over)"),
        Some(expires) => expires.clone(),
        None => "never".to_owned(),
    };
    [
        key.id.to_string(),
        key.username.clone(),
        key.name.clone(),
        key.hint.clone(),
        key.scopes.as_ref().map_or_else(|| "all".to_owned(), |scopes| scopes.join(",")),
        key.created.clone(),
        expires,
        key.last_used.clone().unwrap_or_default(),
    ]
}
