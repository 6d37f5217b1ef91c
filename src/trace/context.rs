//! `traceparent` (W3C Trace Context level 1, section 3.2).

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use super::ids;

/// The id that all spans of a trace share; 32 hex digits, never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId(NonZeroU128);

/// The id of a span; 16 hex digits, never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SpanId(NonZeroU64);

/// Where somebody stands in a trace: the span that asks, and whether anybody writes it down.
///
/// ```
/// use portcullis::rooms::trace::Context;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context = Context::parse(text.as_bytes()).ok_or("no context")?;
/// assert!(context.sampled);
/// assert_eq!(context.to_string(), text);
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Context {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// Whether the span is recorded.
    pub sampled: bool,
}

impl TraceId {
    /// A new one; `None` where the machine has no randomness to give.
    pub(super) fn fresh() -> Option<Self> {
        let number = u128::from(ids::random()?) << 64 | u128::from(ids::random()?);
        NonZeroU128::new(number).map(Self)
    }

    /// Its 16 bytes, as they go over the wire.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// Its last half, which is random also where the first is the time.
    pub(super) fn last_half(self) -> u64 {
        u64::try_from(self.0.get() & u128::from(u64::MAX)).unwrap_or_default()
    }
}

impl SpanId {
    /// A new one; `None` where the machine has no randomness to give.
    pub(super) fn fresh() -> Option<Self> {
        NonZeroU64::new(ids::random()?).map(Self)
    }

    /// Its 8 bytes, as they go over the wire.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl Context {
    /// What stands before the span's id in the text of a context.
    pub const BEFORE_SPAN: usize = "00-".len() + 32 + "-".len();

    /// Reads a `traceparent`. What is not to the letter of the specification is none; of a later
    /// version that is what version 00 has.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(5, |byte| *byte == b'-');
        let [version] = unhex(parts.next()?)?;
        let trace = NonZeroU128::new(u128::from_be_bytes(unhex(parts.next()?)?))?;
        let span = NonZeroU64::new(u64::from_be_bytes(unhex(parts.next()?)?))?;
        let [flags] = unhex(parts.next()?)?;
        // Only what comes later may have more to say.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        Some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1 })
    }
}

/// The bytes that lower-case hex digits stand for.
fn unhex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    if pairs.len() != N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(sign: u8) -> Option<u8> {
    match sign {
        b'0'..=b'9' => Some(sign - b'0'),
        b'a'..=b'f' => Some(sign - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Context {
    /// As `traceparent` has it, in version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn parse(text: &str) -> Option<Context> {
        Context::parse(text.as_bytes())
    }

    #[test]
    fn a_context_is_read() {
        let context = parse(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(
            (context.trace.to_string(), context.span.to_string()),
            (TRACE.into(), SPAN.into())
        );
        assert!(context.sampled);
        assert_eq!(context.trace.last_half(), 0x8448_eb21_1c80_319c);
        for (flags, sampled) in [("00", false), ("02", false), ("03", true), ("ff", true)] {
            assert_eq!(parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap().sampled, sampled);
        }
        // What is to come may have more; what it has now it keeps.
        for later in [format!("cc-{TRACE}-{SPAN}-01"), format!("cc-{TRACE}-{SPAN}-01-what-ever")] {
            assert_eq!(parse(&later), Some(context), "{later}");
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_none() {
        let zeros = "0".repeat(32);
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-001"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("000-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-0A"),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}0-01"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00_{TRACE}_{SPAN}_01"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01"),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..u128::MAX, span in 1..u64::MAX, sampled: bool) {
            let text = format!("00-{trace:032x}-{span:016x}-0{}", u8::from(sampled));
            let context = parse(&text).unwrap();
            prop_assert_eq!(&context.to_string(), &text);
            prop_assert_eq!(context.trace.to_bytes(), trace.to_be_bytes());
            prop_assert_eq!(context.span.to_bytes(), span.to_be_bytes());
            let at = Context::BEFORE_SPAN;
            prop_assert_eq!(text.get(at..at + 16), Some(&*context.span.to_string()));
        }

        #[test]
        fn whatever_is_read_is_a_context(text in "(00|01|ff|[0-9a-g]{2})-[0-9a-f]{31,33}-[0-9a-f]{15,17}-[0-9a-f]{2}(-.*)?|\\PC*") {
            let Some(context) = parse(&text) else { return Ok(()) };
            // Read once more, what is passed on is the same.
            prop_assert_eq!(parse(&context.to_string()), Some(context));
            let written = context.to_string();
            prop_assert_eq!(written.get(3..52), text.get(3..52));
        }

        #[test]
        fn bytes_of_any_kind_are_no_reason_to_fall(bytes: Vec<u8>) {
            Context::parse(&bytes);
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let traces: std::collections::HashSet<_> =
            (0..1000).map(|_| TraceId::fresh().unwrap()).collect();
        let spans: std::collections::HashSet<_> =
            (0..1000).map(|_| SpanId::fresh().unwrap()).collect();
        assert_eq!((traces.len(), spans.len()), (1000, 1000));
    }
}
