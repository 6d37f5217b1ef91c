//! `portcullis key`: the keys that sign tokens.

use std::process::ExitCode;

use clap::Subcommand;

use super::act::Act;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::{Purpose, Reach, another_reply};
use crate::admin::{Command, KeyView, Reply};

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum Action {
    /// List the keys, the one that signs first
    List,
    /// Make a new key; the old one verifies until its last token is dead
    Rotate,
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let reach = Reach::open(config, Purpose::Keys, out).await?;
    let command = match args.action {
        Action::List => Command::KeyList,
        Action::Rotate => Command::KeyRotate,
    };
    let reply = reach.send(command).await?;
    if let Reply::Keys { keys } = reply {
        if args.json {
            out.json(&keys)?;
        } else {
            out.table(["KID", "ALGORITHM", "CREATED", "STATE"], keys.iter().map(row).collect())?;
        }
    } else if let Reply::Key(key) = reply {
        if args.json {
            out.json(&key)?;
        } else {
            let (KeyView { kid, algorithm, signs_from, .. }, mut from) = (key, String::new());
            if let Some(at) = signs_from {
                from = format!(" from {at} on, when all gateways know it");
            }
            out.line(format_args!("new tokens are signed with {kid} ({algorithm}){from}"))?;
        }
    } else {
        return Err(another_reply());
    }
    Ok(ExitCode::SUCCESS)
}

fn row(key: &KeyView) -> [String; 4] {
    let created = key.created.clone().unwrap_or_else(|| "configured".to_owned());
    let state = match (&key.retired, &key.signs_from) {
        (None, Some(from)) => format!("signs from {from}"),
        (None, None) => "signs".to_owned(),
        (Some(_), _) if key.created.is_none() => "verifies".to_owned(),
        (Some(since), _) => format!("verifies since {since}"),
    };
    [key.kid.clone(), key.algorithm.clone(), created, state]
}
