//! The gateway from outside: raw bytes in, a recording upstream behind, one file a family.
//!
//! Names such as `ID-04-mixed` are those of the security cases that the project is judged by.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "whatever a test does not expect fails it"
)]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod cors;
mod framing;
mod identity;
mod issuers;
mod own_keys;
mod paths;
mod rates;
mod revocation;
mod route_keys;
mod static_files;
mod streams;
mod tokens;
mod upstream_state;
mod upstreams;
mod websocket;
