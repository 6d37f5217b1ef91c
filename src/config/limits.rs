//! `[limits]`: how large and how slow a message may be.

use super::context::{Context, set};
use super::raw;
use crate::server::{ConnectionLimits, MemoryLimit};
use crate::web::MessageLimits;

/// Less than this cannot hold the head of an ordinary browser, and hyper refuses it.
const LEAST_HEAD: usize = 8 * 1024;

/// What a gateway with a small store has before the first request.
const LEAST_MEMORY: u64 = 16 << 20;

pub(super) fn check(cx: &mut Context<'_>, raw: raw::Limits) -> (ConnectionLimits, MessageLimits) {
    let mut connections = ConnectionLimits::default();
    let mut messages = MessageLimits::default();
    let places =
        (raw.head.as_ref().map(toml::Spanned::span), raw.target.as_ref().map(toml::Spanned::span));
    if let Some(head) = &raw.head
        && usize::from(*head.get_ref()) < LEAST_HEAD
    {
        cx.error(
            head.span(),
            "`head` below 8KiB cuts ordinary requests off; use at least \"8KiB\"",
        );
    }
    set(&mut connections.head, raw.head);
    set(&mut connections.headers, raw.headers);
    set(&mut connections.head_timeout, raw.head_timeout);
    set(&mut connections.idle_timeout, raw.idle_timeout);
    set(&mut connections.tls_timeout, raw.tls_timeout);
    set(&mut connections.h2_streams, raw.h2_streams);
    set(&mut connections.connections, raw.connections);
    set(&mut connections.in_flight, raw.in_flight);
    if let Some(memory) = &raw.memory
        && matches!(memory.get_ref().0, MemoryLimit::Bytes(bytes) if bytes < LEAST_MEMORY)
    {
        cx.error(
            memory.span(),
            "`memory` below 16MiB is less than a gateway without a request has; use at least \
             \"16MiB\", or \"off\"",
        );
    }
    set(&mut connections.memory, raw.memory);
    set(&mut connections.drain, raw.drain);
    set(&mut connections.drain_delay, raw.drain_delay);
    set(&mut connections.linger, raw.linger);
    set(&mut messages.target, raw.target);
    set(&mut messages.body, raw.body);
    set(&mut messages.auth_body, raw.auth_body);
    set(&mut messages.body_timeout, raw.body_timeout);
    set(&mut messages.body_rate, raw.body_rate);
    if connections.head >= LEAST_HEAD
        && messages.target >= connections.head
        && let (_, Some(at)) | (Some(at), None) = places
    {
        let (target, head) = (messages.target, connections.head);
        let message = format!(
            "`target` ({target} bytes) is part of `head` ({head} bytes); make `head` the larger one"
        );
        cx.error(at, message);
    }
    (connections, messages)
}
