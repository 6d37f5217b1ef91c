//! What stands at a key.

use std::collections::BTreeMap;
use std::time::Duration;

use super::source::Source;
use crate::limit::Quota;
use crate::policy::Rate;
use crate::server::MemoryLimit;

/// A value, before it is written down.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// In quotes.
    Text(String),
    /// As it is: a number, `true`.
    Plain(String),
    Secret(Source),
    List(Vec<Self>),
    Table(Entries),
}

/// Keys with their values; a key that is set again has the later one. Tables that are set again
/// become one, so that nothing of the first is lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Item>);

impl Entries {
    pub(super) fn with(key: &str, item: impl Into<Item>) -> Self {
        let mut entries = Self::default();
        entries.put(key, item);
        entries
    }

    pub(super) fn put(&mut self, key: &str, item: impl Into<Item>) {
        match (self.0.get_mut(key), item.into()) {
            (Some(Item::Table(known)), Item::Table(more)) => {
                for (key, item) in more.0 {
                    known.put(&key, item);
                }
            }
            (_, item) => drop(self.0.insert(key.to_owned(), item)),
        }
    }

    /// Puts an item into the table of that key.
    pub(super) fn put_below(&mut self, key: &str, name: String, item: impl Into<Item>) {
        let table = self.0.entry(key.to_owned()).or_insert_with(|| Item::Table(Self::default()));
        // Each key is set by one method, which never has two kinds of items there.
        if let Item::Table(Self(entries)) = table {
            entries.insert(name, item.into());
        }
    }
}

impl Item {
    /// What `None` means wherever it is a choice.
    fn or_off(item: Option<Self>) -> Self {
        item.unwrap_or_else(|| Self::Text("off".to_owned()))
    }

    pub(super) fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    pub(super) fn named<N: Into<String>, T: Into<Self>>(
        entries: impl IntoIterator<Item = (N, T)>,
    ) -> Self {
        let entries = entries.into_iter().map(|(name, item)| (name.into(), item.into()));
        Self::Table(Entries(entries.collect()))
    }

    /// Bytes.
    pub(super) fn size(bytes: u64) -> Self {
        Self::Text(format!("{bytes}B"))
    }

    /// Bytes a second, none of which is no demand.
    pub(super) fn rate(bytes: u64) -> Self {
        Self::or_off((bytes > 0).then(|| Self::Text(format!("{bytes}B/s"))))
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Item {
    fn from(flag: bool) -> Self {
        Self::Plain(flag.to_string())
    }
}

impl From<usize> for Item {
    fn from(count: usize) -> Self {
        Self::Plain(count.to_string())
    }
}

impl From<f64> for Item {
    fn from(number: f64) -> Self {
        // `NaN` in the spelling of TOML.
        Self::Plain(format!("{number:?}").to_ascii_lowercase())
    }
}

impl From<Duration> for Item {
    fn from(span: Duration) -> Self {
        Self::Text(humantime::format_duration(span).to_string())
    }
}

impl From<Option<Duration>> for Item {
    fn from(span: Option<Duration>) -> Self {
        Self::or_off(span.map(Self::from))
    }
}

impl From<Option<Quota>> for Item {
    fn from(quota: Option<Quota>) -> Self {
        let written = |Quota { count, per }| format!("{count}/{}", humantime::format_duration(per));
        Self::or_off(quota.map(|quota| Self::Text(written(quota))))
    }
}

impl From<Rate> for Item {
    fn from(rate: Rate) -> Self {
        Self::Text(rate.to_string())
    }
}

impl From<MemoryLimit> for Item {
    fn from(limit: MemoryLimit) -> Self {
        match limit {
            MemoryLimit::Off => Self::or_off(None),
            MemoryLimit::Group => Self::Text("group".to_owned()),
            MemoryLimit::Bytes(bytes) => Self::size(bytes),
        }
    }
}

impl From<Source> for Item {
    fn from(source: Source) -> Self {
        Self::Secret(source)
    }
}
