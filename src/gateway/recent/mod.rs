//! The last requests of a worker, for whoever asks why one ended as it did.

mod told;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::header::HeaderValue;

use super::access_log::End;
use super::meters::Met;
use super::record::{Judged, Line};
use crate::policy::{Route, Routes};

pub use told::Requests;

/// Longest text that is kept of a request, in bytes: clients choose their paths, and memory is
/// not theirs to fill.
const LONGEST: usize = 1024;

/// The requests that ended last, the newest at the end.
pub(super) struct Recent {
    room: usize,
    kept: Mutex<VecDeque<Past>>,
}

/// A request that is over.
pub(super) struct Past {
    pub(super) request_id: HeaderValue,
    pub(super) started: Instant,
    pub(super) met: Met,
    /// What decided; `None` at a listener that has no routes.
    pub(super) edition: Option<Arc<Edition>>,
    pub(super) line: Box<Line>,
    pub(super) end: End,
}

/// The policy as one file has it: what line and what rule a number stands for.
pub(super) struct Edition {
    pub(super) routes: Arc<Routes>,
    /// SHA-256 of the file.
    pub(super) fingerprint: String,
}

impl Recent {
    /// For the last `room` requests; 0 keeps none.
    pub(super) fn new(room: usize) -> Self {
        Self { room, kept: Mutex::default() }
    }

    /// Whether anything is kept.
    pub(super) const fn is_wanted(&self) -> bool {
        self.room > 0
    }

    /// Keeps one more, in place of the oldest.
    pub(super) fn keep(&self, mut past: Past) {
        if !self.is_wanted() {
            return;
        }
        let Line { path, judged, cause, .. } = &mut *past.line;
        let judged = if let Judged::As(path) = judged { Some(path) } else { None };
        [Some(path), judged, cause.as_mut()].into_iter().flatten().for_each(shorten);
        let gone = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let gone = if kept.len() < self.room { None } else { kept.pop_front() };
            kept.push_back(past);
            gone
        };
        // Not under the lock.
        drop(gone);
    }

    /// Shows those with that id, the oldest first. A client that a trusted proxy lets choose ids
    /// may have used one twice.
    pub(super) fn each(&self, id: &str, show: impl FnMut(&Past)) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|past| past.request_id.as_bytes() == id.as_bytes()).for_each(show);
    }
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
        text.shrink_to_fit();
    }
}

impl Edition {
    /// The route of that number.
    pub(super) fn route(&self, number: usize) -> Option<&Route> {
        self.routes.iter().nth(number).map(|route| &**route)
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("room", &self.room).finish_non_exhaustive()
    }
}

impl fmt::Debug for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edition").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::{Method, StatusCode};

    use super::*;

    fn past(id: &'static str, path: &str) -> Past {
        let line = Line::new(Ipv4Addr::LOCALHOST.into(), Method::GET, path, "a.test");
        let end = End {
            status: StatusCode::OK,
            code: None,
            received: None,
            sent: 0,
            whole: true,
            micros: 1,
        };
        Past {
            request_id: HeaderValue::from_static(id),
            started: Instant::now(),
            met: Met::Nowhere,
            edition: None,
            line: Box::new(line),
            end,
        }
    }

    fn paths(recent: &Recent, id: &str) -> Vec<String> {
        let mut paths = Vec::new();
        recent.each(id, |past| paths.push(past.line.path.clone()));
        paths
    }

    #[test]
    fn the_oldest_makes_room_and_an_id_may_come_twice() {
        let recent = Recent::new(3);
        for (id, path) in [("a", "/1"), ("b", "/2"), ("a", "/3"), ("c", "/4")] {
            recent.keep(past(id, path));
        }
        assert_eq!(paths(&recent, "a"), ["/3"]);
        recent.keep(past("c", "/5"));
        assert_eq!(paths(&recent, "c"), ["/4", "/5"]);
        assert_eq!(paths(&recent, "b"), [""; 0]);
        assert_eq!(paths(&recent, ""), [""; 0]);
    }

    #[test]
    fn long_texts_are_cut() {
        let recent = Recent::new(1);
        let path = format!("/{}", "ä".repeat(LONGEST));
        recent.keep(past("a", &path));
        let kept = paths(&recent, "a").remove(0);
        assert!(kept.len() < LONGEST + 4 && kept.ends_with("ä…"), "{}", kept.len());
        assert!(path.starts_with(kept.trim_end_matches('…')));
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let recent = Recent::new(0);
        assert!(!recent.is_wanted());
        recent.keep(past("a", "/1"));
        assert_eq!(paths(&recent, "a"), [""; 0]);
    }
}
