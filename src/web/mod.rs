//! Words of HTTP that have exactly one reading.

mod host;
mod path;
mod readings;

pub use host::{HostError, HostName};
pub use path::{CanonicalPath, PathError};
pub use readings::{Form, Reading, Scope};
