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
//! The names at the root are what an embedder needs; the rooms are public for whoever needs
//! more. Imports between rooms go downward only (`tests/layers.rs` holds the table).
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
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/identity.md")]
#[doc = include_str!("../docs/verifying.md")]
#[cfg_attr(all(feature = "axum", feature = "testing"), doc = include_str!("../docs/library.md"))]
struct Pages;

pub mod acme;
pub mod admin;
pub mod audit;
mod causes;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoints;
pub mod forward_auth;
mod gateway;
pub mod identity;
pub mod keys;
pub mod limit;
#[cfg(test)]
mod log_sink;
pub mod mail;
pub mod metrics;
mod new_file;
mod outbound;
pub mod pages;
pub mod password;
pub mod policy;
mod printable;
pub mod proxy;
mod secret;
pub mod server;
pub mod session;
mod small_file;
pub mod store;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod telemetry;
pub mod template;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod token;
pub mod trace;
pub mod verifier;
pub mod web;

pub use config::{Config, ConfigError};
pub use gateway::{
    ACCESS_LOG, AuthLayer, BuildError, Builder, End, Gateway, GatewayService, Lingering, Metrics,
    NoIdentity, Reloaded, Reloader, Requests, ServeError, Served, Worse,
};
pub use identity::{Identity, is_role_name};
pub use secret::Secret;
pub use store::{Store, StoreError};
