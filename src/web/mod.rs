//! Words of HTTP that every surface uses: bodies, addresses, names, refusals.

mod authorization;
mod body;
mod identity_headers;
mod limits;
mod peer;
mod request_body;

pub use authorization::Authorization;
pub use body::{Body, BodyError};
pub use identity_headers::{IdentityHeaderError, IdentityHeaders};
pub use limits::MessageLimits;
pub use peer::Peer;
pub use request_body::{BodyFault, RequestBody};
