//! What a form is to the settings: the plain value in it.

use std::time::Duration;

use super::forms::{Lasting, Memory, Part, Rate, Size, Span, Throttle};
use crate::limit::Quota;
use crate::server::MemoryLimit;
use crate::trace::Share;

impl From<Span> for Duration {
    fn from(Span(span): Span) -> Self {
        span
    }
}

impl From<Lasting> for Option<Duration> {
    fn from(Lasting(span): Lasting) -> Self {
        span
    }
}

impl From<Part> for Share {
    fn from(Part(share): Part) -> Self {
        share
    }
}

impl From<Throttle> for Option<Quota> {
    fn from(Throttle(quota): Throttle) -> Self {
        quota
    }
}

impl From<Span> for Option<Duration> {
    fn from(Span(span): Span) -> Self {
        Some(span)
    }
}

impl From<Size> for u64 {
    fn from(Size(bytes): Size) -> Self {
        bytes
    }
}

impl From<Size> for usize {
    fn from(Size(bytes): Size) -> Self {
        Self::try_from(bytes).unwrap_or(Self::MAX)
    }
}

impl From<Memory> for MemoryLimit {
    fn from(Memory(limit): Memory) -> Self {
        limit
    }
}

impl From<Rate> for u64 {
    fn from(Rate(bytes): Rate) -> Self {
        bytes
    }
}

impl From<Size> for Option<u64> {
    fn from(Size(bytes): Size) -> Self {
        Some(bytes)
    }
}
