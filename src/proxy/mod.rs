//! The path of a proxied request.
mod settings;
pub use settings::{Address, Target, UpstreamSettings};
