//! A second opinion for other proxies: they ask whether a request of their client may go on, and
//! forward it themselves.
//!
//! What is asked about comes in one of two forms: in the fields that nginx (told so), Traefik and
//! Caddy send, or as the request itself below our path, which is how Envoy asks by HTTP; or in
//! Envoy's gRPC.

mod answer;
pub mod envoy;
mod question;
mod settings;

pub use answer::{allowed, soften};
pub use question::{Question, Unreadable, knows_two};
pub use settings::ForwardAuthSettings;
