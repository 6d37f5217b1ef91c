//! How many records there were, and SHA-256 over them: by section, and over all so far.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::fields::Fields;
use super::{Section, StoreRecord};

/// How far a copy has come: which records it has, told by what they were.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// How many.
    pub records: u64,
    /// SHA-256 over them; nothing in particular where there are none.
    pub digest: [u8; SHA256_OUTPUT_LEN],
}

/// What there was of one section.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Total {
    /// How many records.
    pub records: u64,
    /// SHA-256 over them.
    pub digest: [u8; SHA256_OUTPUT_LEN],
}

/// Sums over records in the order in which they come.
pub struct Sums {
    all: Running,
    sections: BTreeMap<Section, Running>,
}

struct Running {
    records: u64,
    digest: Context,
}

impl Running {
    fn new() -> Self {
        Self { records: 0, digest: Context::new(&SHA256) }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.records += 1;
        self.digest.update(&(bytes.len() as u64).to_le_bytes());
        self.digest.update(bytes);
    }

    fn digest(&self) -> [u8; SHA256_OUTPUT_LEN] {
        // SHA-256 has so many bytes.
        self.digest.clone().finish().as_ref().try_into().unwrap_or_default()
    }
}

impl Sums {
    /// Over nothing yet.
    pub fn new() -> Self {
        Self { all: Running::new(), sections: BTreeMap::new() }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &StoreRecord) {
        let bytes = Fields::of(record);
        self.all.add(&bytes);
        self.sections.entry(record.section()).or_insert_with(Running::new).add(&bytes);
    }

    /// How many records were added.
    pub const fn records(&self) -> u64 {
        self.all.records
    }

    /// How far it has come with them.
    pub fn progress(&self) -> Progress {
        Progress { records: self.all.records, digest: self.all.digest() }
    }

    /// What there was of each section that has any.
    pub fn totals(&self) -> BTreeMap<Section, Total> {
        let total =
            |running: &Running| Total { records: running.records, digest: running.digest() };
        self.sections.iter().map(|(section, running)| (*section, total(running))).collect()
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sums").field("records", &self.all.records).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserId;
    use crate::store::Group;

    fn group(number: u64, name: &str, roles: &[&str]) -> StoreRecord {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        StoreRecord::Group { number, group: Group { name: name.to_owned(), roles } }
    }

    fn sums(records: &[StoreRecord]) -> Sums {
        let mut sums = Sums::new();
        for record in records {
            sums.add(record);
        }
        sums
    }

    #[test]
    fn what_is_otherwise_has_another_sum() {
        let all = [
            vec![],
            vec![group(1, "a", &["b"])],
            vec![group(1, "ab", &[])],
            vec![group(1, "a", &["", "b"])],
            vec![group(2, "a", &["b"])],
            vec![group(1, "a", &["b"]), group(2, "a", &["b"])],
            vec![group(2, "a", &["b"]), group(1, "a", &["b"])],
            vec![StoreRecord::Deleted(UserId(1))],
        ];
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert_ne!(sums(one).progress(), sums(other).progress(), "{one:?} {other:?}");
                assert_ne!(sums(one).totals(), sums(other).totals(), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn sections_are_summed_apart() {
        let (one, other) = (group(1, "a", &[]), StoreRecord::Deleted(UserId(9)));
        let (both, apart) = (sums(&[one.clone(), other.clone()]), sums(&[other, one]));
        assert_eq!(both.totals(), apart.totals());
        assert_ne!(both.progress(), apart.progress());
        assert_eq!(both.records(), 2);
    }
}
