//! redb: a copy has everything as it was at one moment, and becomes a store again or nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use portcullis::identity::UserId;
use portcullis::store::{
    Claimed, CopySink, Finish, HeldStore, Mark, Numbers, OpenError, OpenMode, Piece, Purpose,
    RedbStore, Store, StoreDraft, TokenRef,
};
use tempfile::TempDir;

use crate::build::{all_sessions, at, session, user};
use crate::formats;

/// A piece that is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Kept {
    Store(u64, u64),
    Table(String),
    Row(Vec<u8>, Vec<u8>),
    End,
}

impl Kept {
    fn of(piece: Piece<'_>) -> Self {
        match piece {
            Piece::Store { format, rows } => Self::Store(format, rows),
            Piece::Table(name) => Self::Table(name.to_owned()),
            Piece::Row { key, value } => Self::Row(key.to_owned(), value.to_owned()),
            Piece::End => Self::End,
        }
    }

    fn piece(&self) -> Piece<'_> {
        match self {
            Self::Store(format, rows) => Piece::Store { format: *format, rows: *rows },
            Self::Table(name) => Piece::Table(name),
            Self::Row(key, value) => Piece::Row { key, value },
            Self::End => Piece::End,
        }
    }
}

async fn copy(store: &Arc<dyn Store>) -> Vec<Kept> {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let pieces = Arc::clone(&kept);
    let sink: CopySink = Box::new(move |piece| {
        pieces.lock().unwrap().push(Kept::of(piece));
        Ok(())
    });
    store.copy_out(sink).await.unwrap();
    let kept = kept.lock().unwrap();
    kept.clone()
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.redb");
    (dir, path)
}

/// What a store that is made of the pieces is like.
fn made(path: &Path, pieces: &[Kept], finish: &Finish) -> Result<Numbers, OpenError> {
    let Some(Kept::Store(format, rows)) = pieces.first() else { panic!("{pieces:?}") };
    let mut draft = StoreDraft::begin(path, *format)?;
    for piece in pieces {
        draft.take(piece.piece())?;
    }
    let finished = draft.finish(finish)?;
    assert_eq!(finished.counts().values().sum::<u64>(), *rows);
    let numbers = finished.numbers();
    finished.publish()?;
    Ok(numbers)
}

fn reopen(path: &Path) -> Arc<dyn Store> {
    Arc::new(RedbStore::open(path, OpenMode::Existing).unwrap())
}

async fn filled() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(RedbStore::in_memory().unwrap());
    formats::fill(&store).await;
    store
}

const AS_IT_WAS: Finish = Finish { later: None, end_logins: None };

#[tokio::test]
async fn a_copy_has_everything() {
    let pieces = copy(&filled().await).await;
    assert_eq!(pieces.last(), Some(&Kept::End));
    let (_dir, path) = place();
    let numbers = made(&path, &pieces, &AS_IT_WAS).unwrap();
    let store = reopen(&path);
    formats::users_are_there(&store).await;
    formats::sessions_are_there(&store).await;
    formats::keys_are_there(&store).await;
    formats::factors_are_there(&store).await;
    formats::groups_and_invitations_are_there(&store).await;
    formats::mail_is_there(&store).await;
    // Nobody knows what was given since: three users, four sessions, an invitation and a key.
    let far = Numbers { users: 100_003, sessions: 100_004, invitations: 100_001, keys: 100_001 };
    assert_eq!(numbers, far);
    assert_eq!(user(&store, "next").await.id, UserId(100_004));
}

#[tokio::test]
async fn numbers_go_on_where_a_later_store_was() {
    let pieces = copy(&filled().await).await;
    let later = Numbers { users: 9, sessions: 5, invitations: 1, keys: 1 };
    let other = Numbers { sessions: 3, ..later };
    for (later, next) in [(later, 10), (other, 100_004)] {
        let (_dir, path) = place();
        made(&path, &pieces, &Finish { later: Some(later), end_logins: None }).unwrap();
        assert_eq!(user(&reopen(&path), "next").await.id, UserId(next));
    }
}

#[tokio::test]
async fn logins_are_ended_with_all_that_was_on_its_way() {
    let pieces = copy(&filled().await).await;
    let (_dir, path) = place();
    let finish = Finish { later: None, end_logins: Some(at(500)) };
    let numbers = made(&path, &pieces, &finish).unwrap();
    let store = reopen(&path);
    let mark = Mark { session: numbers.sessions, at: at(500) };
    for user in store.users(None, 9).await.unwrap() {
        assert_eq!(user.logout_mark, Some(mark), "{user:?}");
        assert!(all_sessions(&store, user.id).await.iter().all(|s| s.id.number <= mark.session));
    }
    let claimed = store.claim_letter(at(500), at(501)).await.unwrap();
    assert_eq!(claimed, Claimed::Nothing);
    let token = TokenRef { user: UserId(1), purpose: Purpose::Password, hash: [5; 32], at: at(10) };
    assert!(store.token_user(token).await.unwrap().is_none());
    let ada = store.user(UserId(1)).await.unwrap().unwrap();
    assert!(session(&store, ada.id).await.id.number > mark.session);
}

