//! `portcullis serve`: run the gateway until somebody ends it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use clap::builder::ValueParser;
use tokio::task::JoinSet;

use super::doors::Doors;
use super::files;
use super::follow::Follower;
use super::manager;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::whole;
use super::signals::Signals;
use super::succession::{self, Estate, Leaving, Policies};
use super::try_lines;
use crate::admin::{Door, Health, Incumbent, MetricsText};
use crate::config::{Checked, Config, Log};
use crate::gateway::{End, Gateway, Metrics, Served};
use crate::proxy::Target;
use crate::server::{Given, ListenAddr, ListenerSettings};
use crate::token::WhenStale;

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Listen here, and not where the file says; may be repeated
    #[arg(long, value_name = "ADDR", value_parser = ValueParser::new(address))]
    listen: Vec<ListenAddr>,
    /// Take the place of the gateway that runs: with its listeners, and then with its store, so
    /// that no client is refused; an ordinary start where none runs
    #[arg(long)]
    take_over: bool,
}

fn address(text: &str) -> Result<ListenAddr, &'static str> {
    match text.strip_prefix("unix:") {
        Some("") => Err("write the path of the socket, as in unix:/run/portcullis.sock"),
        Some(path) => Ok(ListenAddr::Unix(PathBuf::from(path))),
        None => text.parse().map(ListenAddr::Tcp).map_err(
            |_| "write an IP address and port, as in 127.0.0.1:8080 or [::1]:8080, or unix:/path",
        ),
    }
}

