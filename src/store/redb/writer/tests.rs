use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as channel;

use futures_util::future::{join, join_all, poll_immediate};
use std::time::Duration;

use redb::backends::InMemoryBackend;

use super::*;
use crate::store::redb::all_tables;
use crate::store::redb::lasting::Lasting;
use crate::store::redb::tables::{NAMES, Source};

fn database() -> Arc<Live> {
    let disk = Lasting::new(InMemoryBackend::new());
    let db = Database::builder().create_with_backend(disk.clone()).unwrap();
    let txn = begin(&db).unwrap();
    all_tables::create(&txn).unwrap();
    txn.commit().unwrap();
    Arc::new(Live::new("test".into(), disk, db, Duration::ZERO))
}

fn stored(live: &Live, name: &str) -> Option<u64> {
    live.read(|view| view.number(&NAMES, name)).unwrap()
}

/// Keeps the thread busy until something is sent; what is queued meanwhile is one batch.
async fn busy(writer: &Writer) -> channel::Sender<()> {
    let (started, running) = channel::channel();
    let (release, wait) = channel::channel();
    let mut call = Box::pin(writer.call(move |_| {
        started.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    }));
    assert!(poll_immediate(&mut call).await.is_none());
    running.recv().unwrap();
    release
}

#[tokio::test]
async fn a_bad_call_does_not_fail_its_neighbours() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), Duration::ZERO).unwrap();
    let release = busy(&writer).await;
    let tries = Arc::new(AtomicUsize::new(0));
    let calls = join_all((0..9_u64).map(|number| {
        let tries = Arc::clone(&tries);
        writer.call(move |change| {
            tries.fetch_add(1, Ordering::Relaxed);
            change.put(&NAMES, number.to_string().as_str(), number)?;
            if number == 4 {
                return Err(StoreError::Unavailable("bad".into()));
            }
            Ok(number)
        })
    }));
    let mut all = Box::pin(calls);
    assert!(poll_immediate(&mut all).await.is_none());
    release.send(()).unwrap();
    for (number, answer) in (0..).zip(all.await) {
        let good = (number != 4).then_some(number);
        assert_eq!(answer.ok(), good);
        assert_eq!(stored(&db, &number.to_string()), good);
    }
    // Five went together until one was bad, then each of the nine went alone.
    assert_eq!(tries.load(Ordering::Relaxed), 5 + 9);
}

#[tokio::test]
async fn a_full_queue_waits_and_loses_nothing() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), Duration::ZERO).unwrap();
    let release = busy(&writer).await;
    let count = 2 * QUEUE as u64;
    let calls = join_all((0..count).map(|number| {
        writer.call(move |change| change.put(&NAMES, number.to_string().as_str(), number))
    }));
    let mut all = Box::pin(calls);
    assert!(poll_immediate(&mut all).await.is_none());
    release.send(()).unwrap();
    assert!(all.await.iter().all(Result::is_ok));
    assert!((0..count).all(|number| stored(&db, &number.to_string()) == Some(number)));
}

#[tokio::test]
async fn a_call_that_panics_is_the_only_one_that_fails() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), Duration::ZERO).unwrap();
    writer.call(|change| change.put(&NAMES, "before", 1)).await.unwrap();
    for alone in [true, false] {
        let release = busy(&writer).await;
        let bad = writer.call(|change| -> Result<(), StoreError> {
            change.put(&NAMES, "bad", 1)?;
            let _open = change.open(&NAMES)?;
            panic!("as a bug would")
        });
        let mut both = Box::pin(join(bad, async {
            if !alone {
                writer.call(|change| change.put(&NAMES, "neighbour", 2)).await.unwrap();
            }
        }));
        assert!(poll_immediate(&mut both).await.is_none());
        release.send(()).unwrap();
        let (bad, ()) = both.await;
        assert!(matches!(bad, Err(StoreError::Unavailable(_))));
        writer.call(|change| change.put(&NAMES, "later", 3)).await.unwrap();
        let names = ["before", "bad", "neighbour", "later"].map(|name| stored(&db, name));
        assert_eq!(names, [Some(1), None, (!alone).then_some(2), Some(3)]);
    }
    assert_eq!(writer.commits().failed.total(), 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), Duration::ZERO).unwrap();
    {
        let mut call = Box::pin(writer.call(|change| change.put(&NAMES, "gone", 1)));
        drop(poll_immediate(&mut call).await);
    }
    writer.call(|change| change.put(&NAMES, "next", 2)).await.unwrap();
    assert_eq!((stored(&db, "gone"), stored(&db, "next")), (Some(1), Some(2)));
}

/// Longer than any test runs.
const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn what_can_wait_shares_the_commit_of_what_cannot() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), LONG).unwrap();
    let soon = |name| writer.call_soon(move |change| change.put(&NAMES, name, 1));
    let announced = writer.commits().announce();
    soon("nothing was written before").await.unwrap();
    let mut both = Box::pin(join(soon("one"), soon("other")));
    assert!(poll_immediate(&mut both).await.is_none());
    writer.call(|change| change.put(&NAMES, "now", 1)).await.unwrap();
    let (one, other) = both.await;
    one.and(other).unwrap();
    assert_eq!(writer.commits().durations.so_far().count(), 2);
    drop(announced);
    soon("nobody else is coming").await.unwrap();
    assert_eq!(writer.commits().durations.so_far().count(), 3);
}

#[tokio::test]
async fn of_those_who_share_a_commit_one_goes_on_after_the_other() {
    const PACE: Duration = Duration::from_millis(200);
    let writer = Writer::start(database(), PACE).unwrap();
    // What is sent in one poll.
    for many in [2, 100] {
        let release = busy(&writer).await;
        let calls = (0..many).map(async |number: u32| {
            let name = format!("{number} of {many}");
            writer.call_soon(move |change| change.put(&NAMES, name.as_str(), 1)).await.unwrap();
            Instant::now()
        });
        let mut all = Box::pin(join_all(calls));
        assert!(poll_immediate(&mut all).await.is_none());
        release.send(()).unwrap();
        let done = all.await;
        let took = done.iter().max().unwrap().duration_since(*done.iter().min().unwrap());
        let gap = gap(many as usize, PACE);
        assert!(took >= gap * (many - 1), "{took:?}");
        assert!(gap <= GAP && gap * many <= PACE / 2, "the next commit is not far");
    }
}

#[tokio::test]
async fn what_waits_for_others_does_not_wait_for_good() {
    const PACE: Duration = Duration::from_millis(20);
    let begun = Instant::now();
    let writer = Writer::start(database(), PACE).unwrap();
    let _announced = writer.commits().announce();
    for name in ["at once", "later"] {
        writer.call_soon(move |change| change.put(&NAMES, name, 1)).await.unwrap();
    }
    assert!(begun.elapsed() >= PACE, "it did not wait");
}

#[tokio::test]
async fn what_waits_is_written_when_the_store_is_closed() {
    let db = database();
    let writer = Writer::start(Arc::clone(&db), LONG).unwrap();
    let announced = writer.commits().announce();
    writer.call(|change| change.put(&NAMES, "first", 1)).await.unwrap();
    {
        let mut call = Box::pin(writer.call_soon(|change| change.put(&NAMES, "last", 2)));
        assert!(poll_immediate(&mut call).await.is_none());
    }
    while writer.queue.as_ref().unwrap().capacity() < QUEUE {
        tokio::task::yield_now().await;
    }
    drop(announced);
    drop(writer);
    assert_eq!(stored(&db, "last"), Some(2));
}
