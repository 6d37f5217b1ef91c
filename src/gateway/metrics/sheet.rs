//! One family of numbers after the other.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

use crate::metrics::{BOUNDS, Spread};

/// Where families are written.
pub(super) struct Sheet<'a>(pub(super) DescriptorEncoder<'a>);

/// What tells the numbers of a family apart.
pub(super) type Labels<'l, const N: usize> = [(&'static str, &'l str); N];

impl Sheet<'_> {
    /// What only grows. The name goes without `_total`, which is added.
    pub(super) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l, N>, impl EncodeCounterValue)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, rows, |mut row, value| {
            row.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// What goes up and down.
    pub(super) fn gauge<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l, N>, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |mut row, value| row.encode_gauge(&value))
    }

    /// How long something took, in seconds.
    pub(super) fn durations<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'l, N>, Spread)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, rows, |mut row, spread| {
            let bounds = BOUNDS.iter().map(|micros| seconds(*micros)).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(spread.buckets).collect();
            let total = spread.total.as_secs_f64();
            row.encode_histogram::<NoLabelSet>(total, spread.count(), &buckets, None)
        })
    }

    /// A text that does not change, as the labels of a 1.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: &Labels<'_, N>,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }

    fn family<'l, const N: usize, T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = (Labels<'l, N>, T)>,
        write: impl Fn(MetricEncoder<'_>, T) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            write(family.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// Bounds are small, and so exact.
fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}
