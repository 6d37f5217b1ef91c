//! Quantities as operators write them: `"15m"`, `"8KiB"`, `"256B/s"`, `"10/15m"`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::limit::Quota;
use crate::policy::{By, Rate};

/// Longer than any token lives, and short enough to be added to any time without overflow.
const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// `"30s"`, `"15m"`, `"1h 30m"`, `"0s"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    // humantime reads `M` as months: `15M` is a slip for minutes, and years too long.
    if text.contains('M') {
        return None;
    }
    humantime::parse_duration(text).ok().filter(|span| *span <= CENTURY)
}

/// `"8KiB"` (powers of 1024), `"10MB"` (powers of 1000), `"512B"`, in bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let split = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = split.or_else(|| Some((text.strip_suffix('B')?, 1)))?;
    whole(number.trim_end())?.checked_mul(bytes)
}

/// `"256B/s"`: bytes a second.
pub(super) fn rate(text: &str) -> Option<u64> {
    size(text.strip_suffix("/s")?.trim_end())
}

/// `"10/15m"`, `"20/h"`: so many in so long. A period in words is DRF's, who reads its first letter
/// alone (`"5/min"`, `"10/day"`), where it is not a unit of durations.
pub(super) fn quota(text: &str) -> Option<Quota> {
    let (count, per) = text.split_once('/')?;
    let count = NonZeroU32::new(u32::try_from(whole(count.trim())?).ok()?)?;
    let per = per.trim();
    let one = if per.starts_with(|sign: char| sign.is_ascii_digit()) { "" } else { "1" };
    let per = duration(&format!("{one}{per}")).or_else(|| period(per))?;
    (!per.is_zero()).then_some(Quota { count, per })
}

/// A period as DRF's rates have it.
fn period(word: &str) -> Option<Duration> {
    let seconds = match word.bytes().next()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 60 * 60,
        b'd' => 24 * 60 * 60,
        _ => return None,
    };
    word.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| Duration::from_secs(seconds))
}

/// `"600/m per user"`, `"60/m per ip burst 10"`.
pub(super) fn route_rate(text: &str) -> Option<Rate> {
    let (times, rest) = text.split_once(" per ")?;
    let mut words = rest.split_whitespace();
    let by = match words.next()? {
        "user" => By::User,
        "ip" => By::Ip,
        "route" => By::Route,
        _ => return None,
    };
    let burst = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some("burst"), Some(burst), None) => {
            Some(NonZeroU32::new(u32::try_from(whole(burst)?).ok()?)?)
        }
        _ => return None,
    };
    let quota = quota(times.trim())?;
    // What may be owed must end some day.
    let owed = quota.per.checked_div(quota.count.get())?;
    let owed = owed.checked_mul(burst.map_or(1, NonZeroU32::get))?;
    (owed <= CENTURY).then_some(Rate { quota, by, burst })
}

/// Digits and nothing else: `u64::from_str` would take `+1`.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_say_their_unit() {
        assert_eq!(duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for text in ["", "15", "15M", "m", "-1s", "1 fortnight", "soon", "101y"] {
            assert_eq!(duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_tell_thousands_from_1024s() {
        assert_eq!(size("8KiB"), Some(8192));
        assert_eq!(size("10MB"), Some(10_000_000));
        assert_eq!(size("2 GiB"), Some(2 << 30));
        assert_eq!(size("512B"), Some(512));
        for text in ["", "B", "KiB", "8K", "8kib", "-1B", "+1B", "1.5MB", "20000000TB"] {
            assert_eq!(size(text), None, "{text:?}");
        }
    }

    #[test]
    fn rates_are_by_the_second() {
        assert_eq!(rate("256B/s"), Some(256));
        assert_eq!(rate("1KiB/s"), Some(1024));
        assert_eq!((rate("256B"), rate("256/s"), rate("1B/m")), (None, None, None));
    }

    #[test]
    fn quotas_are_so_many_in_so_long() {
        let made = |count, secs| {
            Some(Quota { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(secs) })
        };
        assert_eq!(quota("10/15m"), made(10, 900));
        assert_eq!(quota("20/h"), made(20, 3600));
        assert_eq!(quota("20 / 1h"), made(20, 3600));
        for (text, secs) in [
            ("5/s", 1),
            ("5/sec", 1),
            ("5/second", 1),
            ("5/m", 60),
            ("5/min", 60),
            ("5/minute", 60),
            ("5/mins", 60),
            ("5/hour", 3600),
            ("5/hourly", 3600),
            ("5/d", 86_400),
            ("5/day", 86_400),
            ("5/daily", 86_400),
        ] {
            assert_eq!(quota(text), made(5, secs), "{text}");
        }
        for text in [
            "",
            "10",
            "0/m",
            "10/",
            "10/0s",
            "/m",
            "-1/m",
            "4294967296/s",
            "1/x",
            "5/Min",
            "5/day2",
            "5/1daily",
            "5/d ay",
            "5/year-ish",
        ] {
            assert_eq!(quota(text), None, "{text:?}");
        }
    }

    #[test]
    fn route_rates_say_by_whom_they_count() {
        let shown = |text: &str| route_rate(text).map(|rate| rate.to_string());
        for (text, rate) in [
            ("600/m per user", "600/1m per user"),
            ("60/15m per ip burst 10", "60/15m per ip burst 10"),
            ("1000/s per route", "1000/1s per route"),
            ("1/h per user burst 20", "1/1h per user burst 20"),
            ("5/min per user", "5/1m per user"),
            ("10/day per ip", "10/1day per ip"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(rate), "{text}");
            assert_eq!(shown(rate).as_deref(), Some(rate), "{text}");
        }
        for text in [
            "",
            "off",
            "600/m",
            "600/m per",
            "600/m per users",
            "600/m user",
            "600/m per user burst",
            "600/m per user burst 0",
            "600/m per user burst -1",
            "600/m per user burst 1 2",
            "600/m per user 10",
            "0/m per user",
            "1/100y per user burst 2",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
