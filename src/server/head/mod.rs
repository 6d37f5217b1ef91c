//! HTTP/1 as it comes in, judged before anybody parses it.
//!
//! A parser that is kind to what it reads, and tidies it up, cannot be asked afterwards whether
//! another server would have read the same. So each byte of a head, and of a chunked body's
//! framing, is looked at here first: what has two readings is refused, whatever it would become
//! later (RFC 9112 sections 2.2, 3, 5, 6 and 7.1).

mod chunks;
mod lines;
mod scan;
mod violation;

use chunks::Chunks;
use lines::{Head, Length};

pub use violation::Violation;

/// What a head may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes.
    pub head: usize,
    /// Most field lines, and most trailers.
    pub fields: usize,
}

/// Follows the requests of one connection: head, body, next head. Holds no bytes itself.
///
/// ```
/// use portcullis::rooms::server::{Bounds, Stop, Violation, Walker};
///
/// let mut walker = Walker::new(Bounds { head: 64 * 1024, fields: 100 });
/// let head = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
/// // Half a head is kept back, and given again with more behind it.
/// assert_eq!(walker.walk(&head[..20]).passed, 0);
/// assert_eq!(walker.walk(head).passed, head.len());
/// let walked = walker.walk(b"GET / HTTP/1.1\n\n");
/// assert_eq!((walked.passed, walked.stop), (0, Stop::Head(Violation::LineEnd)));
/// ```
#[derive(Clone, Debug)]
pub struct Walker {
    bounds: Bounds,
    place: Place,
    /// Whether what follows this request may be another protocol.
    upgrade: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Head(Head),
    Sized(u64),
    Chunked(Chunks),
    Waiting,
    Refused(Stop),
}

/// How far it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Walked {
    /// Bytes that are good: whole heads, and bodies as far as they came.
    pub passed: usize,
    /// Why not further.
    pub stop: Stop,
}

/// Why a walk ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stop {
    /// More bytes are needed.
    More,
    /// The request asked for another protocol, and nobody knows yet what these bytes are:
    /// [`Walker::resume`] if they are HTTP still.
    Upgrade,
    /// The next request is none. For ever.
    Head(Violation),
    /// The body of the last request is broken. For ever.
    Body(Violation),
}

impl Walker {
    /// A walker at the beginning of a connection.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, place: Place::Head(Head::default()), upgrade: false }
    }

    /// Walks on. `bytes` begins where the last walk's passed bytes ended: what did not pass is
    /// given again, with what came since behind it. No byte is looked at twice.
    pub fn walk(&mut self, bytes: &[u8]) -> Walked {
        let mut passed = 0;
        let stop = loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            match &mut self.place {
                Place::Head(head) => match head.walk(rest, &self.bounds) {
                    Ok(None) => break Stop::More,
                    Ok(Some(head)) => {
                        passed += head.bytes;
                        self.upgrade = head.upgrade;
                        match head.length {
                            Length::Sized(0) => self.next(),
                            Length::Sized(left) => self.place = Place::Sized(left),
                            Length::Chunked => self.place = Place::Chunked(Chunks::default()),
                        }
                    }
                    Err(violation) => self.place = Place::Refused(Stop::Head(violation)),
                },
                Place::Sized(left) => {
                    let here = usize::try_from(*left).map_or(rest.len(), |l| l.min(rest.len()));
                    passed += here;
                    *left -= here as u64;
                    if *left > 0 {
                        break Stop::More;
                    }
                    self.next();
                }
                Place::Chunked(chunks) => {
                    let part = chunks.walk(rest, &self.bounds);
                    passed += part.bytes;
                    match part.over {
                        Ok(false) => break Stop::More,
                        Ok(true) => self.next(),
                        Err(violation) => self.place = Place::Refused(Stop::Body(violation)),
                    }
                }
                Place::Waiting => break Stop::Upgrade,
                Place::Refused(stop) => break *stop,
            }
        };
        Walked { passed, stop }
    }

    /// The other protocol was refused: what follows is the next request.
    pub fn resume(&mut self) {
        if matches!(self.place, Place::Waiting) {
            self.upgrade = false;
            self.next();
        }
    }

    /// Whether the client may be sending a body still.
    pub(super) const fn is_inside_body(&self) -> bool {
        matches!(self.place, Place::Sized(_) | Place::Chunked(_) | Place::Refused(Stop::Body(_)))
    }

    fn next(&mut self) {
        self.place = if self.upgrade { Place::Waiting } else { Place::Head(Head::default()) };
    }
}

#[cfg(test)]
mod tests;
