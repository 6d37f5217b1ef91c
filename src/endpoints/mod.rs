//! The auth endpoints.
mod settings;
pub use settings::{EndpointSettings, LoginFailure, Registration};
