//! Words of HTTP that every surface uses, each with exactly one reading: paths, hosts,
//! credentials, addresses, bodies, refusals.

mod authorization;
mod body;
mod chunked;
mod cors;
mod fold;
mod forwarded;
mod forwarding;
mod fresh_id;
mod hop;
mod host;
mod identity_headers;
mod limits;
mod lines;
mod lingering;
mod path;
mod patience;
mod peer;
mod public;
mod readings;
mod request_body;
mod takeover;
mod vary;

pub use authorization::Authorization;
pub use body::{Body, BodyError};
pub use chunked::{BadChunk, Chunks, Piece};
pub use cors::{Cors, CorsError, CorsSettings, CrossOrigin};
pub use fold::reads_as;
pub use forwarding::{Origin, Trust, TrustHeaders, is_forwarding};
pub use fresh_id::RequestIds;
pub use hop::{drop_hop_by_hop, is_framing};
pub use host::{HostError, HostName};
pub use identity_headers::{IdentityHeaderError, IdentityHeaders};
pub use limits::MessageLimits;
pub(crate) use lines::write_lines;
pub use path::{CanonicalPath, PathError};
pub use patience::Pulse;
pub use peer::Peer;
pub use public::Public;
pub use readings::{Form, Reading, Scope};
pub use request_body::{BodyFault, BodyTrace, RequestBody};
pub(crate) use takeover::{Takeover, Traffic, Upgradable};
pub use vary::{lists, vary_by};
