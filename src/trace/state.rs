//! `tracestate` (W3C Trace Context level 1, section 3.3): what other tracers keep in a trace. It is
//! passed on, and none of it is ours.

use http::HeaderValue;

/// Most entries.
const MOST: usize = 32;
/// Most bytes. Fewer than 512 must not be dropped; nobody has to take more.
const LARGEST: usize = 4096;

/// The lines of the field as one; `None` where there are none, or one cannot be read.
pub(super) fn joined<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<HeaderValue> {
    let lines: Vec<_> = lines.map(HeaderValue::as_bytes).collect();
    let text = lines.join(&b","[..]);
    let mut keys = Vec::new();
    for member in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if member.is_empty() {
            continue;
        }
        let key = key(member)?;
        if keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    if text.len() > LARGEST || keys.is_empty() || keys.len() > MOST {
        return None;
    }
    HeaderValue::from_bytes(&text).ok()
}

/// The key of a sound entry.
fn key(member: &[u8]) -> Option<&[u8]> {
    let at = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = member.split_at_checked(at)?;
    let (_, value) = value.split_first()?;
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    let value = (1..=256).contains(&value.len()) && value.iter().all(plain);
    let mut parts = key.split(|byte| *byte == b'@');
    let sound = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, None) => is_name(name, 256, u8::is_ascii_lowercase),
        (Some(tenant), Some(system), None) => {
            let digit = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            is_name(tenant, 241, digit) && is_name(system, 14, u8::is_ascii_lowercase)
        }
        _ => false,
    };
    (value && sound).then_some(key)
}

fn is_name(name: &[u8], longest: usize, first: impl Fn(&u8) -> bool) -> bool {
    let within =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte);
    name.len() <= longest && name.first().is_some_and(first) && name.iter().all(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Option<String> {
        let lines: Vec<_> = lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        joined(lines.iter()).map(|joined| joined.to_str().unwrap().to_owned())
    }

    #[test]
    fn sound_lines_go_on_as_one() {
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["", " "]), None);
        assert_eq!(told(&["a=1"]).as_deref(), Some("a=1"));
        assert_eq!(told(&["a=1 , ,b=2", "t1@s=x y"]).as_deref(), Some("a=1 , ,b=2,t1@s=x y"));
        let full: Vec<_> = (0..MOST).map(|number| format!("k{number}=v")).collect();
        assert_eq!(told(&[&full.join(",")]), Some(full.join(",")));
        assert_eq!(told(&[&full.join(","), "more=v"]), None);
    }

    #[test]
    fn one_flaw_drops_all_of_it() {
        let (key, value) = ("k".repeat(257), "v".repeat(257));
        for flawed in [
            "a",
            "a=",
            "=1",
            "A=1",
            "1=1",
            "a b=1",
            "a=1=2",
            "a@=1",
            "@a=1",
            "a@1=1",
            "a@b@c=1",
            "a=1,a=2",
            "a=\t",
            &format!("{key}=1"),
            &format!("a={value}"),
        ] {
            assert_eq!(told(&["x=1", flawed]), None, "{flawed}");
        }
        let large: Vec<_> =
            (0..20).map(|number| format!("k{number}={}", "v".repeat(250))).collect();
        assert_eq!(told(&[&large.join(",")]), None);
    }
}
