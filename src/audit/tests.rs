use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::chain::Chain;
use super::line::Entry;
use super::record::Record;
use super::*;
use crate::clock::{ManualClock, Timestamp};
use crate::identity::UserId;
use crate::secret::Secret;

/// A folder with a record in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("test.audit")
    }

    fn settings(&self, size: u64, keep: usize) -> AuditSettings {
        AuditSettings { size, keep, ..AuditSettings::at(self.path()) }
    }

    fn open(&self, size: u64, keep: usize) -> (Record, Vec<Event>) {
        Record::open(&self.settings(size, keep), &Chain::new(&key())).unwrap()
    }

    /// A record of so many lines in files of that size, left in good order.
    fn filled(lines: u64, size: u64, keep: usize) -> Self {
        let place = Self::new();
        let (mut record, _) = place.open(size, keep);
        write(&mut record, lines);
        record.sync().unwrap();
        place
    }

    fn verdict(&self) -> Verdict {
        verify(&self.path(), &key()).unwrap()
    }

    /// All files of lines, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let older = files::older(&self.path()).unwrap();
        older.into_iter().map(|older| older.path).chain([self.path()]).collect()
    }

    /// Opens it anew, writes what has to be said about it and one line more.
    fn go_on(&self, size: u64) -> Vec<Kind> {
        let (mut record, events) = self.open(size, 8);
        let kinds = events.iter().map(|event| event.kind).collect();
        for event in events {
            record.append(&entry(event)).unwrap();
        }
        write(&mut record, 1);
        record.sync().unwrap();
        kinds
    }
}

fn key() -> Secret {
    Secret::from("a key of thirty-two bytes or more".to_owned())
}

fn entry(event: Event) -> Entry {
    let origin = Origin { actor: Actor::Client, address: None, request: None };
    Entry { at: Timestamp::from_millis(1_800_000_000_123), event, origin }
}

fn write(record: &mut Record, lines: u64) {
    for _ in 0..lines {
        let event = Event::new(Kind::LoginFailed).to_name("ada").with("why", "password");
        record.append(&entry(event)).unwrap();
    }
}

fn cut_off(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - bytes).unwrap();
}

#[test]
fn a_line_says_all_there_is() {
    let chain = Chain::new(&key());
    let mut entry = entry(
        Event::new(Kind::RoleAdded).to_id(UserId(7)).to_name("a\u{202e}d\"a\n").with("role", "x"),
    );
    entry.origin = Origin {
        actor: Actor::Operator(1000),
        address: Some("192.0.2.1".parse().unwrap()),
        request: Some("id-1".parse().unwrap()),
    };
    let (text, link) = entry.line(&line::Link { seq: 4, code: "before".to_owned() }, &chain);
    let start = concat!(
        r#"{"seq":5,"at":"2027-01-15T08:00:00.123Z","event":"role.added","user":7,"#,
        r#""name":"a\u202ed\"a\n","actor":"uid:1000","address":"192.0.2.1","request":"id-1","#,
        r#""facts":{"role":"x"},"prev":"before","mac":""#,
    );
    assert_eq!(text, format!("{start}{}\"}}\n", link.code));
    let read = line::read(text.trim_end().as_bytes(), &chain).unwrap();
    assert_eq!((read.link, read.prev.as_str()), (link, "before"));
    assert_eq!(line::claimed(text.as_bytes()), Some(5));
    let shown = Shown(&text).to_string();
    assert_eq!(
        shown,
        "2027-01-15T08:00:00.123Z  role.added         name=a\\u{202e}d\"a\\n user=7 \
         actor=uid:1000 address=192.0.2.1 role=x request=id-1"
    );
}

#[test]
fn a_text_of_any_length_is_cut() {
    let event = Event::new(Kind::Registered).to_name(&"ü".repeat(5000)).with("x", "y".repeat(201));
    let (line, _) = entry(event).line(&line::Link::default(), &Chain::new(&key()));
    assert!(line.contains(&format!("\"{}…\"", "ü".repeat(200))));
    assert!(line.len() < 2000, "{}", line.len());
}

