//! portcullis
pub mod admin;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod config;
pub mod endpoints;
mod gateway;
pub mod identity;
pub mod keys;
pub mod limit;
pub mod password;
pub mod policy;
mod printable;
pub mod proxy;
mod secret;
pub mod server;
pub mod session;
pub mod store;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod telemetry;
pub mod token;
pub mod web;
pub use gateway::*;
pub use identity::is_role_name;
pub use secret::Secret;
