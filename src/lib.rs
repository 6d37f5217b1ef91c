//! portcullis
pub mod admin;
pub mod clock;
pub mod endpoints;
pub mod identity;
pub mod keys;
pub mod limit;
pub mod password;
pub mod policy;
mod printable;
pub mod proxy;
mod secret;
pub mod server;
pub mod session;
pub mod store;
pub mod token;
pub mod web;
pub use identity::is_role_name;
pub use secret::Secret;
