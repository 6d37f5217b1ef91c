//! The harness: the real gateway on a port of its own, raw bytes in, a recording upstream behind.

pub(crate) mod browser;
pub(crate) mod collector;
mod gateway;
pub(crate) mod h2;
pub(crate) mod h2_upstream;
mod keys;
pub(crate) mod otp;
pub(crate) mod passkey;
mod provider;
pub(crate) mod smtp;
mod stage;
pub(crate) mod tls;
mod tokens;
mod upstream;
mod wire;

use std::time::Duration;

pub(crate) use gateway::{Policy, Setup, TestGateway};
pub(crate) use keys::{Signer, is_signed_by};
pub(crate) use provider::{Answer, Provider};
pub(crate) use stage::{PASSWORD, Stage};
pub(crate) use tokens::{NOW, SECRET, claims, header, hs256, mint, mint_raw, mint_with, part};
pub(crate) use upstream::{Act, Seen, Upstream, refusing};
pub(crate) use wire::{Conn, Reply};

/// Longest wait for anything that must happen; no test waits for it to pass.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// What `future` gives, if it gives it in time.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(LIMIT, future).await;
    ended.unwrap_or_else(|_late| panic!("not within {LIMIT:?}: {what}"))
}
