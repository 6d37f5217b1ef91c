//! `portcullis reload`: the policy file, for a gateway that runs.

use std::num::NonZeroU32;
use std::process::ExitCode;

use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::another_reply;
use super::times::seconds;
use crate::admin::{Client, Command, PolicyCommand, PolicyView, Reply};

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct Act {
    /// Go back to the earlier policy after that time ("60s"), unless `--keep` is said until then
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    confirm: Option<NonZeroU32>,
    /// Keep the policy that waits to be confirmed
    #[arg(long)]
    keep: bool,
    /// Go back to the earlier policy now
    #[arg(long)]
    back: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    act: Act,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let Args { act: Act { confirm, keep, back }, json } = args;
    // Where the socket is; what is wrong with the rest of the file is for the gateway to say.
    let socket = file.socket()?;
    let command = match (keep, back) {
        (true, _) => PolicyCommand::Keep,
        (_, true) => PolicyCommand::Back,
        _ => PolicyCommand::Reload { confirm },
    };
    let reply = Client::connect(&socket).await?.send(&Command::Policy(command)).await?;
    let Reply::Policy(view) = reply else { return Err(another_reply()) };
    if json {
        out.json(&view)?;
        return Ok(ExitCode::SUCCESS);
    }
    let PolicyView { warnings, at_next_start } = view;
    for warning in warnings {
        out.line(format_args!("warning: {warning}"))?;
    }
    if !at_next_start.is_empty() {
        let keys = at_next_start.join(", ");
        out.line(format_args!("changed, and counts from the next start on: {keys}"))?;
    }
    out.line(match command {
        PolicyCommand::Reload { confirm: None } => "the policy file is in force",
        PolicyCommand::Reload { confirm: Some(_) } => {
            "the policy file is in force for now; `portcullis reload --keep` makes it stay"
        }
        PolicyCommand::Keep => "the policy file stays in force",
        PolicyCommand::Back => "the earlier policy is in force",
    })?;
    Ok(ExitCode::SUCCESS)
}
