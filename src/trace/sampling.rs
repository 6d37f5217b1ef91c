//! Which traces are recorded.

use std::time::Duration;

use super::TraceId;

/// A share of all traces, exact to a billionth.
///
/// The same trace is in it or not wherever it is asked: what decides is the trace's id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share(u64);

const WHOLE: u64 = 1_000_000_000;

impl Share {
    /// All of them.
    pub const ALL: Self = Self(WHOLE);

    /// A share from 0 to 1; `None` for anything else.
    pub fn new(share: f64) -> Option<Self> {
        // A duration is the one number of std that is made of a float without a cast.
        let share = Duration::try_from_secs_f64(share).ok()?;
        let billionths = u64::try_from(share.as_nanos()).ok()?;
        (billionths <= WHOLE).then_some(Self(billionths))
    }

    /// Whether a trace is in it.
    pub(super) fn has(self, trace: TraceId) -> bool {
        let scaled = (u128::from(trace.last_half()) * u128::from(WHOLE)) >> 64;
        scaled < u128::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Context;

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(Share::new(1.0), Some(Share::ALL));
        assert_eq!(Share::new(0.1), Some(Share(100_000_000)));
        assert_eq!(Share::new(0.0), Some(Share(0)));
        for wrong in [-0.1, 1.000_001, 2.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(Share::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn as_many_are_sampled_as_the_share_says() {
        let tenth = Share::new(0.1).unwrap();
        let traces: Vec<_> = (0..20_000).map(|_| TraceId::fresh().unwrap()).collect();
        let sampled = traces.iter().filter(|trace| tenth.has(**trace)).count();
        // Twelve standard deviations on either side.
        assert!((1490..2510).contains(&sampled), "{sampled}");
        assert!(traces.iter().all(|trace| Share::ALL.has(*trace)));
        assert!(!traces.iter().any(|trace| Share::new(0.0).unwrap().has(*trace)));
        // Whoever samples more has what others have.
        let half = Share::new(0.5).unwrap();
        assert!(traces.iter().all(|trace| !tenth.has(*trace) || half.has(*trace)));
    }

    #[test]
    fn the_last_id_is_in_the_whole_alone() {
        let text = format!("00-{}-{}-00", "f".repeat(32), "1".repeat(16));
        let last = Context::parse(text.as_bytes()).unwrap().trace;
        assert!(Share::ALL.has(last));
        assert!(!Share::new(0.999_999).unwrap().has(last));
    }
}
