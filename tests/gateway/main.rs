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

mod acme;
mod acme_proofs;
mod addresses;
mod audit;
mod bodies;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod cors;
mod devices;
mod early_answers;
mod early_answers_h2;
mod elsewhere;
mod factors;
mod forward_auth;
mod framing;
mod fresh;
mod gone;
mod grpc;
mod heads;
mod http2;
mod http2_floods;
mod http2_strict;
mod http2_windows;
mod identity;
mod inner;
mod issuers;
mod issuers_remote;
mod live;
mod live_h2;
mod live_logins;
mod logins;
mod mail;
#[cfg(feature = "postgres")]
mod many;
#[cfg(feature = "postgres")]
mod many_apart;
#[cfg(feature = "postgres")]
mod many_factors;
#[cfg(feature = "postgres")]
mod many_guesses;
#[cfg(feature = "postgres")]
mod many_keys;
#[cfg(feature = "postgres")]
mod many_once;
#[cfg(feature = "postgres")]
mod many_rates;
#[cfg(feature = "postgres")]
mod many_statements;
mod metrics;
#[cfg(feature = "axum")]
mod mounted;
mod notices;
mod overload;
mod own_keys;
mod pages;
mod pages_account;
mod pages_admin;
mod pages_admin_asks;
mod pages_admin_groups;
mod pages_admin_newcomers;
mod pages_admin_sessions;
mod pages_admin_user;
mod pages_edges;
mod pages_factors;
mod pages_languages;
mod pages_lately;
mod pages_look;
mod passkeys;
mod password_change;
mod paths;
#[cfg(feature = "postgres")]
#[path = "../common/postgres.rs"]
mod postgres;
mod proxy_protocol;
mod rates;
mod registration;
#[cfg(feature = "postgres")]
#[path = "../common/relay.rs"]
mod relay;
mod reload;
mod resting;
mod revocation;
mod route_keys;
mod signed;
mod silence;
mod static_files;
mod streams;
mod tickets;
mod tls;
mod tls_clients;
mod tls_names;
mod tls_redirect;
mod tls_reload;
mod tls_revocation;
mod tokens;
mod traces;
mod traces_export;
mod upstream_answers;
mod upstream_connections;
mod upstream_h2;
mod upstream_servers;
mod upstream_slow;
mod upstream_state;
mod upstream_tls;
mod user_keys;
#[expect(
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "it is what docs/identity.md shows, to be put into other programs"
)]
mod verifier;
mod websocket;
mod websocket_ends;
mod websocket_h2;
mod websocket_h2_pair;
mod websocket_pair;
mod websocket_to_h2;
