//! portcullis: an authenticating gateway.
//!
//! One program that stands in front of existing backends and lets only the right people
//! through. It owns the users, registers them, checks passwords, issues and refreshes JSON Web
//! Tokens, serves a profile, and forwards authenticated requests to the upstreams that a TOML
//! file lists, with the user's claims as headers.
//!
//! The way of a request, one module a step and no step back:
//!
//! ```text
//! server    accept, connection, deadlines
//! gateway   framing and host, client address, identity headers removed, canonical path
//! endpoints register, token, profile, ... if the path is the gateway's own
//! policy    route: host and path, then method
//! session   credential -> identity, as the store has it now
//! policy    may this identity use this route?
//! proxy     body limit, forwarding and identity headers, upstream, response
//! ```
//!
//! The names at the root are what an embedder needs, with [`config`] for a policy without a file, [`store`]
//! for a store of one's own, [`verifier`] for services that verify tokens themselves, and `testing`. Version
//! numbers speak of these. The other rooms are nobody's but the crate's. Imports between rooms go downward only
//! (`tests/layers.rs` holds the table).
//!
//! ```no_run
//! use std::path::Path;
//!
//! use portcullis::{Config, Gateway};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load(Path::new("portcullis.toml"))?.config;
//! let gateway = Gateway::builder(config).build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! gateway.serve(listener, std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[cfg_attr(feature = "axum", doc = include_str!("../README.md"))]
#[doc = include_str!("../docs/identity.md")]
#[doc = include_str!("../docs/verifying.md")]
#[cfg_attr(all(feature = "axum", feature = "testing"), doc = include_str!("../docs/library.md"))]
struct Pages;

mod acme;
mod admin;
mod audit;
mod causes;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod config;
mod endpoints;
mod forward_auth;
mod gateway;
pub mod identity;
mod keys;
mod limit;
#[cfg(test)]
mod log_sink;
mod mail;
mod metrics;
mod new_file;
mod outbound;
mod pages;
mod password;
mod policy;
mod printable;
mod proxy;
mod secret;
mod server;
mod session;
mod small_file;
pub mod store;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod telemetry;
mod template;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod token;
mod trace;
pub mod verifier;
mod web;

/// The rooms, as the tests, the benches and the fuzz targets reach into them: no part of the interface.
#[doc(hidden)]
pub mod rooms {
    macro_rules! open {
        ($($room:ident)*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }

    open! {
        acme admin audit endpoints forward_auth keys limit mail metrics pages password policy proxy server
        session template tls token trace web
    }
}

pub use config::{Config, ConfigError};
pub use gateway::{
    ACCESS_LOG, AuthLayer, BuildError, Builder, Gateway, GatewayService, Metrics, NoIdentity,
    Reloaded, Reloader, ServeError, Worse,
};
#[doc(hidden)]
pub use gateway::{End, Explainer, Lingering, Overview, Requests, Served};
pub use identity::{Identity, is_role_name};
pub use proxy::{Answering, InnerService};
pub use secret::Secret;
pub use server::BindError;
pub use session::{AccountError, Accounts, NewAccount, Registered};
pub use store::{Store, StoreError};
pub use tls::Roots;
pub use web::{Body, BodyError, Peer};
