//! Words of HTTP that every surface uses, and that have exactly one reading.

mod host;
mod identity_headers;
mod limits;
mod path;
mod public;
mod readings;

pub use host::{HostError, HostName};
pub use identity_headers::{IdentityHeaderError, IdentityHeaders};
pub use limits::MessageLimits;
pub use path::{CanonicalPath, PathError};
pub use public::Public;
pub use readings::{Form, Reading};
