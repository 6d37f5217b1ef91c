//! portcullis
pub mod clock;
pub mod identity;
pub mod policy;
mod secret;
pub mod store;
pub mod web;
pub use identity::is_role_name;
pub use secret::Secret;
