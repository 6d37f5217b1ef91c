//! What a gateway has counted, as Prometheus reads it.

mod accounts;
mod process;
mod sheet;
mod state;
mod traces;
mod traffic;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::Gateway;
use super::census::Census;
use super::plan::{Ground, Plans};
use crate::clock::Timestamp;
use crate::server::Slots;
use crate::tls::ServerTls;
use sheet::Sheet;

/// What a gateway has counted. Clones are one.
///
/// Numbers are added up when they are asked for; requests pay only for counting.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use http::Request;
/// use portcullis::store::RedbStore;
/// use portcullis::{Config, Gateway, Metrics};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = Gateway::builder(Config::built_in(Path::new("."))?.config);
/// let builder = builder.store(Arc::new(RedbStore::in_memory()?)).ephemeral_keys();
/// let gateway = builder.build()?;
/// let metrics: Metrics = gateway.metrics();
///
/// let service = gateway.service();
/// let request = Request::get("/orders").header("host", "localhost").body(String::new())?;
/// service.clone().oneshot(request).await?;
/// assert!(metrics.text().contains("portcullis_requests_total{route=\"/*\",class=\"4xx\"} 1"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Metrics(Arc<Registry>);

/// Where the numbers are.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) ground: Arc<Ground>,
    pub(super) plans: Arc<Plans>,
    pub(super) census: Arc<Census>,
    pub(super) slots: Slots,
    pub(super) tls: Option<Arc<ServerTls>>,
    started: Timestamp,
}

impl Gateway {
    /// What is counted while it serves.
    pub fn metrics(&self) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.sources()));
        Metrics(Arc::new(registry))
    }

    pub(super) fn sources(&self) -> Sources {
        Sources {
            ground: Arc::clone(&self.ground),
            plans: Arc::clone(&self.plans),
            census: Arc::clone(&self.census),
            slots: self.slots.clone(),
            tls: self.tls.clone(),
            started: self.started,
        }
    }
}

impl Metrics {
    /// The media type of [`Metrics::text`].
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// All of it as `OpenMetrics` text (version 1.0.0). It reads a few small files of the kernel,
    /// and takes as long as there are routes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; were it to, a scrape that is cut short has no `# EOF`,
        // and is not believed.
        match prometheus_client::encoding::text::encode(&mut text, &self.0) {
            Ok(()) | Err(fmt::Error) => text,
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.state(&mut sheet)?;
        self.traffic(&mut sheet)?;
        self.upstreams(&mut sheet)?;
        self.accounts(&mut sheet)?;
        self.traces(&mut sheet)?;
        process::write(&mut sheet, self.started)
    }
}
