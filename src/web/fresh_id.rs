//! Request ids: unique, and cheap enough to be on every request.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

/// Longest id that is kept from a trusted peer.
const LONGEST: usize = 128;

/// Makes request ids: 64 random bits of this process, then a counter, in hex.
#[derive(Debug)]
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// A new series. Without randomness from the machine the series begins at its address,
    /// which is unique enough for a log.
    pub fn new() -> Self {
        let here = std::ptr::from_ref(&LONGEST).addr() as u64;
        Self { process: getrandom::u64().unwrap_or(here), next: AtomicU64::new(1) }
    }

    /// The next id.
    pub fn next(&self) -> HeaderValue {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mut bits = (u128::from(self.process) << 64) | u128::from(count);
        let mut text = [b'0'; 32];
        for digit in text.iter_mut().rev() {
            let nibble = usize::try_from(bits & 0xf).unwrap_or_default();
            *digit = HEX.get(nibble).copied().unwrap_or(b'0');
            bits >>= 4;
        }
        // Hex digits are always a legal value.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
    }

    /// Whether an id that somebody else made may be kept.
    pub fn is_keepable(id: &HeaderValue) -> bool {
        let bytes = id.as_bytes();
        (1..=LONGEST).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_never_repeated() {
        let ids = RequestIds::new();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        assert_eq!(a.len(), 32);
        assert_ne!(a, RequestIds::new().next());
        assert!(RequestIds::is_keepable(&a));
        assert!(!RequestIds::is_keepable(&HeaderValue::from_static("a b")));
        for (length, keepable) in [(0, false), (1, true), (LONGEST, true), (LONGEST + 1, false)] {
            let id = HeaderValue::try_from("a".repeat(length)).unwrap();
            assert_eq!(RequestIds::is_keepable(&id), keepable, "{length}");
        }
    }
}
