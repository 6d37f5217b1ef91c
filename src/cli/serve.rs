//! `portcullis serve`: run the gateway until somebody ends it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::ValueParser;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::files;
use super::follow::Follower;
use super::manager;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::whole;
use super::try_lines;
use crate::admin::{AdminListener, AdminSettings, AdminSocket, Door, Health, MetricsText};
use crate::config::{Checked, Config, Log};
use crate::gateway::{Gateway, Metrics};
use crate::server::{Given, ListenAddr, ListenerSettings};
use crate::tls::ServerTls;

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Listen here, and not where the file says; may be repeated
    #[arg(long, value_name = "ADDR", value_parser = ValueParser::new(address))]
    listen: Vec<ListenAddr>,
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
    let Checked { mut config, warnings } = file.load()?;
    if !args.listen.is_empty() {
        config.listen = args.listen.into_iter().map(ListenerSettings::from).collect();
    }
    start_log(&config.log)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let given = manager::sockets(&config.listen)?;
    files::take_all_there_are(config.connections.connections);
    // The gateway's workers have runtimes of their own; here are the signals, the admin socket
    // and what happens now and then.
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).thread_name("housekeeping").enable_all().build()?;
    runtime.block_on(serve(config, given, file, out))
}

async fn serve(
    config: Config,
    given: Given,
    file: &PolicyFile,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let prefix = config.endpoints.prefix.clone();
    let AdminSettings { socket, watch, tcp, .. } = config.admin.clone();
    let delay = config.connections.drain_delay;
    let made = [("store", config.store.clone()), ("key file", config.keys.ring.clone())];
    let made: Vec<_> = made.into_iter().filter(|(_, path)| !path.exists()).collect();
    let mut gateway = Gateway::builder(config).build()?;
    for (what, path) in made {
        out.line(format_args!("made a new {what} at {}", whole(&path).display()))?;
    }
    gateway.bind_with(given)?;
    // After the store: its lock has said that no other gateway has these users.
    let admin = AdminSocket::bind(&socket).await?;
    let remote = match tcp {
        Some(tcp) => Some(AdminListener::bind(tcp).await?),
        None => None,
    };
    let mut signals = Signals::listen()?;
    let ready = Arc::new(AtomicBool::new(true));
    signals.tls = gateway.tls().map(Arc::clone);
    let follower = Arc::new(Follower::new(file.clone(), gateway.reloader()));
    let door = door(&gateway, Arc::clone(&ready), Arc::clone(&follower));
    let closing = CancellationToken::new();
    let listeners: Vec<_> = gateway.listeners().collect();
    announce(&listeners, file, &prefix, out)?;
    let mut doors = JoinSet::new();
    if let Some(remote) = remote {
        out.line(format_args!("operators at http://{}", remote.addr()))?;
        doors.spawn(remote.serve(Arc::clone(&door), closing.clone().cancelled_owned()));
    }
    doors.spawn(admin.serve(door, closing.clone().cancelled_owned()));
    manager::ready();
    let served = gateway
        .run(async move {
            tokio::select! {
                () = signals.end(&follower) => {}
                () = follower.follow(watch) => {}
            }
            ready.store(false, Ordering::Release);
            manager::stopping();
            tracing::info!("draining; a second signal ends at once");
            tokio::spawn(signals.end_at_once());
            tokio::time::sleep(delay).await;
        })
        .await;
    // Operators are let in to the very end: they may want to know what it waits for.
    closing.cancel();
    while let Some(ended) = doors.join_next().await {
        ended?;
    }
    served?;
    Ok(ExitCode::SUCCESS)
}

fn door(gateway: &Gateway, ready: Arc<AtomicBool>, follower: Arc<Follower>) -> Arc<Door> {
    let clock = Arc::clone(gateway.clock());
    let listeners: Vec<_> = gateway.listeners().map(|one| one.addr.to_string()).collect();
    let started = clock.now();
    let health = {
        let (clock, reloader) = (Arc::clone(&clock), gateway.reloader());
        move || Health {
            ready: ready.load(Ordering::Acquire),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: clock.now().since(started).as_secs(),
            listeners: listeners.clone(),
            policy: reloader.fingerprint(),
        }
    };
    let door = Door::new(Arc::clone(gateway.accounts()), clock);
    let door = door.with_keys(Arc::clone(gateway.keys())).with_health(health);
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
    Arc::new(door.with_policy(move |command| follower.obey(command)))
}

/// Says where the gateway is, and to whom it is new how to try it.
fn announce(
    listeners: &[&ListenerSettings],
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

/// The signals that end a gateway, and the one that has it read its file again.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whose files are read again at a hangup.
    tls: Option<Arc<ServerTls>>,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { terminate, interrupt, hangup, tls: None })
    }

    /// Waits for one that ends the gateway, and reloads at each that asks for it.
    async fn end(&mut self, follower: &Arc<Follower>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: the policy file is read again");
                    if let Some(tls) = &self.tls {
                        tls.read_again();
                    }
                    let follower = Arc::clone(follower);
                    manager::reloading();
                    tokio::task::spawn_blocking(move || {
                        follower.reread();
                        manager::ready();
                    });
                }
            }
        }
    }

    async fn end_at_once(mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                // What drains has no use for another policy.
                _ = self.hangup.recv() => {}
            }
        }
        // Without a farewell to whatever the first signal left running.
        std::process::exit(1);
    }
}