pub(super) fn run(
    args: Args,
    file: &PolicyFile,
    out: &mut Out,
    start_log: impl FnOnce(&Log) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let policy = file.read()?;
    let Checked { mut config, warnings } = policy.parse()?;
    if !args.listen.is_empty() {
        config.listen = args.listen.into_iter().map(ListenerSettings::from).collect();
    }
    if let Some(upstream) = config.upstreams.iter().find(|one| one.target == Target::Inner) {
        bail!(
            "upstream `{}` is `inner`: a Rust program that the gateway is a part of answers for it, \
             and this is none; give it a server with `to`",
            upstream.name
        );
    }
    start_log(&config.log)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let given = manager::sockets(&config.listen)?;
    if args.take_over && !given.is_empty() {
        bail!(
            "`--take-over` is for the sockets of the gateway that runs, and a service manager has \
             handed over others; leave one of the two out"
        );
    }
    files::take_all_there_are(config.connections.connections);
    // The gateway's workers have runtimes of their own; here are the signals, the admin socket
    // and what happens now and then.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).thread_name("housekeeping").enable_all().build()?;
    runtime.block_on(async {
        let asked = if args.take_over {
            succession::ask(&config.admin.socket, &config.listen).await?
        } else {
            None
        };
        let (incumbent, given) = match asked {
            Some((incumbent, given)) => (Some(incumbent), given),
            None => (None, given),
        };
        let policies = Policies { at_start: policy.clone(), in_force: policy };
        let mut start = Start { policies, config, given, incumbent };
        let mut signals = Signals::listen()?;
        while let Some(again) = Box::pin(serve(start, file, out, &mut signals)).await? {
            start = again;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What a gateway starts from.
pub(super) struct Start {
    pub(super) policies: Policies,
    pub(super) config: Config,
    pub(super) given: Given,
    /// Whose place it takes.
    pub(super) incumbent: Option<Incumbent>,
}

/// Serves to the end. Where it was to be handed over and was not: with what to start again.
async fn serve(
    start: Start,
    file: &PolicyFile,
    out: &mut Out,
    signals: &mut Signals,
) -> anyhow::Result<Option<Start>> {
    let Start { mut policies, config, given, incumbent } = start;
    let store = config.store.clone();
    let prefix = config.endpoints.prefix.clone();
    let (watch, delay) = (config.admin.watch, config.connections.drain_delay);
    let bereft = tokio::select! {
        bereft = succession::let_go(incumbent, &config) => bereft?,
        () = signals.terminated() => return Ok(None),
    };
    let (gateway, doors) = bound(config, given, out).await?;
    let ready = Arc::new(AtomicBool::new(true));
    signals.tls = gateway.tls().map(Arc::clone);
    let follower =
        Arc::new(Follower::new(file.clone(), policies.in_force.clone(), gateway.reloader()));
    // Before anybody can change anything.
    let changes = gateway.changes();
    let (mut estate, welcome) = Estate::of(&gateway)?;
    let door = door(&gateway, Arc::clone(&ready), Arc::clone(&follower))?.with_heirs(welcome);
    let door = Arc::new(door);
    gateway.let_operators_in_by(&door);
    // With the ports that were found where none was asked for.
    let listeners: Vec<_> = gateway.listeners().cloned().collect();
    announce(&listeners, file, &prefix, out)?;
    let doors = doors.open(door, out)?;
    let (mut heir, mut earlier) = (None, JoinSet::new());
    let served = gateway
        .run_until(async {
            // The workers are there by now.
            earlier = succession::tell(bereft, changes).await;
            manager::ready();
            let end = tokio::select! {
                () = signals.end(&follower) => End::Drain,
                () = follower.follow(watch) => End::Drain,
                found = estate.heir() => {
                    heir = Some(found);
                    End::HandOver
                }
            };
            ready.store(false, Ordering::Release);
            if end == End::Drain {
                estate.forgo();
                drain(delay).await;
            }
            end
        })
        .await;
    if heir.is_none() {
        estate.forgo();
    }
    // Operators are let in to the very end: they may want to know what it waits for.
    doors.close().await?;
    policies.in_force = follower.in_force();
    match (served?, heir) {
        (Served::HandedOver(lingering), Some(heir)) => {
            let fingerprint = follower.fingerprint();
            let leaving = Leaving { estate, earlier, store, listeners, policies, fingerprint };
            leaving.give_way(lingering, heir, signals).await
        }
        (Served::HandedOver(_) | Served::Drained, _) => Ok(None),
    }
}

/// A gateway that is listened at, by its clients and by its operators.
async fn bound(config: Config, given: Given, out: &mut Out) -> anyhow::Result<(Gateway, Doors)> {
    let admin = config.admin.clone();
    let store = config.store.file().map(|store| ("store", store.to_owned()));
    let keys = config.shared_keys.is_none().then(|| ("key file", config.keys.ring.clone()));
    let made = store.into_iter().chain(keys);
    let made: Vec<_> = made.filter(|(_, path)| !path.exists()).collect();
    let mut gateway = Gateway::builder(config).build()?;
    for (what, path) in made {
        out.line(format_args!("made a new {what} at {}", whole(&path).display()))?;
    }
    gateway.bind_with(given)?;
    // After the store: its lock has said that no other gateway has these users.
    let doors = Doors::bind(admin).await?;
    Ok((gateway, doors))
}

/// Says that the end has come, and goes on for as long as others take to notice.
async fn drain(delay: Duration) {
    manager::stopping();
    tracing::info!("draining; a second signal ends at once");
    tokio::spawn(Signals::end_at_once());
    tokio::time::sleep(delay).await;
}

fn door(
    gateway: &Gateway,
    ready: Arc<AtomicBool>,
    follower: Arc<Follower>,
) -> anyhow::Result<Door> {
    let clock = Arc::clone(gateway.clock());
    let listeners: Vec<_> = gateway.listeners().map(|one| one.addr.to_string()).collect();
    let started = clock.now();
    let health = {
        let (clock, reloader) = (Arc::clone(&clock), gateway.reloader());
        let stale = gateway.stale();
        move || Health {
            ready: ready.load(Ordering::Acquire) && stale() != Some(WhenStale::Refuse),
            stale: stale().is_some(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: clock.now().since(started).as_secs(),
            listeners: listeners.clone(),
            policy: reloader.fingerprint(),
        }
    };
    let door = Door::new(Arc::clone(gateway.accounts()), clock);
    let door = door.with_keys(Arc::clone(gateway.keys())).with_health(health);
    let door = door.with_feed(gateway.feed()?);
    let overview = gateway.overview();
    let door = door.with_state(move || overview.state());
    let explainer = gateway.explainer();
    let door = door.with_explain(move |asked| explainer.explain(asked));
    let metrics = gateway.metrics();
    let door = door.with_metrics(move || MetricsText {
        media_type: Metrics::CONTENT_TYPE,
        text: metrics.text(),
    });
    let requests = gateway.requests();
    let door = door.with_past(move |id| {
        let requests = requests.clone();
        async move { requests.find(&id).await }
    });
    Ok(door.with_policy(move |command| follower.obey(command)))
}

/// Says where the gateway is, and to whom it is new how to try it.
fn announce(
    listeners: &[ListenerSettings],
    file: &PolicyFile,
    prefix: &str,
    out: &mut Out,
) -> anyhow::Result<()> {
    out.line(format_args!("portcullis {} ({file})", env!("CARGO_PKG_VERSION")))?;
    for ListenerSettings { addr, tls, .. } in listeners {
        let scheme = match addr {
            ListenAddr::Tcp(_) if *tls => "https://",
            ListenAddr::Tcp(_) => "http://",
            ListenAddr::Unix(_) => "",
        };
        out.line(format_args!("listening on {scheme}{addr}"))?;
    }
    let tcp = listeners.iter().find_map(|listener| match &listener.addr {
        ListenAddr::Tcp(address) => Some(*address),
        ListenAddr::Unix(_) => None,
    });
    if let Some(address) = tcp.filter(|_| file.is_built_in()) {
        out.line("\nTry it, one line after the other:\n")?;
        for line in try_lines::lines(address, prefix)? {
            out.line(line)?;
        }
        out.line("")?;
    }
    Ok(())
}
