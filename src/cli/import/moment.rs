//! Moments as other programs write them.

use std::time::UNIX_EPOCH;

/// Milliseconds since 1970 of `2024-05-01T12:00:00.123Z` and its like: a space for the `T`,
/// another zone or none, which is UTC. `None` for what is no moment, or before 1970.
pub(super) fn millis(text: &str) -> Option<u64> {
    let (date, time) = text.trim().split_once(['T', ' '])?;
    let zone = time.find(['Z', '+', '-']);
    let (clock, zone) = zone.map_or((time, ""), |at| time.split_at(at));
    let utc = humantime::parse_rfc3339(&format!("{date}T{clock}Z")).ok()?;
    let utc = i64::try_from(utc.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    u64::try_from(utc - 60_000 * minutes(zone)?).ok()
}

/// How far a zone is before UTC.
fn minutes(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.chars().next() {
        None => return Some(0),
        Some('Z') if zone == "Z" => return Some(0),
        Some('+') => (1, zone.strip_prefix('+')?),
        Some('-') => (-1, zone.strip_prefix('-')?),
        Some(_) => return None,
    };
    let digits: String = rest.split(':').collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes = match digits.get(2..)? {
        "" => 0,
        text if text.len() == 2 => text.parse().ok()?,
        _ => return None,
    };
    (hours <= 24 && minutes < 60).then_some(sign * (60 * hours + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_every_zone() {
        let noon = Some(1_714_564_800_000);
        for text in [
            "2024-05-01T12:00:00Z",
            "2024-05-01 12:00:00",
            "2024-05-01 12:00:00+00",
            "2024-05-01 14:00:00.000000+02:00",
            "2024-05-01T07:30:00-0430",
        ] {
            assert_eq!(millis(text), noon, "{text}");
        }
        assert_eq!(millis("2024-05-01T12:00:00.123456Z"), noon.map(|it| it + 123));
        for text in ["", "2024-05-01", "noon", "2024-13-01 12:00:00", "2024-05-01 12:00:00+x"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