#[test]
fn a_record_goes_on_across_runs_and_files() {
    let place = Place::new();
    assert_eq!(place.go_on(1200), [Kind::RecordBegun]);
    for _ in 0..9 {
        assert_eq!(place.go_on(1200), []);
    }
    let verdict = place.verdict();
    assert_eq!((verdict.lines, verdict.first, verdict.last), (11, Some(1), Some(11)));
    assert_eq!(verdict.faults, []);
    assert!(verdict.files > 2, "{verdict:?}");
    for file in place.files() {
        assert!(fs::metadata(file).unwrap().len() <= 1200);
    }
}

#[test]
fn only_so_many_files_are_kept() {
    let place = Place::filled(40, 1000, 2);
    let verdict = place.verdict();
    assert_eq!(verdict.faults, []);
    assert_eq!((verdict.files, verdict.last), (3, Some(40)));
    assert!(verdict.first > Some(25), "{verdict:?}");
    let place = Place::filled(40, 1000, 0);
    assert_eq!((place.verdict().files, place.verdict().faults), (1, Vec::new()));
}

#[test]
fn another_key_can_neither_read_nor_go_on() {
    let place = Place::filled(5, 100_000, 8);
    let other = Secret::from("another key of thirty-two bytes..".to_owned());
    let verdict = verify(&place.path(), &other).unwrap();
    assert_eq!((verdict.lines, verdict.faults[0].line), (0, Some(1)));
    let (_, events) = Record::open(&place.settings(1000, 8), &Chain::new(&other)).unwrap();
    assert_eq!(events[0].kind, Kind::RecordBroken);
}

#[test]
fn a_missing_line_is_missed_wherever_it_was() {
    for (gone, expected) in [
        (0..1, "line number 1 is missing at the beginning"),
        (3..4, "line number 4 is missing before this line"),
        (3..6, "lines number 4 to 6 are missing before this line"),
        (9..10, "line number 10 is missing at the end"),
        (7..10, "lines number 8 to 10 are missing at the end"),
        (0..10, "lines number 1 to 10 are missing at the beginning"),
    ] {
        let place = Place::filled(10, 100_000, 8);
        let text = fs::read_to_string(place.path()).unwrap();
        let lines = text.split_inclusive('\n').enumerate();
        let kept: String = lines.filter(|(at, _)| !gone.contains(at)).map(|(_, l)| l).collect();
        fs::write(place.path(), kept).unwrap();
        let faults = place.verdict().faults;
        assert_eq!(faults.len(), 1, "{gone:?}: {faults:?}");
        assert_eq!(faults[0].what, expected, "{gone:?}");
        let line = expected.contains("this line").then_some(gone.start as u64 + 1);
        assert_eq!(faults[0].line, line, "{gone:?}");
    }
}

#[test]
fn a_missing_file_is_missed() {
    let count = Place::filled(20, 1000, 8).files().len();
    assert!(count >= 4);
    for gone in 0..count {
        let place = Place::filled(20, 1000, 8);
        fs::remove_file(&place.files()[gone]).unwrap();
        let faults = place.verdict().faults;
        assert_eq!(faults.len(), 1, "{gone}: {faults:?}");
        assert!(faults[0].what.contains("missing"), "{faults:?}");
    }
    let place = Place::filled(20, 1000, 8);
    fs::remove_file(head::beside(&place.path())).unwrap();
    assert!(place.verdict().faults[0].what.contains("the sealed head is missing"));
}

#[test]
fn a_line_in_another_place_is_told() {
    let place = Place::filled(5, 100_000, 8);
    let text = fs::read_to_string(place.path()).unwrap();
    let mut lines: Vec<_> = text.split_inclusive('\n').collect();
    lines.swap(1, 3);
    fs::write(place.path(), lines.concat()).unwrap();
    assert_eq!(place.verdict().faults[0].line, Some(2));
}

#[test]
fn a_line_that_a_crash_left_unfinished_is_taken_off() {
    let place = Place::new();
    let (mut record, _) = place.open(100_000, 8);
    write(&mut record, 3);
    record.sync().unwrap();
    write(&mut record, 2);
    drop(record);
    cut_off(&place.path(), 7);
    let verdict = place.verdict();
    assert!(verdict.unfinished && verdict.faults.is_empty(), "{verdict:?}");
    assert_eq!(place.go_on(100_000), [Kind::RecordMended]);
    let verdict = place.verdict();
    assert_eq!((verdict.lines, verdict.last, verdict.faults), (6, Some(6), Vec::new()));
    assert!(!verdict.unfinished);
}