/// A copy is of one moment, and holds up nobody.
#[tokio::test]
async fn a_copy_is_of_one_moment() {
    let store = filled().await;
    let before = copy(&store).await;
    let (begun, is_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let pieces = Arc::clone(&kept);
    let sink: CopySink = Box::new(move |piece| {
        if matches!(piece, Piece::Store { .. }) {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
        }
        pieces.lock().unwrap().push(Kept::of(piece));
        Ok(())
    });
    let copied = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.copy_out(sink).await }
    });
    tokio::task::spawn_blocking(move || is_begun.recv().unwrap()).await.unwrap();
    user(&store, "later").await;
    assert!(store.delete_user(UserId(1)).await.unwrap());
    go_on.send(()).unwrap();
    copied.await.unwrap().unwrap();
    assert_eq!(*kept.lock().unwrap(), before);
    assert_ne!(copy(&store).await, before);
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_copy() {
    let store = filled().await;
    let mut left = 7;
    let sink: CopySink = Box::new(move |_| {
        left -= 1;
        if left == 0 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    });
    assert!(store.copy_out(sink).await.is_err());
    user(&store, "later").await;
}

#[tokio::test]
async fn what_is_no_store_leaves_nothing() {
    let pieces = copy(&filled().await).await;
    let table = |name: &str| pieces.iter().position(|it| *it == Kept::Table(name.to_owned()));
    let (users, names) = (table("users").unwrap(), table("names").unwrap());
    let with = |at: usize, piece: Kept| {
        let mut other = pieces.clone();
        other.insert(at + 1, piece);
        other
    };
    let cases = [
        // A key of the wrong length, a name that is no text, a table that nobody knows.
        with(users, Kept::Row(vec![1; 3], vec![2])),
        with(names, Kept::Row(vec![0xff, 0xfe], vec![0; 8])),
        [
            &[Kept::Store(3, 1), Kept::Table("strangers".to_owned())][..],
            &[Kept::Row(vec![1], vec![2]), Kept::End],
        ]
        .concat(),
        // One that comes twice.
        [&pieces[..users + 2], &[Kept::Table("names".to_owned())], &pieces[users..]].concat(),
        // What marks it as ours is missing.
        vec![Kept::Store(3, 0), Kept::End],
        vec![Kept::Store(1000, 0), Kept::End],
    ];
    let (dir, path) = place();
    for pieces in cases {
        let error = made(&path, &pieces, &AS_IT_WAS).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{error}");
    }
}

#[test]
fn rows_of_nothing_are_not_gathered_for_ever() {
    let (dir, path) = place();
    let mut draft = StoreDraft::begin(&path, 3).unwrap();
    draft.take(Piece::Table("users")).unwrap();
    let empty = || Piece::Row { key: &[], value: &[] };
    let mut rows = (0..1_000_000).map(|_| draft.take(empty()));
    let error = rows.find_map(Result::err).unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    drop(draft);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// What can be told of a copy before a store is made of it.
#[tokio::test]
async fn a_copy_is_judged_by_its_form_and_its_tables() {
    let judged = |format: u64, tables: &[&str]| {
        let rows = tables.iter().map(|name| ((*name).to_owned(), 1)).collect();
        StoreDraft::judge(Path::new("copy"), format, &rows)
    };
    judged(5, &["meta", "users", "factors", "passkeys"]).unwrap();
    judged(1, &["meta"]).unwrap();
    for (format, tables) in [(6, &["meta"][..]), (5, &["meta", "strangers"]), (5, &["users"])] {
        let error = judged(format, tables).unwrap_err();
        let OpenError::Foreign { newer, .. } = error else { panic!("{error:?}") };
        assert_eq!(newer, format > 5);
    }
}

#[tokio::test]
async fn a_draft_takes_no_place_that_is_taken() {
    let pieces = copy(&filled().await).await;
    let (_dir, path) = place();
    std::fs::write(&path, "something else").unwrap();
    assert!(matches!(made(&path, &pieces, &AS_IT_WAS), Err(OpenError::Io { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"something else");
}

#[tokio::test]
async fn what_is_held_is_opened_by_nobody() {
    let (_dir, path) = place();
    assert!(HeldStore::hold(&path).unwrap().is_none());
    let store: Arc<dyn Store> =
        Arc::new(RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap());
    formats::fill(&store).await;
    assert!(matches!(HeldStore::hold(&path), Err(OpenError::Locked { .. })));
    drop(store);
    let before = std::fs::read(&path).unwrap();
    let held = HeldStore::hold(&path).unwrap().unwrap();
    let numbers = Numbers { users: 3, sessions: 4, invitations: 1, keys: 1 };
    assert_eq!(held.numbers(), Some(numbers));
    let error = RedbStore::open(&path, OpenMode::Existing).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(matches!(RedbStore::compact(&path), Err(OpenError::Locked { .. })));
    assert!(matches!(HeldStore::hold(&path), Err(OpenError::Locked { .. })));
    drop(held);
    assert!(std::fs::read(&path).unwrap() == before);

    // Whatever is there can be held.
    for content in [&b""[..], b"a letter to my aunt", &before[..8192]] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(HeldStore::hold(&path).unwrap().unwrap().numbers(), None);
        assert!(std::fs::read(&path).unwrap() == content);
    }
}

#[tokio::test]
async fn a_store_is_smaller_after_compacting_and_the_same() {
    let (_dir, path) = place();
    let store: Arc<dyn Store> =
        Arc::new(RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap());
    formats::fill(&store).await;
    let ada = UserId(1);
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(user(&store, &format!("{number}-{}", "x".repeat(100))).await.id);
    }
    for id in ids {
        assert!(store.delete_user(id).await.unwrap());
    }
    drop(store);
    let length = || std::fs::metadata(&path).unwrap().len();
    let before = length();
    let compacted = RedbStore::compact(&path).unwrap();
    assert_eq!((compacted.before, compacted.after), (before, length()));
    assert!(compacted.after < compacted.before, "{compacted:?}");
    let store = reopen(&path);
    assert!(store.user(ada).await.unwrap().is_some());
    formats::sessions_are_there(&store).await;
    assert!(user(&store, "next").await.id > UserId(203));
}
