//! JSON with one reading: an object that names a member twice is refused.
//!
//! RFC 7519 section 4 lets a parser take the last of two equal claims; another would take the
//! first, and the two would see different tokens.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Reads an object; `None` for anything else, for repeated names, and for trailing bytes.
pub(super) fn object(json: &[u8]) -> Option<Map<String, Value>> {
    if let Value::Object(object) = read(json, Strict)? { Some(object) } else { None }
}

/// Reads all of `json`; `None` if `seed` does not take it, and for trailing bytes.
pub(super) fn read<'j, S: DeserializeSeed<'j>>(json: &'j [u8], seed: S) -> Option<S::Value> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = seed.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// A text, without a copy where none of its signs is escaped.
#[derive(Deserialize)]
pub(super) struct Text<'j>(#[serde(borrow)] pub(super) Cow<'j, str>);

/// Any value that names no member twice.
pub(super) struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated member names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_one_reading() {
        assert_eq!(object(br#"{"a":[1,{"b":null}]}"#).unwrap().len(), 1);
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":{"b":1,"\u0062":2}}"#,
            "[]",
            "null",
            "\"x\"",
            "",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
        ] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object("[".repeat(200_000).as_bytes()), None);
    }
}
