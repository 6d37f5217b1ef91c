//! The service manager, where one has started us: the sockets that it hands over (`LISTEN_FDS`),
//! and what it wants to hear (`NOTIFY_SOCKET`).

use anyhow::Context;
use sd_notify::NotifyState;

use crate::server::{Given, ListenerSettings};

/// Takes the sockets that were handed over for these listeners. Before anything else is opened:
/// they are known by their numbers.
pub(super) fn sockets(listeners: &[ListenerSettings]) -> anyhow::Result<Given> {
    let files = sd_listen_fds::get()
        .context("LISTEN_PID and LISTEN_FDS are numbers, or not there at all")?;
    let files = files
        .into_iter()
        .map(|(name, file)| (name.unwrap_or_else(|| "unknown".to_owned()), file.into_std()));
    Ok(Given::for_listeners(files, listeners)?)
}

/// Connections are answered from now on; after [`reloading`]: by the file as it was read.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The policy file is being read again. [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no clock for the service manager"),
    }
}

/// The drain begins.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the service manager hears nothing"
        );
    }
}