#[test]
fn what_was_on_disk_and_is_gone_is_no_crash() {
    for bytes in [1, 7, 400, 900] {
        let place = Place::filled(6, 100_000, 8);
        cut_off(&place.path(), bytes);
        let cut = fs::read(place.path()).unwrap();
        assert!(!place.verdict().faults.is_empty(), "{bytes}");
        assert_eq!(place.go_on(100_000), [Kind::RecordBroken], "{bytes}");
        // What is left of it is kept, and stays told.
        assert_eq!(fs::read(&place.files()[0]).unwrap(), cut);
        let verdict = place.verdict();
        assert!(!verdict.faults.is_empty(), "{bytes}");
        assert_eq!(verdict.last, Some(8), "{bytes}: a number is never given twice");
    }
}

#[test]
fn a_record_whose_head_or_lines_were_taken_away_says_so_and_goes_on() {
    let place = Place::filled(6, 100_000, 8);
    fs::remove_file(head::beside(&place.path())).unwrap();
    assert_eq!(place.go_on(100_000), [Kind::RecordBroken]);
    assert_eq!(place.verdict().last, Some(8));

    let place = Place::filled(6, 100_000, 8);
    fs::remove_file(place.path()).unwrap();
    assert_eq!(place.go_on(100_000), [Kind::RecordBroken]);
    let verdict = place.verdict();
    assert_eq!((verdict.first, verdict.last), (Some(7), Some(8)));
    assert_eq!(verdict.faults[0].what, "lines number 1 to 6 are missing at the beginning");

    let place = Place::filled(6, 100_000, 8);
    fs::write(place.path(), "a letter to my aunt\n").unwrap();
    assert_eq!(place.go_on(100_000), [Kind::RecordBroken]);
    assert_eq!(fs::read(&place.files()[0]).unwrap(), b"a letter to my aunt\n");
}

#[test]
fn a_record_has_one_writer() {
    let place = Place::new();
    let held = place.open(1000, 8);
    let second = Record::open(&place.settings(1000, 8), &Chain::new(&key()));
    assert!(matches!(second, Err(AuditError::Locked(_))));
    drop(held);
    place.open(1000, 8);
}

proptest! {
    /// Whatever byte of whatever file is altered: the record is not whole, and the line is named.
    #[test]
    fn an_altered_byte_is_told_and_its_line_named(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let place = Place::filled(12, 1500, 8);
        let mut paths = place.files();
        let lines = paths.len();
        paths.push(head::beside(&place.path()));
        let which = file.index(paths.len());
        let path = &paths[which];
        let mut bytes = fs::read(path).unwrap();
        let at = at.index(bytes.len());
        let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
        bytes[at] ^= flip;
        fs::write(path, bytes).unwrap();
        let fault = place.verdict().faults.first().cloned();
        let fault = fault.expect("an altered record is not whole");
        prop_assert_eq!(&fault.file, path);
        prop_assert_eq!(fault.line, (which < lines).then_some(line));
    }

    /// Whatever is written in however many runs: what is read is what was written.
    #[test]
    fn every_record_that_was_left_in_order_is_whole(
        runs in prop::collection::vec(0..9_u64, 1..6),
        size in 600..3000_u64,
        keep in 0..4_usize,
    ) {
        let place = Place::new();
        let mut total = 0;
        for lines in runs {
            let (mut record, _) = place.open(size, keep);
            write(&mut record, lines);
            record.sync().unwrap();
            total += lines;
            prop_assert_eq!(record.seq(), total);
        }
        let verdict = place.verdict();
        prop_assert_eq!(verdict.faults, []);
        prop_assert_eq!(verdict.last.unwrap_or_default(), total);
        prop_assert!(verdict.files <= keep + 1);
    }
}

fn started(place: &Place) -> Audit {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    Audit::start(&place.settings(100_000, 8), &key(), clock).unwrap()
}

