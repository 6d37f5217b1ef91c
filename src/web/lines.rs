//! Header fields as HTTP/1.1 has them on the wire.

use bytes::{BufMut, BytesMut};
use http::header::{HeaderName, HeaderValue};

/// Appends fields, each with its line end (RFC 9112 section 5). Neither names nor values can
/// hold one of their own.
pub(crate) fn write_lines<'a>(
    fields: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    out: &mut BytesMut,
) {
    for (name, value) in fields {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        out.reserve(name.len() + value.len() + 4);
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
}
