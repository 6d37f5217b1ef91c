//! What stands in a file, key by key, as far as it takes to tell whether it is the same.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};

/// Digests of the values of a file: of its keys and tables (`listen`, `auth`), and of what is in
/// its tables (`auth.signing`). `Debug` shows none, for a value may be a secret.
#[derive(Clone, Default)]
pub struct Written(BTreeMap<String, Vec<u8>>);

impl Written {
    /// Those of a text; none of one that is no TOML.
    pub(super) fn of(text: &str) -> Self {
        let file: toml::Table = text.parse().unwrap_or_default();
        let mut digests = BTreeMap::new();
        for (key, value) in &file {
            for (below, value) in value.as_table().into_iter().flatten() {
                digests.insert(format!("{key}.{below}"), of_value(value));
            }
            digests.insert(key.clone(), of_value(value));
        }
        Self(digests)
    }

    /// Whether a key has another value here than there. One that is left out has none.
    pub fn differs(&self, other: &Self, key: &str) -> bool {
        self.0.get(key) != other.0.get(key)
    }
}

fn of_value(value: &toml::Value) -> Vec<u8> {
    digest(&SHA256, value.to_string().as_bytes()).as_ref().to_vec()
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_compared_and_not_its_spelling() {
        let text = |kid| format!("listen = ['a']\n[auth]\nprefix = '/x'\nsigning.kid = '{kid}'\n");
        let one = Written::of(&text("1"));
        let same = "# the same\nauth = { signing = { kid = \"1\" }, prefix = \"/x\" }\nlisten = [ \"a\" ]\n";
        let same = Written::of(same);
        for key in ["listen", "auth", "auth.signing", "auth.prefix", "tls", "auth.password"] {
            assert!(!one.differs(&same, key), "{key}");
        }
        let other = Written::of(&text("2"));
        assert!(one.differs(&other, "auth.signing") && one.differs(&other, "auth"));
        assert!(!one.differs(&other, "listen") && !one.differs(&other, "auth.prefix"));
        assert!(one.differs(&Written::default(), "listen"));
    }
}
