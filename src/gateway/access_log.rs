//! One line for every request, also for those that were refused.

use std::error::Error;
use std::net::IpAddr;

use http::StatusCode;
use http::header::HeaderValue;
use tracing::Level;

use super::record::Line;
use crate::causes::chain;
use crate::policy::Route;

/// Where access lines go: a filter can name it, and `[log] access = false` switches it off.
///
/// An embedder's subscriber tells access lines from the rest by it:
///
/// ```
/// use portcullis::ACCESS_LOG;
///
/// fn is_access_line(event: &tracing::Metadata<'_>) -> bool {
///     event.target() == ACCESS_LOG
/// }
/// # let _ = is_access_line;
/// assert_eq!(ACCESS_LOG, "portcullis::access");
/// ```
pub const TARGET: &str = "portcullis::access";

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) status: StatusCode,
    pub(super) code: Option<&'static str>,
    /// Bytes from the client, where the connection was taken over.
    pub(super) received: Option<u64>,
    /// Bytes to the client.
    pub(super) sent: u64,
    /// Whether that was all of them.
    pub(super) whole: bool,
    pub(super) micros: u64,
}

/// Whether somebody reads the lines.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::INFO)
}

/// Writes the line of a request.
pub(super) fn write(request_id: &HeaderValue, line: &Line, route: Option<&Route>, end: End) {
    if !is_wanted() {
        return;
    }
    // As the operator wrote it.
    let route = route.map(|route| route.key.to_string());
    tracing::info!(
        target: TARGET,
        {
            request_id = request_id.to_str().unwrap_or_default(),
            trace = line.trace.map(tracing::field::display),
            client = %line.client,
            method = line.method.as_str(),
            host = line.host,
            path = line.path,
            status = end.status.as_u16(),
            code = end.code,
            route,
            user = line.caller.user(),
            key = line.caller.key(),
            would = line.would,
            bytes = end.sent,
            received = end.received,
            complete = end.whole,
            duration_us = end.micros,
        },
        "request"
    );
}

/// The status that the bytes of a broken connection were answered with, if they were no HTTP and
/// it could be.
pub(super) fn answer_to(error: &hyper::Error) -> Option<StatusCode> {
    error.is_parse().then(|| {
        if error.is_parse_too_large() {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        }
    })
}

/// The line of something that is no request.
pub(super) fn malformed(
    peer: IpAddr,
    request_id: Option<&HeaderValue>,
    status: StatusCode,
    code: &'static str,
    error: &(dyn Error + 'static),
) {
    tracing::info!(
        target: TARGET,
        {
            request_id = request_id.and_then(|id| id.to_str().ok()),
            client = %peer,
            status = status.as_u16(),
            code,
            error = chain(error),
        },
        "malformed request"
    );
}
