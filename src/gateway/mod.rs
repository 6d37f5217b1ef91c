//! The gateway: the only room that knows all the others, and puts them together.

mod access_log;
mod build;
mod causes;
mod front;
mod http2;
mod intake;
mod plan;
mod redirect;
mod reload;
mod run;
mod service;
mod shared;
mod worker;

pub use access_log::TARGET as ACCESS_LOG;
pub use build::{BuildError, Builder, Gateway};
pub(crate) use intake::Hosts;
pub use reload::{Reloaded, Reloader};
pub use run::ServeError;
pub use service::GatewayService;
