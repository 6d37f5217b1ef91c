//! What becomes of a request that nobody has sent, and why: by a policy file, or by the policy in
//! force.

mod headers;
mod path;
mod question;
mod rulebook;
mod told;

use std::sync::Arc;

use super::Gateway;
use super::plan::Plans;
use crate::admin::{Asked, Refusal, RefusalKind, Told};
use crate::causes::chain;

#[cfg(feature = "cli")]
pub(crate) use rulebook::{Finding, Rulebook};
pub(crate) use told::tell;

/// Says what the policy in force makes of requests, for the operators' door. Clones are one.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::rooms::admin::{Asked, Decision};
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Gateway::builder(Config::built_in(Path::new("."))?.config);
/// let gateway = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys().build()?;
/// let asked = |url: &str| Asked { method: "GET".into(), url: url.into(), who: vec![], from: None };
/// let told = gateway.explainer().explain(&asked("/x%2F..%2Fadmin"))?;
/// assert!(matches!(told.decision, Decision::Refused { status: 400, .. }));
/// assert!(gateway.explainer().explain(&asked("ftp://x/")).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Explainer(Arc<Plans>);

#[doc(hidden)]
impl Gateway {
    /// What says what becomes of a request.
    pub fn explainer(&self) -> Explainer {
        Explainer(Arc::clone(&self.plans))
    }
}

impl Explainer {
    /// What the policy in force makes of that request.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]: it is no request; show it to the operator.
    pub fn explain(&self, asked: &Asked) -> Result<Told, Refusal> {
        let plan = self.0.current();
        let told = tell(&plan.rulebook(), asked);
        told.map_err(|error| Refusal::new(RefusalKind::Invalid, chain(&error)))
    }
}
