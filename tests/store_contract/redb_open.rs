//! redb: what opens, what is refused, and that a refusal leaves the file alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::clock::Timestamp;
use portcullis::store::{
    Claimed, LetterKind, NewLetter, NewToken, OpenError, OpenMode, Purpose, QueueLimits, RedbStore,
    Store, StoreError, TokenRef,
};
use redb::{Database, ReadableDatabase, TableDefinition};
use tempfile::TempDir;

use crate::build::{all_sessions, logged_in, new_session, session, user};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.redb");
    (dir, path)
}

fn create(path: &Path) -> Arc<dyn Store> {
    Arc::new(RedbStore::open(path, OpenMode::CreateIfMissing).unwrap())
}

/// Opens in both modes; both must refuse alike, name the file, and leave it as it was.
fn refused(path: &Path) -> String {
    let before = fs::read(path).unwrap();
    let [first, second] = [OpenMode::Existing, OpenMode::CreateIfMissing].map(|mode| {
        let error = RedbStore::open(path, mode).unwrap_err();
        assert!(fs::read(path).unwrap() == before, "the file was changed: {error}");
        error.to_string()
    });
    assert_eq!(first, second);
    first.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
}

#[tokio::test]
async fn everything_is_there_after_reopening() {
    let (_dir, path) = place();
    let store = create(&path);
    let ada = user(&store, "ada").await;
    let bob = user(&store, "bob").await;
    let first = session(&store, ada.id).await;
    let adopted = store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    let last = session(&store, bob.id).await;
    store.delete_user(bob.id).await.unwrap();
    drop(store);

    let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
    assert_eq!(store.user_by_name("ada").await.unwrap(), Some(logged_in(ada.clone())));
    assert_eq!(all_sessions(&store, ada.id).await, [first, adopted]);
    // Not even the numbers of what was deleted come again.
    assert!(user(&store, "eve").await.id > bob.id);
    assert!(session(&store, ada.id).await.id.number > last.id.number);
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let (_dir, path) = place();
    drop(create(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_missing_file_is_made_only_when_asked() {
    let (_dir, path) = place();
    let error = RedbStore::open(&path, OpenMode::Existing).unwrap_err();
    assert!(matches!(&error, OpenError::Missing { path: named } if *named == path));
    assert!(error.to_string().contains(path.to_str().unwrap()));
    assert!(!path.exists());
    drop(create(&path));
    RedbStore::open(&path, OpenMode::Existing).unwrap();
}

#[test]
fn a_missing_directory_is_an_error_of_the_system() {
    let (dir, _) = place();
    let path = dir.path().join("nowhere/portcullis.redb");
    let error = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere/portcullis.redb"));
}

#[test]
fn nothing_is_made_through_a_dangling_link() {
    let (dir, path) = place();
    let target = dir.path().join("target");
    symlink(&target, &path).unwrap();
    let error = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(!target.exists());
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[test]
fn an_open_store_is_locked() {
    let (_dir, path) = place();
    let store = create(&path);
    assert!(refused(&path).starts_with("the store is in use by another process"));
    let error = RedbStore::open(&path, OpenMode::Existing).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(store);
    RedbStore::open(&path, OpenMode::Existing).unwrap();
}

#[tokio::test]
async fn a_store_that_was_handed_over_opens_elsewhere_and_never_again_here() {
    let (_dir, path) = place();
    let store = create(&path);
    let ada = user(&store, "ada").await;
    store.hand_over().await.unwrap();
    let next = RedbStore::open(&path, OpenMode::Existing).unwrap();
    assert_eq!(next.user(ada.id).await.unwrap().unwrap(), ada);
    assert!(matches!(store.user(ada.id).await, Err(StoreError::HandedOver)));
    assert!(matches!(store.delete_user(ada.id).await, Err(StoreError::HandedOver)));
    store.hand_over().await.unwrap();
    assert!(next.user(ada.id).await.unwrap().is_some());
}

#[test]
fn a_refused_file_is_free_again() {
    let (_dir, path) = place();
    drop(Database::create(&path).unwrap());
    refused(&path);
    Database::open(&path).unwrap();
}

#[test]
fn an_empty_file_is_not_taken_over() {
    let (_dir, path) = place();
    fs::write(&path, b"").unwrap();
    assert!(refused(&path).starts_with("the file is empty"));
}

#[test]
fn a_directory_is_no_store() {
    let (dir, _) = place();
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing] {
        let error = RedbStore::open(dir.path(), mode).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    }
}

#[test]
fn a_file_of_another_format_is_no_store() {
    let (_dir, path) = place();
    for content in [&b"x"[..], b"SQLite format 3\0", b"redb", &[0; 5000]] {
        fs::write(&path, content).unwrap();
        assert!(refused(&path).starts_with("this is no store of portcullis"));
    }
}

#[test]
fn a_foreign_redb_file_is_no_store() {
    const NUMBERS: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");
    let (_dir, path) = place();
    drop(Database::create(&path).unwrap());
    assert!(refused(&path).starts_with("this is no store of portcullis"));

    // One with a table of that name, of another type; then one of the same type.
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(NUMBERS).unwrap().insert("portcullis", "1").unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(refused(&path).starts_with("this is no store of portcullis"));

    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.delete_table(NUMBERS).unwrap();
    txn.open_table(META).unwrap().insert("version", 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(refused(&path).starts_with("this is no store of portcullis"));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let (_dir, path) = place();
    drop(create(&path));
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("portcullis", 1000).unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(refused(&path).starts_with("the store was written by a newer portcullis"));
    let db = Database::open(&path).unwrap();
    let txn = db.begin_read().unwrap();
    let meta = txn.open_table(META).unwrap();
    assert_eq!(redb::ReadableTable::get(&meta, "portcullis").unwrap().unwrap().value(), 1000);
}

/// The lengths at which something could be cut: in the header, at and beside pages, at the end.
fn cuts(len: usize) -> Vec<usize> {
    let mut cuts = vec![1, 8, 9, 10, 63, 64, 191, 192, 319, 320, 321, len - 1, len / 2];
    for page in (0..len).step_by(4096).skip(1) {
        cuts.extend([page - 1, page, page + 1]);
    }
    cuts.retain(|cut| *cut < len);
    cuts
}

/// A store with fifty users: its file as it is after a kill, and after an orderly end.
async fn fifty_users(path: &Path) -> [Vec<u8>; 2] {
    let store = create(path);
    for number in 0..50 {
        let user = user(&store, &format!("user{number}")).await;
        session(&store, user.id).await;
    }
    let killed = fs::read(path).unwrap();
    drop(store);
    [killed, fs::read(path).unwrap()]
}

/// How many users have their name and their session.
async fn whole_users(store: &dyn Store) -> usize {
    let mut count = 0;
    for user in store.users(None, 100).await.unwrap() {
        assert_eq!(store.user_by_name(&user.username).await.unwrap().as_ref(), Some(&user));
        count += store.sessions(user.id, None, 100).await.unwrap().len();
    }
    count
}

#[tokio::test]
async fn a_truncated_store_is_refused() {
    let (_dir, path) = place();
    let [_, closed] = fifty_users(&path).await;
    for cut in cuts(closed.len()) {
        fs::write(&path, &closed[..cut]).unwrap();
        let reason = refused(&path);
        assert!(reason.contains("portcullis") || reason.contains("damaged"), "{cut}: {reason}");
    }
}

/// redb mends the length of a file that was not closed, so a cut through free space may pass.
#[tokio::test]
async fn a_truncated_store_of_a_killed_process_is_refused_or_whole() {
    let (_dir, path) = place();
    let [killed, _] = fifty_users(&path).await;
    let mut refusals = 0;
    for cut in cuts(killed.len()) {
        fs::write(&path, &killed[..cut]).unwrap();
        match RedbStore::open(&path, OpenMode::Existing) {
            Ok(store) => assert_eq!(whole_users(&store).await, 50, "cut at {cut}"),
            Err(error) => {
                assert!(matches!(error, OpenError::Foreign { .. }), "{cut}: {error:?}");
                assert!(fs::read(&path).unwrap() == killed[..cut], "changed at {cut}: {error}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0);
}

#[tokio::test]
async fn a_store_opens_after_a_kill_as_after_an_orderly_end() {
    let (_dir, path) = place();
    for file in fifty_users(&path).await {
        fs::write(&path, file).unwrap();
        let store = RedbStore::open(&path, OpenMode::Existing).unwrap();
        assert_eq!(whole_users(&store).await, 50);
    }
}

/// An old binary knows nothing of tables that came later, and leaves none behind.
#[tokio::test]
async fn a_table_that_is_missing_is_made() {
    let (_dir, path) = place();
    drop(create(&path));
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let later: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("api_keys");
    assert!(txn.delete_table(later).unwrap());
    txn.commit().unwrap();
    drop(db);
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
    let ada = user(&store, "ada").await;
    assert!(store.api_key(ada.id, crate::build::key(1)).await.unwrap().is_some());
}

/// What a file of the first version lacks is made of what it has.
#[tokio::test]
async fn a_store_of_the_first_version_is_brought_up_to_date() {
    let (_dir, path) = place();
    let store = create(&path);
    user(&store, "ada").await;
    drop(store);
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let recipes: TableDefinition<'_, &str, u64> = TableDefinition::new("recipes");
    assert!(txn.delete_table(recipes).unwrap());
    txn.open_table(META).unwrap().insert("portcullis", 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    for _ in 0..2 {
        let store = RedbStore::open(&path, OpenMode::Existing).unwrap();
        assert_eq!(store.password_recipes().await.unwrap(), ["first$m=1"]);
    }
}

/// What was asked for before a crash is sent after it.
#[tokio::test]
async fn letters_and_tokens_are_there_after_reopening() {
    let (_dir, path) = place();
    let store = create(&path);
    let ada = user(&store, "ada").await;
    let (basis, at) = (ada.basis(), Timestamp::from_secs(5));
    let limits = QueueLimits { letters: 9, recipient: 9 };
    let to = "ada@x.test".to_owned();
    let letter = NewLetter { kind: LetterKind::NewEmail, user: ada.id, to, basis, at };
    store.post(letter, limits).await.unwrap();
    let token = NewToken {
        user: ada.id,
        purpose: Purpose::Email,
        hash: [7; 32],
        basis,
        address: "ada@x.test".to_owned(),
        at,
        expires: Timestamp::from_secs(9),
    };
    assert!(store.add_token(token).await.unwrap());
    drop(store);
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
    let claimed = store.claim_letter(at, Timestamp::from_secs(6)).await.unwrap();
    let Claimed::Letter(letter) = claimed else { panic!("{claimed:?}") };
    assert_eq!((letter.kind, letter.basis), (LetterKind::NewEmail, basis));
    let token = TokenRef { user: ada.id, purpose: Purpose::Email, hash: [7; 32], at };
    assert!(store.token_user(token).await.unwrap().is_some());
}

#[tokio::test]
async fn a_record_that_does_not_decode_is_corrupt_and_not_absent() {
    let (_dir, path) = place();
    let store = create(&path);
    let ada = user(&store, "ada").await;
    drop(store);
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let users: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("users");
    txn.open_table(users).unwrap().insert(ada.id.0, &b"garbage"[..]).unwrap();
    txn.commit().unwrap();
    drop(db);
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
    let answers = [
        store.user(ada.id).await.map(drop),
        store.user_by_name("ada").await.map(drop),
        store.users(None, 10).await.map(drop),
        store.start_session(new_session(ada.id)).await.map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { table: "users", .. }), "{error:?}");
    }
    // The rest of the store goes on.
    user(&store, "bob").await;
}

/// What a file of the first version lacks is made at open: whoever was there before is found by
/// address, and nobody can take their name's look.
#[tokio::test]
async fn a_file_of_the_first_version_is_indexed_when_it_is_opened() {
    const EMAILS: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new("emails");
    const LOOKS: TableDefinition<'_, (&str, u64), ()> = TableDefinition::new("looks");
    let (_dir, path) = place();
    let store = create(&path);
    let ada = user(&store, "ada").await;
    drop(store);
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    assert!(txn.delete_table(EMAILS).unwrap() && txn.delete_table(LOOKS).unwrap());
    txn.open_table(META).unwrap().insert("portcullis", 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    for _ in 0..2 {
        let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
        let clashes = store.clashes("AdA", "ADA@example.com").await.unwrap();
        assert!(clashes.look && clashes.email && !clashes.name);
        assert_eq!(
            store.users_by_email("ada@example.com").await.unwrap(),
            std::slice::from_ref(&ada)
        );
    }
}
