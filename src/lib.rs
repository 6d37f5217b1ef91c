//! portcullis
pub mod clock;
pub mod identity;
mod secret;
pub mod store;
pub use identity::is_role_name;
pub use secret::Secret;
