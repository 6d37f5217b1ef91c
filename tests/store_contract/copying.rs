//! A store becomes one of the other kind: all of it, in order, and nobody opens it before that.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use portcullis::store::transfer::{CopyTarget, Progress, RecordSender, Section, StoreRecord, Sums};
use portcullis::store::{
    CopySink, DatabaseCopy, FactorChange, FileCopy, NewToken, OpenError, OpenMode, PasskeyAdded,
    Piece, PostgresSettings, PostgresStore, Purpose, RedbStore, RowReader, SealedRing, Store,
};
use tokio_postgres::Client;

use crate::build::{at, user};
use crate::postgres::Cluster;
use crate::{formats, passkeys};

/// The rows of a file, by table.
type Rows = BTreeMap<String, Vec<(Vec<u8>, Vec<u8>)>>;

/// One of everything, with what only some of the records have.
async fn fill(store: &Arc<dyn Store>) {
    formats::fill(store).await;
    let eve = user(store, "eve").await;
    assert_eq!(store.add_passkey(eve.id, passkeys::new(2)).await.unwrap(), PasskeyAdded::Added);
    let used = store.change_factors(eve.id, passkeys::proof(2, 3), FactorChange::Nothing).await;
    assert!(used.unwrap());
    // Of two tokens the older comes first, whatever its hash is.
    for byte in [8, 3] {
        let token = NewToken {
            user: eve.id,
            purpose: Purpose::Email,
            hash: [byte; 32],
            basis: eve.basis(),
            address: String::new(),
            at: at(1),
            expires: at(50),
        };
        assert!(store.add_token(token).await.unwrap());
    }
}

async fn rows(store: &Arc<dyn Store>) -> Rows {
    let found = Arc::new(Mutex::new((String::new(), Rows::new())));
    let kept = Arc::clone(&found);
    let sink: CopySink = Box::new(move |piece| {
        let (table, rows) = &mut *kept.lock().unwrap();
        match piece {
            Piece::Table(name) => name.clone_into(table),
            Piece::Row { key, value } => {
                rows.entry(table.clone()).or_default().push((key.to_vec(), value.to_vec()));
            }
            Piece::Store { .. } | Piece::End => {}
        }
        Ok(())
    });
    store.copy_out(sink).await.unwrap();
    let (_, rows) = &mut *found.lock().unwrap();
    std::mem::take(rows)
}

/// The records of a store in a file.
async fn records(store: &Arc<dyn Store>) -> Vec<StoreRecord> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let (kept, mut reader) = (Arc::clone(&found), RowReader::default());
    let sink: CopySink = Box::new(move |piece| {
        let record = reader.take(piece).map_err(std::io::Error::other)?;
        kept.lock().unwrap().extend(record);
        Ok(())
    });
    store.copy_out(sink).await.unwrap();
    std::mem::take(&mut *found.lock().unwrap())
}

/// What pours out, where it may block.
async fn poured(pour: impl FnOnce(RecordSender) + Send + 'static) -> Vec<StoreRecord> {
    let (sender, mut batches) = tokio::sync::mpsc::channel(2);
    let pouring = tokio::task::spawn_blocking(move || pour(sender));
    let mut all = Vec::new();
    while let Some(batch) = batches.recv().await {
        all.extend(batch);
    }
    pouring.await.unwrap();
    all
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn progress(records: &[StoreRecord]) -> Progress {
    let mut sums = Sums::new();
    for record in records {
        sums.add(record);
    }
    sums.progress()
}

/// Stores all records in batches of a few, and reads them again.
async fn take(mut target: Box<dyn CopyTarget>, all: &[StoreRecord]) -> Box<dyn CopyTarget> {
    let all = all.to_vec();
    let (target, again) = blocking(move || {
        for (at, batch) in all.chunks(3).enumerate() {
            let to = progress(&all[..at * 3 + batch.len()]);
            target.take(batch.to_vec(), to).unwrap();
        }
        assert_eq!(target.progress(), progress(&all));
        (target, all)
    })
    .await;
    let shared = Arc::new(Mutex::new(Some(target)));
    let kept = Arc::clone(&shared);
    let found = poured(move |sender| {
        kept.lock().unwrap().as_ref().unwrap().pour(sender).unwrap();
    });
    assert_eq!(found.await, again);
    let target = shared.lock().unwrap().take();
    target.unwrap()
}

async fn open_database(settings: &PostgresSettings) -> Result<DatabaseCopy, OpenError> {
    let settings = settings.clone();
    blocking(move || DatabaseCopy::open(&settings, "a store")).await
}

async fn opened(settings: &PostgresSettings) -> Result<Arc<PostgresStore>, OpenError> {
    let settings = settings.clone();
    blocking(move || PostgresStore::open(&settings, OpenMode::CreateIfMissing)).await.map(Arc::new)
}

async fn everything_is_there(store: &Arc<dyn Store>) {
    formats::users_are_there(store).await;
    formats::sessions_are_there(store).await;
    formats::keys_are_there(store).await;
    formats::factors_are_there(store).await;
    formats::passkeys_are_there(store).await;
    formats::groups_and_invitations_are_there(store).await;
    formats::mail_is_there(store).await;
}

/// Columns of tables that are copied, in which no row has anything: what is lost there, no test sees.
async fn unused(client: &Client) -> Vec<String> {
    let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns \
               WHERE table_schema = 'portcullis' AND table_name NOT IN \
               ('layout', 'events', 'gateways', 'holds', 'tickets', 'charges')";
    let mut unused = Vec::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        let sql = format!("SELECT count({column}) FROM portcullis.{table}");
        let filled: i64 = client.query_one(&sql, &[]).await.unwrap().get(0);
        if filled == 0 {
            unused.push(format!("{table}.{column}"));
        }
    }
    unused
}

