//! Words of HTTP that every surface uses: bodies, addresses, names, refusals.

mod identity_headers;
mod limits;

pub use identity_headers::{IdentityHeaderError, IdentityHeaders};
pub use limits::MessageLimits;
