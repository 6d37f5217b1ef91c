//! The tables of the policy file as types: one method a key.

/// What a type stands for.
#[cfg(test)]
pub(super) trait Tabled {
    /// The name of its table in `raw`.
    const NAME: &'static str;
    /// Its keys.
    const KEYS: &'static [&'static str];
}

/// A method that sets a key, by the kind of its value.
macro_rules! setter {
    ($key:ident text) => { setter!($key (value: impl Into<String>) value.into()); };
    ($key:ident flag) => { setter!($key (value: bool) value); };
    ($key:ident count) => { setter!($key (value: usize) value); };
    ($key:ident span) => { setter!($key (value: std::time::Duration) value); };
    ($key:ident share) => { setter!($key (value: f64) value); };
    ($key:ident size) => { setter!($key (bytes: u64) Item::size(bytes)); };
    ($key:ident byte_rate) => { setter!($key (bytes: u64) Item::rate(bytes)); };
    ($key:ident memory) => { setter!($key (value: crate::server::MemoryLimit) value); };
    ($key:ident lasting) => { setter!($key (value: Option<std::time::Duration>) value); };
    ($key:ident quota) => { setter!($key (value: Option<crate::limit::Quota>) value); };
    ($key:ident source) => {
        setter!($key (value: impl Into<super::source::Source>) value.into());
    };
    ($key:ident rules) => { setter!($key (value: impl Into<super::rules::Rules>) value.into()); };
    ($key:ident texts) => {
        setter!($key (values: impl IntoIterator<Item = impl Into<String>>)
            Item::list(values.into_iter().map(Into::into)));
    };
    ($key:ident counts) => {
        setter!($key (values: impl IntoIterator<Item = usize>) Item::list(values));
    };
    ($key:ident rates) => {
        setter!($key (values: impl IntoIterator<Item = crate::policy::Rate>) Item::list(values));
    };
    ($key:ident sources) => {
        setter!($key (values: impl IntoIterator<Item = super::source::Source>) Item::list(values));
    };
    ($key:ident named_texts) => {
        setter!($key (entries: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>)
            Item::named(entries.into_iter().map(|(name, text)| (name, text.into()))));
    };
    ($key:ident named_lists) => {
        setter!($key (entries: impl IntoIterator<Item = (impl Into<String>, Vec<String>)>)
            Item::named(entries.into_iter().map(|(name, texts)| (name, Item::list(texts)))));
    };
    ($key:ident named_sources) => {
        setter!($key (entries: impl IntoIterator<Item = (impl Into<String>, super::source::Source)>)
            Item::named(entries));
    };
    ($key:ident [$table:ty]) => {
        setter!($key (tables: impl IntoIterator<Item = $table>) Item::list(tables));
    };
    ($key:ident {$table:ty}) => { setter!($key (table: $table) table); };
    ($key:ident ($value:ident: $given:ty) $item:expr) => {
        #[doc = concat!("Sets `", stringify!($key), "`.")]
        #[must_use]
        pub fn $key(mut self, $value: $given) -> Self {
            self.0.put(stringify!($key), $item);
            self
        }
    };
}

/// Types with the keys of their tables. `by hand` are the keys that other methods set.
macro_rules! typed {
    ($($(#[$doc:meta])* $name:ident is $raw:ident by hand [$($hand:ident)*] {
        $($key:ident: $kind:tt,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default)]
            pub struct $name(Entries);

            impl $name {
                $(setter!($key $kind);)*
            }

            impl From<$name> for Item {
                fn from($name(entries): $name) -> Self {
                    Self::Table(entries)
                }
            }

            #[cfg(test)]
            impl super::table::Tabled for $name {
                const NAME: &'static str = stringify!($raw);
                const KEYS: &'static [&'static str] =
                    &[$(stringify!($key),)* $(stringify!($hand),)*];
            }
        )*
    };
}

pub(super) use {setter, typed};
