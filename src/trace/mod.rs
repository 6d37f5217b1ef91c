//! Traces: where a request stands among those that led to it, the spans that tell of it, and their
//! way to a collector.
//!
//! Context comes in and goes out as W3C Trace Context (level 1) has it; spans go out by OTLP over
//! HTTP. What a request pays is what it is worth: without a collector nothing, unsampled a random
//! number, sampled a record that a bounded queue takes. Sending is somebody else's task. There is
//! nothing global: each gateway has a tracer of its own, or none.

mod attempt;
mod context;
mod exporter;
mod ids;
mod message;
mod request;
mod sampling;
mod settings;
mod span;
mod state;
mod tracer;

pub use attempt::{Attempt, Try};
pub use context::{Context, SpanId, TraceId};
pub use exporter::Exporter;
pub use request::{Asked, Ended, Subject, Trace};
pub use sampling::Share;
pub use settings::{Collector, CollectorError, TraceSettings};
pub use tracer::{TRACEPARENT, TRACESTATE, Tracer};
