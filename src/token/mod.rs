//! Tokens.
mod settings;
pub use settings::{IssuerSettings, TokenSettings};
