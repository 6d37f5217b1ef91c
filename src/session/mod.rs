//! Sessions.
mod settings;
pub use settings::SessionSettings;
