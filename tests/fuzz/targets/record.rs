//! A record of the store is read as what is written again, or is none.

use portcullis::store::rewritten;

/// The first byte says which table the record is of.
pub(crate) fn run(bytes: &[u8]) {
    let Some((kind, record)) = bytes.split_first() else { return };
    let kind = kind % 3;
    let Some(once) = rewritten(kind, record) else { return };
    let twice = rewritten(kind, &once).expect("what was written is a record");
    assert_eq!(once, twice, "a record changes when it is read and written");
}
