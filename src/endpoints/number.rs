//! JSON numbers as Python's `str` writes them: a form field of digits is text to the original,
//! and so is a number.

/// Digits beyond which Python refuses to read an integer.
const LONGEST_INTEGER: usize = 4300;

/// Whether a JSON number is an integer to Python.
pub(super) fn is_integer(json: &str) -> bool {
    !json.contains(['.', 'e', 'E'])
}

/// The text of a JSON number; `None` for an integer that Python would not read.
pub(super) fn as_python_writes(json: &str) -> Option<String> {
    if !is_integer(json) {
        return json.parse().ok().map(float);
    }
    match json {
        // There is one integer zero.
        "-0" => Some("0".to_owned()),
        _ => (json.trim_start_matches('-').len() <= LONGEST_INTEGER).then(|| json.to_owned()),
    }
}

/// The fewest digits that read back as the same number, with an exponent where it is below -4
/// or above 15.
fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        // Too large for a double: `inf`, as Python has it.
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        // `Debug` of a double always has a point; `Display` has no exponent.
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_python_prints_them() {
        for (json, python) in [
            ("5", "5"),
            ("-7", "-7"),
            ("-0", "0"),
            ("0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.5", "1.5"),
            ("1.50", "1.5"),
            ("1.0", "1.0"),
            ("-0.0", "-0.0"),
            ("1e0", "1.0"),
            ("1E3", "1000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.25e22", "1.25e+22"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1.5e-7", "1.5e-07"),
            ("1e-100", "1e-100"),
            ("1e400", "inf"),
            ("-1e400", "-inf"),
            ("0.1", "0.1"),
        ] {
            assert_eq!(as_python_writes(json).as_deref(), Some(python), "{json}");
        }
        assert_eq!(as_python_writes(&"1".repeat(4301)), None);
        assert!(as_python_writes(&format!("-{}", "1".repeat(4300))).is_some());
    }
}
