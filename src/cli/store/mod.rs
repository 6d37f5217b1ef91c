//! `portcullis store`: the tables of a database, and a store that becomes one of the other kind.

mod copy;
mod keys;
mod source;

use std::process::ExitCode;

use clap::Subcommand;
use serde::Serialize;

use super::act::Act;
use super::out::Out;
use super::policy_file::PolicyFile;
use crate::store::{Migration, PostgresStore, StoreSettings};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Copy everything from a file into a database, or from a database into a file
    Copy(copy::Args),
    /// Bring the tables of the database to the version that this program works with
    Migrate {
        /// Print what would be done, and do nothing
        #[arg(long)]
        plan: bool,
    },
}

/// A step, for machines.
#[derive(Serialize)]
struct Step {
    version: u64,
    title: &'static str,
    /// In a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<&'static str>,
}

pub(super) async fn run(
    args: Act<Action>,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Copy(copied) => Box::pin(copy::run(&copied, args.json, out)).await,
        Action::Migrate { plan } => migrate(plan, args.json, file, out).await,
    }
}

async fn migrate(
    plan: bool,
    json: bool,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let config = file.load()?.config;
    let StoreSettings::Postgres(settings) = config.store else {
        anyhow::bail!("{}: a file is brought up to date when it is opened", config.store);
    };
    let place = settings.to_string();
    // It blocks until the database has answered.
    let asked = tokio::task::spawn_blocking(move || {
        if plan {
            PostgresStore::layout(&settings).map(|layout| layout.pending)
        } else {
            PostgresStore::migrate(&settings)
        }
    });
    let steps = asked.await??;
    if json {
        let step = |&Migration { version, title, sql }: &Migration| Step {
            version,
            title,
            sql: plan.then_some(sql),
        };
        out.json(&steps.iter().map(step).collect::<Vec<_>>())?;
    } else if steps.is_empty() {
        out.line(format_args!("database {place}: nothing to do"))?;
    } else {
        for Migration { version, title, sql } in &steps {
            let to_do = if plan { "-- to do" } else { "done" };
            out.line(format_args!("{to_do}: version {version}, {title}"))?;
            if plan {
                out.line(format_args!("{sql}"))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
