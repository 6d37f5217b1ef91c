//! What a message may not be.

/// Why the bytes of a connection are refused. What comes after them is nobody's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
    /// CR or LF alone (RFC 9112 section 2.2).
    #[error("bare CR or LF")]
    LineEnd,
    /// NUL or another control byte.
    #[error("control byte")]
    Control,
    /// Not method, target and version with one space between them; or empty lines before it.
    #[error("malformed request line")]
    RequestLine,
    /// Neither `HTTP/1.1` nor `HTTP/1.0`.
    #[error("unknown version")]
    Version,
    /// A byte that no request target may have, or a form that is none (RFC 9112 section 3.2).
    #[error("malformed request target")]
    Target,
    /// A longer target than any server takes: answer 414.
    #[error("request target too long")]
    TargetTooLong,
    /// A line without a colon, or whose name is no token: empty, with white space before the
    /// colon (RFC 9112 section 5.1), with a byte beyond ASCII.
    #[error("malformed field name")]
    FieldName,
    /// White space before a line (RFC 9112 sections 2.2 and 5.2).
    #[error("folded line")]
    Folded,
    /// `Content-Length` more than once, or not a decimal number of at most 63 bits.
    #[error("unusable content length")]
    ContentLength,
    /// `Transfer-Encoding` more than once, in HTTP/1.0, or anything but `chunked`.
    #[error("unusable transfer encoding")]
    TransferEncoding,
    /// Both of them (RFC 9112 section 6.1).
    #[error("content length beside transfer encoding")]
    TwoLengths,
    /// More bytes in a head than the limit: answer 431.
    #[error("head too large")]
    HeadTooLarge,
    /// More field lines than the limit: answer 431.
    #[error("too many fields")]
    TooManyFields,
    /// A chunk size that is none, or has more than 16 digits.
    #[error("malformed chunk size")]
    ChunkSize,
    /// A chunk that is longer than its size.
    #[error("chunk without end")]
    ChunkEnd,
    /// Chunk extensions or trailers beyond all measure.
    #[error("oversized chunk extension or trailer")]
    ChunkOverhead,
}
