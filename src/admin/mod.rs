//! The operator door.
mod settings;
pub use settings::AdminSettings;
