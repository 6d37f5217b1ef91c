//! Passwords.
mod settings;
pub use settings::PasswordSettings;
