//! Rows of JSON, one after the other: an array of them, or one on each line.

use std::fmt;
use std::io::BufRead;

use anyhow::{Context, anyhow};
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};

/// Calls `each` with every row. No more than one of them is in memory.
pub(super) fn rows<T: DeserializeOwned>(
    mut input: impl BufRead,
    each: &mut dyn FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if first(&mut input)? != Some(b'[') {
        for row in serde_json::Deserializer::from_reader(input).into_iter::<T>() {
            each(row.map_err(|error| broken(&error))?)?;
        }
        return Ok(());
    }
    let mut json = serde_json::Deserializer::from_reader(input);
    let mut stopped = None;
    let read = json.deserialize_seq(Rows { each, stopped: &mut stopped });
    if let Some(error) = stopped {
        return Err(error);
    }
    read.and_then(|()| json.end()).map_err(|error| broken(&error))
}

/// The first sign that is no white space, which stays to be read.
pub(super) fn first(input: &mut impl BufRead) -> anyhow::Result<Option<u8>> {
    loop {
        let buffer = input.fill_buf().context("it cannot be read")?;
        match buffer.first() {
            Some(byte) if byte.is_ascii_whitespace() => input.consume(1),
            found => return Ok(found.copied()),
        }
    }
}

/// Where it is not as it should be. What stands there may be a secret.
fn broken(error: &serde_json::Error) -> anyhow::Error {
    anyhow!("not the JSON that was expected, at line {} column {}", error.line(), error.column())
}

struct Rows<'r, T> {
    each: &'r mut dyn FnMut(T) -> anyhow::Result<()>,
    stopped: &'r mut Option<anyhow::Error>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Rows<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(row) = rows.next_element()? {
            if let Err(error) = (self.each)(row) {
                *self.stopped = Some(error);
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<u32>, String> {
        let mut found = Vec::new();
        let each = &mut |row: u32| {
            found.push(row);
            if row == 13 { Err(anyhow!("an unlucky number")) } else { Ok(()) }
        };
        rows(text.as_bytes(), each).map_err(|error| error.to_string())?;
        Ok(found)
    }

    #[test]
    fn an_array_and_lines_are_read_alike() {
        for text in ["[1,2,3]", " \n[\n1,\n2,3\n]\n", "1\n2\n3\n", "1 2 3"] {
            assert_eq!(read(text), Ok(vec![1, 2, 3]), "{text}");
        }
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("[]"), Ok(vec![]));
    }

    #[test]
    fn what_is_broken_is_told_by_its_place_alone() {
        let told = |line, column| {
            Err(format!("not the JSON that was expected, at line {line} column {column}"))
        };
        assert_eq!(read("[1,\"secret\"]"), told(1, 11));
        assert_eq!(read("[1,2"), told(1, 4));
        assert_eq!(read("[1] 2"), told(1, 5));
        assert_eq!(read("1\nsecret"), told(2, 1));
        assert_eq!(read("[1,13,2]"), Err("an unlucky number".to_owned()));
    }
}
