//! Where the frames of a `WebSocket` begin (RFC 6455 section 5.2), as far as somebody needs it
//! who has one frame to say at the end: bytes are counted, not looked at or copied.

/// The opcode of a close frame.
const CLOSE: u8 = 8;

/// How far one direction has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames {
    at: Place,
    /// What the frame under way says it is.
    opcode: u8,
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Place {
    /// Before a frame's first byte.
    #[default]
    Between,
    /// Before its second.
    Second,
    /// In a length of its own, with that many bytes to come.
    Length { left: u8, length: u64, mask: bool },
    /// In its mask and payload, with that many bytes to come.
    Rest(u64),
}

impl Frames {
    /// These bytes went by.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            let next = match self.at {
                Place::Between => {
                    self.opcode = byte & 0x0f;
                    Place::Second
                }
                Place::Second => {
                    let mask = byte & 0x80 != 0;
                    match byte & 0x7f {
                        126 => Place::Length { left: 2, length: 0, mask },
                        127 => Place::Length { left: 8, length: 0, mask },
                        length => Place::rest(u64::from(length), mask),
                    }
                }
                Place::Length { left, length, mask } => {
                    let length = (length << 8) | u64::from(*byte);
                    match left {
                        0 | 1 => Place::rest(length, mask),
                        left => Place::Length { left: left - 1, length, mask },
                    }
                }
                Place::Rest(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(here..).unwrap_or_default();
                    self.go(Place::after(left - here as u64));
                    continue;
                }
            };
            bytes = rest;
            self.go(next);
        }
    }

    /// Whether a frame may be said here.
    pub(super) fn may_close(&self) -> bool {
        self.at == Place::Between && !self.closed
    }

    /// Whether a whole close frame went by. Nothing may follow it (section 5.5.1).
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    fn go(&mut self, to: Place) {
        self.at = to;
        if to == Place::Between && self.opcode == CLOSE {
            self.closed = true;
        }
    }
}

impl Place {
    /// After the length: a mask of four bytes, if there is one, and the payload.
    const fn rest(length: u64, mask: bool) -> Self {
        Self::after(length.saturating_add(if mask { 4 } else { 0 }))
    }

    const fn after(left: u64) -> Self {
        if left == 0 { Self::Between } else { Self::Rest(left) }
    }
}

/// Why a connection is closed (RFC 6455 section 7.4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Code {
    /// 1001: the gateway ends, or nobody has said anything for long.
    GoingAway,
    /// 1008: the caller may not go on.
    Policy,
}

impl Code {
    const fn bytes(self) -> [u8; 2] {
        match self {
            Self::GoingAway => 1001_u16.to_be_bytes(),
            Self::Policy => 1008_u16.to_be_bytes(),
        }
    }

    /// A close frame, as a server sends it.
    pub(super) const fn as_server(self) -> [u8; 4] {
        let [high, low] = self.bytes();
        [0x80 | CLOSE, 2, high, low]
    }

    /// A close frame, as a client sends it: masked (section 5.3).
    pub(super) const fn as_client(self, mask: [u8; 4]) -> [u8; 8] {
        let ([high, low], [a, b, c, d]) = (self.bytes(), mask);
        [0x80 | CLOSE, 0x80 | 2, a, b, c, d, high ^ a, low ^ b]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, mask: bool, payload: usize, wide: bool) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        let bit = if mask { 0x80 } else { 0 };
        match payload {
            0..=125 if !wide => frame.push(bit | u8::try_from(payload).unwrap()),
            0..=0xffff if !wide => {
                frame.push(bit + 126);
                frame.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(bit + 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x88, payload + if mask { 4 } else { 0 }));
        frame
    }

    proptest! {
        /// However the bytes come, a border is where the frames have one and nowhere else.
        #[test]
        fn a_frame_is_said_only_between_frames(
            sizes in prop::collection::vec((any::<bool>(), 0..70_000_usize, any::<bool>()), 0..6),
            pieces in prop::collection::vec(1..5000_usize, 1..20),
        ) {
            let (mut bytes, mut borders) = (Vec::new(), vec![0]);
            for (mask, size, wide) in sizes {
                bytes.extend(frame(2, mask, size, wide));
                borders.push(bytes.len());
            }
            let (mut frames, mut at) = (Frames::default(), 0);
            for piece in pieces.iter().cycle() {
                prop_assert_eq!(frames.may_close(), borders.contains(&at));
                if at == bytes.len() {
                    break;
                }
                let end = (at + piece).min(bytes.len());
                frames.pass(&bytes[at..end]);
                at = end;
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>) {
            Frames::default().pass(&bytes);
        }
    }

    #[test]
    fn nothing_is_said_after_a_close_frame() {
        let mut frames = Frames::default();
        let close = frame(CLOSE, true, 2, false);
        for byte in &close {
            assert!(!frames.is_closed());
            frames.pass(&[*byte]);
        }
        assert!(frames.is_closed() && !frames.may_close());
    }

    #[test]
    fn a_close_frame_is_as_the_protocol_has_it() {
        assert_eq!(Code::Policy.as_server(), [0x88, 0x02, 0x03, 0xf0]);
        assert_eq!(Code::GoingAway.as_server(), [0x88, 0x02, 0x03, 0xe9]);
        let masked = Code::Policy.as_client([1, 2, 3, 4]);
        assert_eq!(masked, [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xf0 ^ 2]);
    }
}
