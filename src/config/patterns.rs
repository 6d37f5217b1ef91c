//! The quantities of `units` as patterns of ECMA 262, for editors: what fits is what is taken, but
//! for numbers that are too large.

/// One after the other, as in `1h 30m`.
const SPANS: &str = r"(?:\d[\d\s]*(?:\.[\d\s]*\d[\d\s]*)?UNIT\s*)";

/// The units of durations. `M` is none: it could be months.
const UNIT: &str = "(?:nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|\
                    hours?|hrs?|h|days?|d|weeks?|wks?|w|years?|yrs?|y)";

/// Bytes.
const SIZE: &str = r"\d+\s*(?:KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB|B)";

/// A count that is not zero.
const COUNT: &str = r"0*[1-9]\d*";

fn spans() -> String {
    SPANS.replace("UNIT", UNIT)
}

/// A duration.
pub(super) fn duration() -> String {
    format!(r"0|\s*{}+", spans())
}

/// A duration that is not zero.
pub(super) fn above_zero() -> String {
    format!(r"(?=.*[1-9])\s*{}+", spans())
}

/// A number of bytes, above zero.
pub(super) fn size() -> String {
    format!("(?=.*[1-9]){SIZE}")
}

/// Bytes a second.
pub(super) fn rate() -> String {
    format!(r"{SIZE}\s*/s")
}

/// So many in so long. The first number of the time may be left out, and is one.
pub(super) fn quota() -> String {
    let first = format!(r"(?:\d[\d\s]*)?(?:\.[\d\s]*\d[\d\s]*)?{UNIT}\s*");
    let time = format!(r"(?=\D|.*[1-9]){first}{}*", spans());
    format!(r"\s*{COUNT}\s*/\s*(?:[smhd][A-Za-z]*|{time})\s*")
}

/// So many in so long, by whom, and how many at once.
pub(super) fn route_rate() -> String {
    format!(r"{} per \s*(?:user|ip|route)(?:\s+burst\s+{COUNT})?\s*", quota())
}
