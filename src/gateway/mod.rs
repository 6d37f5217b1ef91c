//! The gateway: the only room that knows all the others, and puts them together.

mod access_log;
mod build;
mod built;
mod census;
mod explain;
mod extract;
mod front;
mod hand_over;
mod hearing;
mod history;
mod http2;
mod intake;
mod keep;
mod layer;
mod lingering;
mod load;
mod meters;
mod metrics;
mod operators;
mod outcomes;
mod plan;
mod recent;
mod record;
mod redirect;
mod reload;
mod run;
mod service;
mod shared;
mod state;
mod traces;
mod worker;

pub use access_log::TARGET as ACCESS_LOG;
pub use build::{BuildError, Builder};
pub use built::Gateway;
pub use explain::Explainer;
#[cfg(feature = "cli")]
pub(crate) use explain::{Finding, Rulebook, tell};
pub use extract::NoIdentity;
pub use hand_over::{End, Served};
#[cfg(feature = "cli")]
pub(crate) use intake::Hosts;
pub use layer::AuthLayer;
pub use lingering::Lingering;
pub use metrics::Metrics;
pub use outcomes::Worse;
pub use recent::Requests;
pub use reload::{Reloaded, Reloader};
pub use run::ServeError;
pub use service::GatewayService;
pub use state::Overview;
