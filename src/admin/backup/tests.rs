use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;

use super::write::{Writer, failure};
use super::*;
use crate::clock::Timestamp;
use crate::secret::Secret;
use crate::store::Piece;

type Row = (Vec<u8>, Vec<u8>);
type Table = (String, Vec<Row>);

/// The bytes of a backup of these tables.
fn written(tables: &[Table], keys: Option<&[u8]>) -> Vec<u8> {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let parts = Arc::clone(&bytes);
    let send = move |part: Bytes| {
        parts.lock().unwrap().extend_from_slice(&part);
        Ok(())
    };
    let keys = keys.map(|keys| Secret::from(keys.to_vec()));
    let mut writer = Writer::new(send, Timestamp::from_secs(7), keys);
    let rows = tables.iter().map(|(_, rows)| rows.len() as u64).sum();
    writer.take(Piece::Store { format: 3, rows }).unwrap();
    for (name, rows) in tables {
        writer.take(Piece::Table(name)).unwrap();
        for (key, value) in rows {
            writer.take(Piece::Row { key, value }).unwrap();
        }
    }
    writer.take(Piece::End).unwrap();
    let bytes = bytes.lock().unwrap();
    bytes.clone()
}

/// What stands in a backup: its key file and its tables.
fn read(bytes: &[u8]) -> Result<(Option<Vec<u8>>, Vec<Table>), BackupError> {
    let mut backup = Backup::open(bytes)?;
    let (mut keys, mut tables) = (None, Vec::<Table>::new());
    while let Some(part) = backup.next_part()? {
        match part {
            Part::Keys(file) => keys = Some(file.expose().to_vec()),
            Part::Table(name) => tables.push((name, Vec::new())),
            Part::Rows(rows) => {
                let rows = rows.iter().map(|row| row.unwrap());
                let table = tables.last_mut().unwrap();
                table.1.extend(rows.map(|(key, value)| (key.to_vec(), value.to_vec())));
            }
        }
    }
    assert!(backup.next_part().unwrap().is_none());
    Ok((keys, tables))
}

fn small() -> Vec<Table> {
    let row = |text: &str| (text.as_bytes().to_vec(), text.repeat(3).into_bytes());
    vec![
        ("users".to_owned(), vec![row("a"), row("bb"), row("")]),
        ("none".to_owned(), vec![]),
        ("names".to_owned(), vec![row("x")]),
    ]
}

#[test]
fn a_backup_says_what_it_is() {
    let bytes = written(&small(), Some(b"keys"));
    assert!(bytes.starts_with(b"portcullis backup 1\n"));
    let head = Backup::open(bytes.as_slice()).unwrap().head().clone();
    assert_eq!((head.made, head.store, head.rows), (7, 3, 4));
    assert_eq!(read(&bytes).unwrap(), (Some(b"keys".to_vec()), small()));
}

#[test]
fn a_backup_that_is_cut_short_is_refused() {
    let bytes = written(&small(), Some(b"keys"));
    for end in 1..bytes.len() {
        let error = read(&bytes[..end]).unwrap_err();
        assert!(matches!(error, BackupError::CutShort), "{end}: {error}");
    }
    assert!(matches!(read(b"").unwrap_err(), BackupError::Foreign));
    let longer = [&bytes[..], b"x"].concat();
    assert!(matches!(read(&longer).unwrap_err(), BackupError::Damaged(_)));
}

#[test]
fn a_backup_with_one_bit_changed_is_refused() {
    let bytes = written(&small(), Some(b"keys"));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut other = bytes.clone();
            other[at] ^= 1 << bit;
            assert!(read(&other).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn other_files_are_told_apart() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(error(b"redb\x1A\x0A"), "this is no backup of portcullis");
    assert_eq!(error(b"portcullis backup 2\n"), BackupError::Newer.to_string());
    let mut failed = b"portcullis backup 1\n".to_vec();
    failed.extend_from_slice(&failure("before its head"));
    assert_eq!(error(&failed), "the backup is damaged: it has no head");
    let bytes = written(&small(), None);
    let end = bytes.windows(5).rposition(|at| at == [b'e', 42, 0, 0, 0]).unwrap();
    let failed = [&bytes[..end], &failure("the disk failed")].concat();
    assert_eq!(error(&failed), "the backup was not finished: the disk failed");
}

/// Whoever made it may want to write on the terminal of whoever reads it.
#[test]
fn texts_of_a_backup_are_fit_for_a_terminal() {
    let bytes = written(&small(), None);
    let end = bytes.windows(5).rposition(|at| at == [b'e', 42, 0, 0, 0]).unwrap();
    let failed = [&bytes[..end], &failure(&"\x1b[2J\r".repeat(100_000))].concat();
    let error = read(&failed).unwrap_err().to_string();
    assert!(!error.contains(char::is_control) && error.len() < 10_000, "{}", error.len());
    let text = String::from_utf8_lossy(&bytes);
    let at = text.find("\"version\":\"").unwrap() + 11;
    let mut other = bytes;
    other.splice(at..=at, *b"\\u001b");
    let length = other[21] + 5;
    other[21] = length;
    let head = Backup::open(other.as_slice()).unwrap().head().clone();
    assert!(head.version.starts_with(r"\u{1b}"), "{head:?}");
}

#[test]
fn rows_are_never_printed() {
    let bytes = written(&[("users".to_owned(), vec![(vec![7; 3], vec![7; 9])])], None);
    let mut backup = Backup::open(bytes.as_slice()).unwrap();
    while let Some(part) = backup.next_part().unwrap() {
        assert!(!format!("{part:?}").contains("7, 7"), "{part:?}");
    }
}

#[test]
fn a_length_is_not_believed() {
    let mut bytes = b"portcullis backup 1\nh".to_vec();
    bytes.extend_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read(&bytes).unwrap_err(), BackupError::Damaged(_)));
}

#[test]
fn rows_larger_than_a_part_are_whole() {
    let row = |length: usize| (vec![1; 5], vec![2; length]);
    let tables = vec![("users".to_owned(), [65_535, 65_536, 3, 200_000, 0].map(row).to_vec())];
    let bytes = written(&tables, None);
    assert_eq!(read(&bytes).unwrap(), (None, tables));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_written_is_read(
        tables in proptest::collection::vec(
            (
                "[a-z_]{1,9}",
                proptest::collection::vec(
                    (any::<Vec<u8>>(), any::<Vec<u8>>()),
                    0..6,
                ),
            ),
            0..5,
        ),
        keys in any::<Option<Vec<u8>>>(),
    ) {
        let bytes = written(&tables, keys.as_deref());
        prop_assert_eq!(read(&bytes).unwrap(), (keys, tables));
    }

    #[test]
    fn nothing_makes_it_panic(bytes in any::<Vec<u8>>()) {
        let magic = [b"portcullis backup 1\n", bytes.as_slice()].concat();
        prop_assert!(read(&magic).is_err());
        drop(read(&bytes));
    }
}
