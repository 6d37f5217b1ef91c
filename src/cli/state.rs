//! `portcullis state`: what the running gateway does, for people and for scripts.

use std::process::ExitCode;

use anyhow::bail;

use super::labelled::Lines;
use super::out::Out;
use super::policy_file::PolicyFile;
use crate::admin::{
    CertificateView, Client, Command, Reply, RouteView, ServerView, SpanView, StateView,
    UpstreamView,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let socket = file.load()?.config.admin.socket;
    let reply = Client::connect(&socket).await?.send(&Command::State).await?;
    let Reply::State(state) = reply else { bail!("the gateway replied to another command") };
    if args.json {
        out.json(&state)?;
    } else {
        out.text(&text(&state))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole answer, with its line ends.
fn text(state: &StateView) -> String {
    let StateView { policy, load, lately, routes, upstreams, certificates } = state;
    let mut lines = Lines::default();
    lines.put("policy", format!("{} since {}", policy.fingerprint, policy.since));
    let verdict = if policy.last_was_good { "in force" } else { "refused" };
    lines.list("last file", vec![verdict.to_owned()], "");
    lines.more(policy.said.iter().cloned());
    lines.put("requests", format!("{} under way, {} at most", load.requests, load.most_requests));
    lines.put("connections", format!("{}, {} at most", load.connections, load.most_connections));
    let sum = |of: fn(&SpanView) -> u64| lately.iter().map(of).sum::<u64>();
    let [all, denied, failed] =
        [sum(|span| span.requests), sum(|span| span.denied), sum(|span| span.failed)];
    lines.put("lately", format!("{all} requests, {denied} denied, {failed} failed"));
    lines.list("upstreams", upstreams.iter().map(upstream).collect(), "none");
    lines.list("certificates", certificates.iter().map(certificate).collect(), "none");
    lines.list("routes", routes.iter().map(route).collect(), "none");
    lines.text()
}

fn upstream(upstream: &UpstreamView) -> String {
    let UpstreamView { name, servers, waiting, failures } = upstream;
    let server = |ServerView { address, up, requests }: &ServerView| {
        let state = if *up { "up" } else { "down" };
        format!("{address} {state} with {requests}")
    };
    let servers: Vec<_> = servers.iter().map(server).collect();
    format!("{name}: {}; {waiting} waiting, {failures} without an answer", servers.join(", "))
}

fn certificate(certificate: &CertificateView) -> String {
    let CertificateView { file, ends, days } = certificate;
    format!("{file}: until {ends}, {days} days")
}

fn route(route: &RouteView) -> String {
    let RouteView { key, to, allow, requests, refused, failed, .. } = route;
    format!("{key} to {to}, {allow}: {requests} requests, {refused} refused, {failed} failed")
}
