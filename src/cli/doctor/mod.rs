//! `portcullis doctor`: what is wrong around a policy file that is good in itself.

mod around;
mod certificates;
mod clock;
mod exchange;
mod files;
mod finding;
mod forged;
mod servers;
mod settings;

use std::process::ExitCode;

use super::out::Out;
use super::policy_file::PolicyFile;
use crate::admin::{Client, ClientError, Command, Health, Reply};
use crate::config::{Checked, Config, ConfigError};
use finding::{Findings, Level};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything; a problem is a failure.
pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match file.load() {
        Err(error) => unusable(&error, &mut findings),
        Ok(Checked { config, warnings }) => {
            findings.ok("policy", format!("{file} is good"));
            for warning in warnings {
                findings.add(
                    Level::Warning,
                    "policy",
                    warning.to_string(),
                    "it is in force all the same; `portcullis check` says it, too",
                );
            }
            look(&config, file, &mut findings).await;
        }
    }
    findings.tell(args.json, out)?;
    Ok(if findings.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn unusable(error: &ConfigError, findings: &mut Findings) {
    const NEXT: &str = "mend it; nothing else is looked at without a policy";
    if let ConfigError::Invalid(problems) = error {
        for problem in problems {
            findings.add(Level::Problem, "policy", problem.to_string(), NEXT);
        }
    } else {
        findings.add(Level::Problem, "policy", error.to_string(), NEXT);
    }
}

async fn look(config: &Config, file: &PolicyFile, findings: &mut Findings) {
    let running = gateway(config, findings).await;
    in_force(config, running.as_ref(), findings);
    settings::look(config, findings);
    files::look(config, file, findings);
    certificates::look(config, findings);
    clock::look(config, findings);
    servers::look(config, findings).await;
    forged::look(config, running.as_ref(), findings).await;
}

/// The gateway of this policy, if one runs.
async fn gateway(config: &Config, findings: &mut Findings) -> Option<Health> {
    let asked = async { Client::connect(&config.admin.socket).await?.send(&Command::Health).await };
    match asked.await {
        Ok(Reply::Health(health)) if health.ready => {
            findings.ok("gateway", health.to_string());
            Some(health)
        }
        Ok(Reply::Health(health)) => {
            let next = "it starts or it drains; ask again in a moment, and look at its log";
            findings.add(Level::Problem, "gateway", health.to_string(), next);
            Some(health)
        }
        Ok(_) => {
            let next = "run the `portcullis` of the same version as the gateway";
            findings.add(Level::Problem, "gateway", "it replied to another command", next);
            None
        }
        Err(error @ ClientError::NotRunning(_)) => {
            let next = "start it to have looked at what only a running gateway can show";
            findings.add(Level::Untried, "gateway", error.to_string(), next);
            None
        }
        Err(error) => {
            let next = "run this as the gateway's user, or as root";
            findings.add(Level::Problem, "gateway", error.to_string(), next);
            None
        }
    }
}

/// Whether the gateway goes by this file.
fn in_force(config: &Config, running: Option<&Health>, findings: &mut Findings) {
    match running.map(|health| health.policy.as_str()) {
        None | Some("") => {}
        Some(policy) if policy == config.fingerprint => {
            findings.ok("policy", "it is in force in the running gateway");
        }
        Some(_) => findings.add(
            Level::Warning,
            "policy",
            "the running gateway has another policy in force than the file",
            "`portcullis reload` puts the file in force, or says what is wrong with it",
        ),
    }
}
