//! The command line: one file a subcommand.
//!
//! `mod.rs` parses the arguments and hands over; `out` is the one handle that is printed to,
//! `reach` finds the running gateway or opens the store, `input` takes passwords in.

mod act;
mod api_key;
mod audit;
mod backup;
mod check;
mod compact;
mod completions;
mod contents;
mod diff;
mod doctor;
mod doors;
mod explain;
mod export;
mod files;
mod follow;
mod group;
mod health;
mod import;
mod init;
mod input;
mod invite;
mod judge;
mod key;
mod labelled;
mod man;
mod manager;
mod out;
mod own_files;
mod policy_file;
mod progress;
mod reach;
mod reload;
mod restore;
mod route_words;
mod schema;
mod secrets;
mod serve;
mod session;
mod signals;
mod state;
#[cfg(feature = "postgres")]
mod store;
mod succession;
mod times;
mod try_lines;
mod user;
mod why;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Log;
#[cfg(feature = "fuzz")]
pub use import::read_whole;

use act::Act;
use out::Out;
use policy_file::PolicyFile;

#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, long_about = None)]
struct Args {
    /// The policy file. Without it: portcullis.toml in this folder, else built-in defaults
    #[arg(long, value_name = "FILE", global = true, env = "PORTCULLIS_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default)
    Serve(serve::Args),
    /// Ask three questions, and write a small policy file
    Init(init::Args),
    /// Say everything that is wrong with a policy file, and what it lets through
    Check(check::Args),
    /// Say what becomes of a request, and why, without sending one
    Explain(explain::Args),
    /// Say why a request of late ended as it did, by its X-Request-Id
    Why(why::Args),
    /// Say which requests of an access log would end otherwise under another policy
    Diff(diff::Args),
    /// Add, show and change users
    User(Act<user::Action>),
    /// Show and end the sessions of a user
    Session(Act<session::Action>),
    /// Invitations to register an account
    Invite(Act<invite::Action>),
    /// Keys of users for their programs
    ApiKey(Act<api_key::Action>),
    /// Take users in from other systems, or everything of an export
    Import(import::Args),
    /// Write everything: users with all that is theirs, groups, invitations
    Export(export::Args),
    /// Make a backup of everything, also while the gateway runs
    Backup(backup::Args),
    /// Make a backup the store again, while no gateway runs
    Restore(restore::Args),
    /// Give the disk back what the store has no more use for, while no gateway runs
    Compact(compact::Args),
    /// Copy a store between a file and a database; the tables of a database
    #[cfg(feature = "postgres")]
    Store(Act<store::Action>),
    /// Roles that are given to many users at once
    Group(Act<group::Action>),
    /// The keys that sign tokens
    Key(Act<key::Action>),
    /// The record of who did what
    Audit(audit::Args),
    /// Put the policy file in force in the running gateway
    Reload(reload::Args),
    /// Ask whether the running gateway is ready
    Health(health::Args),
    /// Show what the running gateway does: policy, routes, upstreams, certificates, and how requests went
    State(state::Args),
    /// Look for what is wrong around a good policy: servers, files, certificates, the clock
    Doctor(doctor::Args),
    /// Print a JSON Schema of the policy file, for editors
    Schema,
    /// Print what a shell needs to complete these commands
    Completions(completions::Args),
    /// Write the manual pages of these commands
    Man(man::Args),
}

/// Runs what the arguments say. `start_log` starts the log of a gateway.
///
/// Exit status: 0 done, 1 failed, 2 wrong usage.
pub fn main<E>(start_log: fn(&Log) -> Result<(), E>) -> ExitCode
where
    E: Error + Send + Sync + 'static,
{
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version as well. A reader that has gone away wants neither.
        Err(error) => {
            drop(error.print());
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let mut out = Out::new();
    match run(args, &mut out, start_log) {
        Ok(code) => code,
        Err(error) => {
            out.note(format_args!("portcullis: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run<E>(
    args: Args,
    out: &mut Out,
    start_log: fn(&Log) -> Result<(), E>,
) -> anyhow::Result<ExitCode>
where
    E: Error + Send + Sync + 'static,
{
    let file = PolicyFile::find(args.config);
    match args.command.unwrap_or_else(|| Command::Serve(serve::Args::default())) {
        Command::Serve(args) => serve::run(args, &file, out, |log| Ok(start_log(log)?)),
        Command::Init(args) => init::run(args, out),
        Command::Check(args) => check::run(args, file, out),
        Command::Explain(args) => soon(explain::run(args, &file, out)),
        Command::Why(args) => soon(why::run(args, &file, out)),
        Command::Diff(args) => soon(diff::run(args, out)),
        Command::User(args) => soon(user::run(args, &file, out)),
        Command::Session(args) => soon(session::run(args, &file, out)),
        Command::Invite(args) => soon(invite::run(args, &file, out)),
        Command::ApiKey(args) => soon(api_key::run(args, &file, out)),
        Command::Import(args) => soon(import::run(args, &file, out)),
        Command::Export(args) => soon(export::run(args, &file, out)),
        Command::Backup(args) => soon(backup::run(args, &file, out)),
        Command::Restore(args) => soon(restore::run(args, &file, out)),
        Command::Compact(args) => soon(compact::run(args, &file, out)),
        #[cfg(feature = "postgres")]
        Command::Store(args) => soon(store::run(args, &file, out)),
        Command::Group(args) => soon(group::run(args, &file, out)),
        Command::Key(args) => soon(key::run(args, &file, out)),
        Command::Audit(args) => audit::run(args, &file, out),
        Command::Reload(args) => soon(reload::run(args, &file, out)),
        Command::Health(args) => soon(health::run(args, &file, out)),
        Command::State(args) => soon(state::run(args, &file, out)),
        Command::Doctor(args) => soon(doctor::run(args, &file, out)),
        Command::Schema => schema::run(out),
        Command::Completions(args) => completions::run(args, Args::command(), out),
        Command::Man(args) => man::run(args, Args::command(), out),
    }
}

/// Runs what is over in a moment on this thread.
fn soon<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
