//! How many frames a client may send that do nothing for a request.
//!
//! h2 keeps its memory bounded under all of them; what is bounded here is the work that one
//! connection can make (CVE-2019-9511 to 9518, CVE-2023-44487). A frame that asks for something,
//! and every piece of a response that goes out, earns what a sane client then spends on windows,
//! pings and resets.

use super::frames::{Frame, Kind};

/// What a connection begins with, and the most that it can save up.
const MOST: u64 = 4000;
/// What each second brings.
const PER_SECOND: u64 = 200;
/// Bytes of a response that are worth one frame.
const BYTES: u64 = 256;

/// What a client has left to spend.
#[derive(Debug)]
pub(super) struct Budget {
    left: u64,
    /// Until when time has been counted, in milliseconds.
    counted: u64,
    /// Bytes sent that have not earned anything yet.
    sent: u64,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { left: MOST, counted: 0, sent: 0 }
    }

    /// Takes a frame into account; `false`: too many of them.
    pub(super) fn allows(&mut self, frame: Frame, now: impl Fn() -> u64) -> bool {
        let price = match frame.kind {
            Kind::Data if frame.length > 0 => return true,
            Kind::Headers => {
                self.left = (self.left + 10).min(MOST);
                return true;
            }
            // Each may move the window of every stream.
            Kind::Settings => 10,
            // More than a request earns: to ask and take back at once is no use of a gateway.
            Kind::Reset => 15,
            Kind::Data | Kind::Continuation | Kind::Other => 1,
        };
        // The clock is asked only by who seems to have spent all.
        if self.left < price {
            let now = now();
            let earned = now.saturating_sub(self.counted) * PER_SECOND / 1000;
            if earned > 0 {
                self.counted = now;
                self.left = (self.left + earned).min(MOST);
            }
        }
        let left = self.left.checked_sub(price);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Bytes went out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        if self.sent >= BYTES {
            self.left = (self.left + self.sent / BYTES).min(MOST);
            self.sent %= BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(budget: &mut Budget, kind: Kind, count: usize, now: u64) -> usize {
        let frame = Frame { kind, length: 0 };
        (0..count).take_while(|_| budget.allows(frame, || now)).count()
    }

    #[test]
    fn frames_for_nothing_are_counted() {
        for (kind, most) in [
            (Kind::Other, 4000),
            (Kind::Continuation, 4000),
            (Kind::Settings, 400),
            (Kind::Reset, 266),
        ] {
            assert_eq!(many(&mut Budget::new(), kind, 5000, 0), most, "{kind:?}");
        }
        let whole = Frame { kind: Kind::Data, length: 1 };
        assert!((0..10_000).all(|_| Budget::new().allows(whole, || 0)));
    }

    #[test]
    fn time_and_answers_bring_new_ones() {
        let mut budget = Budget::new();
        assert_eq!(many(&mut budget, Kind::Other, 5000, 0), 4000);
        assert_eq!(many(&mut budget, Kind::Other, 5000, 1000), 200);
        budget.sent(100 * 256);
        assert_eq!(many(&mut budget, Kind::Other, 5000, 1000), 100);
        for _ in 0..1000 {
            budget.sent(17);
        }
        assert_eq!(many(&mut budget, Kind::Other, 5000, 1000), 17_000 / 256);
    }

    #[test]
    fn requests_pay_for_an_honest_clients_frames_and_not_for_resets() {
        let mut budget = Budget::new();
        let ask = Frame { kind: Kind::Headers, length: 10 };
        for _ in 0..10_000 {
            assert!(budget.allows(ask, || 0));
            assert_eq!(many(&mut budget, Kind::Other, 8, 0), 8);
        }
        let mut budget = Budget::new();
        let resets = (0..10_000)
            .take_while(|_| budget.allows(ask, || 0) && many(&mut budget, Kind::Reset, 1, 0) == 1);
        assert!(resets.count() < 1000);
    }
}
