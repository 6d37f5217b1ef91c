//! A policy without a file: the tables of the policy file as values of a program.
//!
//! What the values say is written down as the text that a file would have, and takes the one way
//! through all checks. So every key means here what [`EXAMPLE`](super::EXAMPLE) says of it, what is
//! left out has its default, and a mistake is told in the same words, with the key in the place of a
//! line.

mod auth;
mod builder;
mod item;
mod listen;
mod operate;
mod route;
mod rules;
mod source;
mod table;
mod text;

pub use auth::{Auth, Import, ImportFlags, Issuer, Password, Signing, Throttles, UserKeys};
pub use builder::ConfigBuilder;
pub use listen::{Acme, Certificate, Hsts, Limits, Listener, Tls};
pub use operate::{Admin, Audit, ForwardAuth, Log, Mail, Otlp, Pages, Postgres, Site};
pub use route::{Cors, Health, Route, Upstream, UpstreamTls};
pub use rules::{Rules, Unwritable};
pub use source::Source;

#[cfg(test)]
mod tests;
