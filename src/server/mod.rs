//! Listeners and connections.
mod settings;
pub use settings::{ConnectionLimits, ListenAddr};