/// Every row of the tables that are copied.
async fn tables(client: &Client) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'portcullis' \
               AND tablename NOT IN ('layout', 'events', 'gateways', 'holds', 'tickets', 'charges')";
    let mut all = BTreeMap::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let table: String = row.get(0);
        let sql = format!("SELECT row_to_json(t)::text FROM portcullis.{table} t ORDER BY 1");
        let rows = client.query(&sql, &[]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_file_is_in_the_database_and_in_a_file_again() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    let file: Arc<dyn Store> = Arc::new(RedbStore::in_memory().unwrap());
    fill(&file).await;
    let (rows_before, all) = (rows(&file).await, records(&file).await);
    for section in Section::ALL {
        let has = all.iter().any(|record| record.section() == section);
        assert!(has, "nothing of {} is filled", section.name());
    }

    let database = cluster.database().await;
    let settings = cluster.settings(&database);
    let target = take(Box::new(open_database(&settings).await.unwrap()), &all).await;
    let ring = SealedRing { version: 1, sealed: vec![1, 2, 3] };
    let kept = ring.clone();
    blocking(move || target.finish(Some(kept))).await.unwrap();
    let client = cluster.client(&database).await;
    assert!(unused(&client).await.is_empty(), "{:?}", unused(&client).await);
    let store = opened(&settings).await.unwrap();
    let shared = Arc::clone(&store);
    let found = blocking(move || shared.rings().unwrap().ring().unwrap()).await;
    assert_eq!(found, Some(ring));
    let pouring = Arc::clone(&store);
    assert_eq!(poured(move |sender| pouring.pour(sender).unwrap()).await, all);

    let path = folder.path().join("back.redb");
    let target = Box::new(FileCopy::open(&path, "a database").unwrap());
    let target = take(target, &all).await;
    blocking(move || target.finish(None)).await.unwrap();
    let back: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
    // Each table, those by which others are found as well.
    assert_eq!(rows(&back).await, rows_before);

    // And there once more: every column of every table is as it was.
    let again = cluster.database().await;
    let settings = cluster.settings(&again);
    let all = records(&back).await;
    let target = take(Box::new(open_database(&settings).await.unwrap()), &all).await;
    let ring = SealedRing { version: 1, sealed: vec![1, 2, 3] };
    blocking(move || target.finish(Some(ring))).await.unwrap();
    assert_eq!(tables(&cluster.client(&again).await).await, tables(&client).await);

    let store: Arc<dyn Store> = store;
    for store in [&back, &store] {
        // Numbers go on, and nobody gets the id of somebody who is gone.
        assert_eq!(user(store, "next").await.id.0, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_opens_a_database_before_the_copy_is_finished() {
    let cluster = Cluster::start();
    let settings = cluster.settings(&cluster.database().await);
    let all = vec![
        StoreRecord::Deleted(portcullis::identity::UserId(7)),
        StoreRecord::Deleted(portcullis::identity::UserId(9)),
    ];
    let target = open_database(&settings).await.unwrap();
    let refused = |error: OpenError| error.to_string();
    let unfinished = "run the same `portcullis store copy` again";
    assert!(refused(opened(&settings).await.unwrap_err()).contains(unfinished));
    let asked = settings.clone();
    let migrated = blocking(move || PostgresStore::migrate(&asked)).await;
    assert!(refused(migrated.unwrap_err()).contains(unfinished));

    // Broken off after its first record, it goes on there; that of another store does not.
    let first = all.clone();
    blocking(move || {
        let mut target = target;
        target.take(first[..1].to_vec(), progress(&first[..1])).unwrap();
    })
    .await;
    let asked = settings.clone();
    let other = blocking(move || DatabaseCopy::open(&asked, "another store")).await;
    assert!(refused(other.unwrap_err()).contains("copy of another store"));
    let (mut one, mut two) =
        (open_database(&settings).await.unwrap(), open_database(&settings).await.unwrap());
    assert_eq!(one.progress(), progress(&all[..1]));
    // Of two at once, one goes on.
    let rest = all.clone();
    blocking(move || {
        one.take(rest[1..].to_vec(), progress(&rest)).unwrap();
        let late = two.take(rest[1..].to_vec(), progress(&rest)).unwrap_err();
        assert!(format!("{late:?}").contains("somebody else copies"), "{late:?}");
    })
    .await;
    let target = open_database(&settings).await.unwrap();
    blocking(move || Box::new(target).finish(None)).await.unwrap();
    let store: Arc<dyn Store> = opened(&settings).await.unwrap();
    assert_eq!(store.deleted(None, 9).await.unwrap().len(), 2);
    // What is a store is not copied over.
    let error = refused(open_database(&settings).await.unwrap_err());
    assert!(error.contains("there is a store with something in it"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_cleared_begins_anew() {
    let cluster = Cluster::start();
    let settings = cluster.settings(&cluster.database().await);
    let folder = tempfile::tempdir().unwrap();
    let file: Arc<dyn Store> = Arc::new(RedbStore::in_memory().unwrap());
    formats::fill(&file).await;
    let all = records(&file).await;
    let path = folder.path().join("copy.redb");
    let database: Box<dyn CopyTarget> = Box::new(open_database(&settings).await.unwrap());
    let in_file: Box<dyn CopyTarget> = Box::new(FileCopy::open(&path, "a store").unwrap());
    for target in [database, in_file] {
        let mut target = take(target, &all).await;
        let target = blocking(move || {
            target.clear().unwrap();
            assert_eq!(target.progress(), Progress::default());
            target
        })
        .await;
        let target = take(target, &all).await;
        blocking(move || target.finish(None)).await.unwrap();
    }
    let copy = reopen(&path);
    assert_eq!(rows(&copy).await, rows(&file).await);
    everything_is_there(&copy).await;
    let store: Arc<dyn Store> = opened(&settings).await.unwrap();
    everything_is_there(&store).await;
}

fn reopen(path: &Path) -> Arc<dyn Store> {
    Arc::new(RedbStore::open(path, OpenMode::Existing).unwrap())
}

#[tokio::test]
async fn nobody_opens_a_file_before_the_copy_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.redb");
    let all = vec![StoreRecord::Deleted(portcullis::identity::UserId(7))];
    let mut target = FileCopy::open(&path, "a store").unwrap();
    let locked = FileCopy::open(&path, "a store").unwrap_err();
    assert!(matches!(locked, OpenError::Locked { .. }), "{locked}");
    target.take(all.clone(), progress(&all)).unwrap();
    drop(target);
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing] {
        let error = RedbStore::open(&path, mode).unwrap_err().to_string();
        assert!(error.contains("run the same `portcullis store copy` again"), "{error}");
    }
    let other = FileCopy::open(&path, "another store").unwrap_err().to_string();
    assert!(other.contains("copy of another store"), "{other}");
    let target = FileCopy::open(&path, "a store").unwrap();
    assert_eq!(target.progress(), progress(&all));
    Box::new(target).finish(None).unwrap();
    let store = reopen(&path);
    assert_eq!(store.deleted(None, 9).await.unwrap().len(), 1);
    drop(store);
    let error = FileCopy::open(&path, "a store").unwrap_err().to_string();
    assert!(error.contains("there is a store with something in it"), "{error}");
}

/// A gateway that was started once has made one; what is no store is not touched.
#[tokio::test]
async fn a_file_is_taken_if_nothing_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.redb");
    drop(RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap());
    Box::new(FileCopy::open(&path, "a store").unwrap()).finish(None).unwrap();
    drop(reopen(&path));
    // An id was given there: another user must not get it.
    let store = reopen(&path);
    let gone = user(&store, "gone").await;
    store.delete_user(gone.id).await.unwrap();
    drop(store);
    assert!(FileCopy::open(&path, "a store").is_err());
    let alien = folder.path().join("alien");
    std::fs::write(&alien, "something else").unwrap();
    assert!(FileCopy::open(&alien, "a store").is_err());
    assert_eq!(std::fs::read(&alien).unwrap(), b"something else");
}
