//! `portcullis explain`: what becomes of a request, and why, without sending one.

mod text;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;

use super::judge::Judge;
use super::out::Out;
use super::policy_file::PolicyFile;
use crate::admin::{Asked, Client, Command, Reply, Told};
use crate::config::Config;
use crate::gateway::tell;
use text::text;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The method, in capitals
    method: String,
    /// A path, or a whole URL
    url: String,
    /// Who asks, as in `allow`: `user`, `role:x`, `user:name`, `claim:name=value`, `cert:name`;
    /// all that are given are true of the caller. Left out: anyone
    #[arg(long = "as", value_name = "WHO")]
    who: Vec<String>,
    /// The address that the request comes from. Left out: one that every route takes
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The file to ask, in place of the one that would be used
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Answer only if the file is the policy in force in the running gateway
    #[arg(long)]
    running: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the file says, and what the file is.
#[derive(Debug, Serialize)]
struct ToldByFile {
    file: String,
    /// Whether a running gateway has it in force; `None` where none tells.
    in_force: Option<bool>,
    #[serde(flatten)]
    told: Told,
}

/// Done whatever the decision is.
pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let named = args.file.map(PolicyFile::Named);
    let file = named.as_ref().unwrap_or(file);
    let judge = Judge::new(file.load()?.config);
    let in_force = in_force(&judge.config).await;
    match in_force {
        None if args.running => bail!(
            "{}: no gateway answers, or it is of another version",
            judge.config.admin.socket.display()
        ),
        Some(false) if args.running => bail!(
            "the running gateway has another policy in force than {file}; `portcullis reload` \
             puts the file in force, or says what is wrong with it"
        ),
        Some(false) => {
            out.note("note: the running gateway has another policy in force than this file");
        }
        Some(true) | None => {}
    }
    let asked = Asked { method: args.method, url: args.url, who: args.who, from: args.from };
    let told = tell(&judge.rulebook(), &asked)?;
    let file = file.to_string();
    if args.json {
        out.json(&ToldByFile { file, in_force, told })?;
    } else {
        out.text(&text(&told, &file))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether that is the policy in force in the running gateway; `None` where none tells.
async fn in_force(config: &Config) -> Option<bool> {
    let client = Client::connect(&config.admin.socket).await.ok()?;
    let Reply::Health(health) = client.send(&Command::Health).await.ok()? else { return None };
    (!health.policy.is_empty()).then(|| health.policy == config.fingerprint)
}
