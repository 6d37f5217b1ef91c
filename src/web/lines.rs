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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_a_line_that_ends() {
        let (te, none) = (HeaderName::from_static("te"), HeaderValue::from_static(""));
        let (host, name) = (HeaderName::from_static("host"), HeaderValue::from_static("a.test"));
        let mut lines = BytesMut::from("x");
        write_lines([(&te, &none), (&host, &name)], &mut lines);
        assert_eq!(lines, "xte: \r\nhost: a.test\r\n");
    }
}