#[tokio::test]
async fn what_is_urgent_is_there_when_it_is_answered() {
    let place = Place::new();
    let audit = started(&place);
    audit.record(Event::new(Kind::LoginFailed));
    audit.note(Event::new(Kind::TokenReused)).keep().await.unwrap();
    // The gateway still runs; the head speaks of all that is on disk.
    let verdict = place.verdict();
    assert_eq!((verdict.lines, verdict.faults), (3, Vec::new()));
    assert!(fs::read_to_string(head::beside(&place.path())).unwrap().contains("\"seq\":3,"));
    drop(audit);
    assert_eq!(place.verdict().lines, 3);
}

#[tokio::test]
async fn nothing_that_was_recorded_is_lost_at_the_end() {
    let place = Place::new();
    let audit = started(&place);
    for _ in 0..100 {
        audit.clone().record(Event::new(Kind::LoggedIn));
    }
    drop(audit);
    assert_eq!(place.verdict().lines, 101);
}

#[tokio::test]
async fn a_record_that_was_closed_is_gone_on_with_by_another() {
    let place = Place::new();
    let first = started(&place);
    let clone = first.clone();
    first.record(Event::new(Kind::HandedOver));
    let closing = first.clone();
    tokio::task::spawn_blocking(move || closing.close()).await.unwrap();
    // With the handles of the first one still there.
    let second = started(&place);
    second.record(Event::new(Kind::LoggedIn));
    clone.record(Event::new(Kind::LoggedIn));
    assert!(clone.note(Event::new(Kind::Command)).keep().await.is_err());
    assert_eq!((clone.lost(), second.lost()), (1, 0));
    drop((first, clone, second));
    let verdict = place.verdict();
    assert_eq!((verdict.lines, verdict.faults), (3, Vec::new()));
}

#[tokio::test]
async fn who_asks_goes_along_with_the_task() {
    let place = Place::new();
    let audit = started(&place);
    let note = asked_by(Origin::operator(7), async {
        audit.record(Event::new(Kind::Command));
        audit.note(Event::new(Kind::RoleAdded))
    });
    let note = note.await;
    tokio::spawn(note.keep_or_count()).await.unwrap();
    audit.record(Event::new(Kind::Stopped));
    drop(audit);
    let (lines, _) = last_lines(&place.path(), 3).unwrap();
    let actors: Vec<_> = lines.iter().map(|line| line.contains("\"actor\":\"uid:7\"")).collect();
    assert_eq!(actors, [true, true, false], "{lines:?}");
}

#[tokio::test]
async fn a_handle_that_is_off_takes_everything_and_keeps_nothing() {
    let place = Place::new();
    let settings = AuditSettings { enabled: false, ..place.settings(1000, 1) };
    let clock = Arc::new(ManualClock::new(Timestamp::default()));
    let audit = Audit::start(&settings, &key(), clock).unwrap();
    audit.record(Event::new(Kind::LoggedIn));
    audit.note(Event::new(Kind::Command)).keep().await.unwrap();
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0);
}

#[test]
fn the_last_lines_are_found_across_files_and_followed() {
    let place = Place::filled(10, 1000, 8);
    let numbers = |lines: &[String]| -> Vec<u64> {
        lines.iter().map(|line| line::claimed(line.as_bytes()).unwrap()).collect()
    };
    for count in 0..12 {
        let (lines, _) = last_lines(&place.path(), count).unwrap();
        let expected: Vec<_> = (1..=10_u64).rev().take(count).collect();
        assert_eq!(numbers(&lines), expected.into_iter().rev().collect::<Vec<_>>());
    }
    let (_, mut follower) = last_lines(&place.path(), 1).unwrap();
    assert_eq!(follower.more().unwrap(), Vec::<String>::new());
    let (mut record, _) = place.open(1000, 8);
    for next in [11..12, 12..20, 20..21] {
        write(&mut record, next.end - next.start);
        assert_eq!(numbers(&follower.more().unwrap()), next.collect::<Vec<_>>());
    }
    let nothing = Place::new();
    let (lines, mut follower) = last_lines(&nothing.path(), 5).unwrap();
    assert!(lines.is_empty());
    let (mut record, _) = nothing.open(1000, 8);
    write(&mut record, 2);
    assert_eq!(numbers(&follower.more().unwrap()), [1, 2]);
}
