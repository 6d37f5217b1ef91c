//! The forms that a plain value may have.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::read::Scalar;
use super::{patterns, units};
use crate::limit::Quota;
use crate::policy;
use crate::secret::Secret;
use crate::server::MemoryLimit;
use crate::trace::Share;

impl Scalar for String {
    const FORM: &'static str = "a text in quotes";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        if let DeValue::String(text) = value { Some(text.into_owned()) } else { None }
    }

    fn form() -> Json {
        json!({ "type": "string" })
    }
}

impl Scalar for bool {
    const FORM: &'static str = "true or false";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }

    fn form() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A text that the whole of the pattern fits.
fn text_like(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": format!("^(?:{pattern})$") })
}

/// A text that the pattern fits, or "off".
fn or_off(pattern: &str) -> Json {
    text_like(&format!("off|{pattern}"))
}

/// A whole number that is not negative.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// More than any key can mean, and no semaphore chokes on it.
const MOST: u64 = 1_000_000;

/// A number of things.
fn count<T: TryFrom<u64>>(value: &DeValue<'_>) -> Option<T> {
    whole(value).filter(|count| *count <= MOST)?.try_into().ok()
}

impl Scalar for usize {
    const FORM: &'static str = "a whole number from 0 to 1000000";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        count(&value)
    }

    fn form() -> Json {
        json!({ "type": "integer", "minimum": 0, "maximum": MOST })
    }
}

impl Scalar for NonZeroUsize {
    const FORM: &'static str = "a whole number from 1 to 1000000";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        Self::new(count(&value)?)
    }

    fn form() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}

impl Scalar for NonZeroU32 {
    const FORM: &'static str = "a whole number from 1 to 1000000";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        Self::new(count(&value)?)
    }

    fn form() -> Json {
        json!({ "type": "integer", "minimum": 1, "maximum": MOST })
    }
}

impl Scalar for Duration {
    const FORM: &'static str = r#"a duration such as "30s", "15m" or "1d""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        units::duration(value.as_str()?)
    }

    fn form() -> Json {
        text_like(&patterns::duration())
    }
}

/// A duration that is not zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span(pub(super) Duration);

impl Scalar for Span {
    const FORM: &'static str = r#"a duration above zero such as "30s", "15m" or "1d""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        Duration::scalar(value).filter(|span| !span.is_zero()).map(Self)
    }

    fn form() -> Json {
        text_like(&patterns::above_zero())
    }
}

/// A number of bytes, never 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size(pub(super) u64);

impl Scalar for Size {
    const FORM: &'static str = r#"a size above zero such as "8KiB", "10MB" or a number of bytes"#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let bytes = value.as_str().map_or_else(|| whole(&value), units::size)?;
        (bytes > 0).then_some(Self(bytes))
    }

    fn form() -> Json {
        json!({ "anyOf": [{ "type": "integer", "minimum": 1 }, text_like(&patterns::size())] })
    }
}

/// How much memory there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) MemoryLimit);

impl Scalar for Memory {
    const FORM: &'static str = r#"a size above zero such as "512MiB", "group" or "off""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        Some(Self(match value.as_str() {
            Some("off") => MemoryLimit::Off,
            Some("group") => MemoryLimit::Group,
            _ => MemoryLimit::Bytes(Size::scalar(value)?.0),
        }))
    }

    fn form() -> Json {
        json!({ "anyOf": [Size::form(), { "enum": ["group", "off"] }] })
    }
}

/// Bytes a second; 0 is `"off"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate(pub(super) u64);

impl Scalar for Rate {
    const FORM: &'static str = r#"a rate such as "256B/s", or "off""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let text = value.as_str()?;
        if text == "off" { Some(Self(0)) } else { units::rate(text).map(Self) }
    }

    fn form() -> Json {
        or_off(&patterns::rate())
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part(pub(super) Share);

impl Scalar for Part {
    const FORM: &'static str = "a number from 0 to 1 such as 0.1";

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let number = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok()?,
            DeValue::Float(number) => number.as_str().parse().ok()?,
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => return None,
        };
        Share::new(number).map(Self)
    }

    fn form() -> Json {
        json!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

/// So many in so long; `None` is `"off"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throttle(pub(super) Option<Quota>);

impl Scalar for Throttle {
    const FORM: &'static str = r#"a quota such as "10/15m" or "20/h", or "off""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let text = value.as_str()?;
        if text == "off" { Some(Self(None)) } else { units::quota(text).map(|q| Self(Some(q))) }
    }

    fn form() -> Json {
        or_off(&patterns::quota())
    }
}

/// How long something lasts; `None` is `"off"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting(pub(super) Option<Duration>);

impl Scalar for Lasting {
    const FORM: &'static str = r#"a duration above zero such as "90d", or "off""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let text = value.as_str()?;
        if text == "off" {
            return Some(Self(None));
        }
        units::duration(text).filter(|span| !span.is_zero()).map(|span| Self(Some(span)))
    }

    fn form() -> Json {
        or_off(&patterns::above_zero())
    }
}

/// So many in so long, and by whom they are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct RouteRate(pub(super) policy::Rate);

impl Scalar for RouteRate {
    const FORM: &'static str =
        r#"a rate by user, ip or route such as "600/m per user" or "60/m per ip burst 10""#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        units::route_rate(value.as_str()?).map(Self)
    }

    fn form() -> Json {
        text_like(&patterns::route_rate())
    }
}

/// Where a secret comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// It stands in the file itself.
    Inline(Secret),
    /// `{ file = "..." }`
    File(String),
    /// `{ env = "..." }`
    Env(String),
    /// `{ url = "..." }`, for key sets only.
    Url(String),
}

impl Scalar for Source {
    const FORM: &'static str = r#"{ file = "..." } or { env = "..." }"#;

    fn scalar(value: DeValue<'_>) -> Option<Self> {
        let table = match value {
            DeValue::String(text) => return Some(Self::Inline(Secret::from(text.into_owned()))),
            DeValue::Table(table) => table,
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => return None,
        };
        let mut entries = table.into_iter();
        let (Some((key, value)), None) = (entries.next(), entries.next()) else { return None };
        let text = String::scalar(value.into_inner())?;
        match key.get_ref().as_ref() {
            "file" => Some(Self::File(text)),
            "env" => Some(Self::Env(text)),
            "url" => Some(Self::Url(text)),
            _ => None,
        }
    }

    fn form() -> Json {
        let one = |key: &str| {
            json!({
                "type": "object",
                "properties": { key: { "type": "string" } },
                "required": [key],
                "additionalProperties": false,
            })
        };
        json!({ "anyOf": [{ "type": "string" }, one("file"), one("env"), one("url")] })
    }
}
