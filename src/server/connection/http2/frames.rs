//! Frames as they come in, from the outside: kind and length, nothing of their payload.

use super::super::socket::PREFACE;

/// Bytes before the payload of a frame (RFC 9113 section 4.1).
const HEADER: usize = 9;
/// The flag of a frame that ends the head of a request.
const END_HEADERS: u8 = 0x4;
/// The flag of a frame that has padding, and the most that it takes, with its own length.
const PADDED: u8 = 0x8;
const PADDING: usize = 256;

/// What a frame is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Data,
    Headers,
    Reset,
    Settings,
    Continuation,
    /// Whatever does nothing for a request: PING, PRIORITY, `WINDOW_UPDATE`, unknown ones.
    Other,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// Bytes that are certainly no padding.
    pub(super) length: usize,
}

/// Follows a stream of bytes from frame to frame, wherever it is cut.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER],
    have: usize,
    /// Bytes until the next frame's header.
    skip: usize,
    /// Whether the head of a request has begun and is not over.
    head: bool,
    /// Whether it is over where `skip` ends.
    last: bool,
}

impl Frames {
    /// At the beginning of a connection, before the client's preface.
    pub(super) const fn new() -> Self {
        Self { header: [0; HEADER], have: 0, skip: PREFACE.len(), head: false, last: false }
    }

    /// Takes the next bytes, and tells of each frame whose header is now complete.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= bytes.len() - rest.len();
                bytes = rest;
                self.settle();
                continue;
            }
            let wanted = self.header.get_mut(self.have..).unwrap_or_default();
            let (now, rest) = bytes.split_at(wanted.len().min(bytes.len()));
            for (slot, byte) in wanted.iter_mut().zip(now) {
                *slot = *byte;
            }
            self.have += now.len();
            bytes = rest;
            if self.have == HEADER {
                self.have = 0;
                each(self.begin());
            }
        }
    }

    /// Whether the head of a request has begun and is not over.
    pub(super) const fn in_head(&self) -> bool {
        self.head
    }

    fn begin(&mut self) -> Frame {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let kind = match kind {
            0x0 => Kind::Data,
            0x1 => Kind::Headers,
            0x3 => Kind::Reset,
            0x4 => Kind::Settings,
            0x9 => Kind::Continuation,
            _ => Kind::Other,
        };
        if matches!(kind, Kind::Headers | Kind::Continuation) {
            self.head = true;
            self.last = flags & END_HEADERS != 0;
        }
        self.skip = length;
        self.settle();
        let padding = if flags & PADDED == 0 { 0 } else { PADDING };
        Frame { kind, length: length.saturating_sub(padding) }
    }

    fn settle(&mut self) {
        if self.skip == 0 && self.last {
            (self.head, self.last) = (false, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn a_head_is_under_way_from_its_first_frame_to_the_end_of_its_last() {
        let mut frames = Frames::new();
        let mut all = |bytes: &[u8]| {
            frames.take(bytes, |_| ());
            frames.in_head()
        };
        assert!(!all(PREFACE));
        assert!(!all(&frame(4, 0, &[0; 6])));
        let last = frame(9, END_HEADERS, b"abc");
        assert!(all(&frame(1, 0, b"abc")));
        assert!(all(&frame(9, 0, b"")));
        assert!(all(&last[..11]));
        assert!(!all(&last[11..]));
        // Nothing in it, and over at once.
        assert!(!all(&frame(1, END_HEADERS, b"")));
        // The flag of another kind of frame ends no head.
        assert!(all(&frame(1, 0, b"")));
        assert!(all(&frame(6, END_HEADERS, b"12345678")));
    }

    proptest! {
        /// Frames are the same wherever the stream is cut.
        #[test]
        fn a_cut_changes_nothing(
            sent in prop::collection::vec((0u8..12, 0u8..8, 0usize..40), 0..20),
            cuts in prop::collection::vec(1usize..30, 1..20),
        ) {
            let mut bytes = PREFACE.to_vec();
            for (kind, flags, length) in &sent {
                bytes.extend(frame(*kind, *flags, &vec![1; *length]));
            }
            let (mut frames, mut seen) = (Frames::new(), Vec::new());
            let (mut rest, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                frames.take(piece, |frame| seen.push(frame.length));
                rest = after;
            }
            let lengths: Vec<_> = sent.iter().map(|(_, _, length)| *length).collect();
            prop_assert_eq!(seen, lengths);
        }
    }
}
