//! What became of spans, where there are traces.

use std::fmt;

use super::Sources;
use super::sheet::Sheet;
use crate::gateway::traces::Traces;

impl Sources {
    pub(super) fn traces(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Some(tracer) = self.ground.traces.as_ref().map(Traces::tracer) else { return Ok(()) };
        sheet.counter(
            "portcullis_spans_exported",
            "Spans that the collector took",
            [([], tracer.exported())],
        )?;
        sheet.counter(
            "portcullis_spans_dropped",
            "Spans for which there was no room, or that the collector did not take",
            [([], tracer.dropped())],
        )?;
        sheet.counter(
            "portcullis_span_exports_failed",
            "Attempts to bring spans to the collector that failed",
            [([], tracer.failed())],
        )
    }
}
