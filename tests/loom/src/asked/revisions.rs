//! Revocation: what was acknowledged is noticed by whoever remembers what was before.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::always;
use crate::clock::AWAKE;
use crate::identity::UserId;
use crate::token::{Bumped, FreshnessSettings, Revisions};

const ADA: UserId = UserId(1);
/// Who shares no counter with her.
const BOB: UserId = UserId(2);

/// A store that puts nothing in order: whatever is in order here is so by the counters alone.
struct World {
    revisions: Revisions,
    is_over: AtomicU64,
    acknowledged: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let (revisions, is_over) = (Revisions::default(), AtomicU64::new(0));
        Arc::new(Self { revisions, is_over, acknowledged: AtomicU64::new(0) })
    }

    /// A session is committed as over, that is bumped, and then somebody is told.
    fn end(&self, bump: impl Fn(&Revisions)) {
        self.is_over.store(1, Ordering::Relaxed);
        bump(&self.revisions);
        self.acknowledged.store(1, Ordering::Release);
    }

    /// Learns what the store says of a session while it may end, and remembers it; whoever then has
    /// heard that it is over does not believe that memory.
    fn remember(&self) {
        let seen = self.revisions.of(ADA);
        let is_over = self.is_over.load(Ordering::Relaxed) == 1;
        if self.acknowledged.load(Ordering::Acquire) == 1 {
            assert!(is_over || !self.revisions.holds(seen), "it is over, and somebody is let in");
        }
    }
}

fn ends_by(bump: impl Fn(&Revisions) + Copy + Send + Sync + 'static) {
    always(move || {
        let world = World::new();
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.remember()
        });
        world.end(bump);
        other.join().unwrap();
    });
}

#[test]
fn what_ended_is_over_for_who_was_remembered() {
    ends_by(|revisions| revisions.bump(ADA));
    ends_by(|revisions| revisions.bump_quietly(ADA));
}

#[test]
fn so_it_is_where_everybody_is_meant() {
    ends_by(Revisions::bump_all);
    ends_by(Revisions::bump_everybody);
}

/// Who counts has seen the commit: a memory that was made after the bump is of what is now.
#[test]
fn what_is_learnt_under_the_new_counter_is_what_was_committed() {
    always(|| {
        let world = World::new();
        let before = world.revisions.of(ADA);
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.end(|revisions| revisions.bump(ADA))
        });
        if !world.revisions.holds(before) {
            assert_eq!(world.is_over.load(Ordering::Relaxed), 1, "bumped before the commit");
        }
        other.join().unwrap();
    });
}

/// Two at once, of one user: each makes what was seen before it another.
#[test]
fn bumps_add_up() {
    always(|| {
        let world = World::new();
        let (ada, bob) = (world.revisions.of(ADA), world.revisions.of(BOB));
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let seen = world.revisions.of(ADA);
                world.revisions.bump(ADA);
                assert!(!world.revisions.holds(seen));
            }
        });
        world.revisions.bump(ADA);
        other.join().unwrap();
        assert!(!world.revisions.holds(ada) && world.revisions.holds(bob));
    });
}

/// Whoever reads in the journal that somebody was bumped finds it done.
#[test]
fn news_comes_after_the_fact() {
    always(|| {
        let world = World::new();
        let seen = world.revisions.of(ADA);
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.revisions.bump(ADA)
        });
        let news = world.revisions.since(0).bumped.unwrap();
        if !news.is_empty() {
            assert_eq!(news, [Bumped::User(ADA)]);
            assert!(!world.revisions.holds(seen), "told before it was done");
        }
        other.join().unwrap();
    });
}

/// Who is in touch with others knows what they have changed: looked at in this order, and in no other.
#[test]
fn who_is_in_touch_has_heard_it() {
    always(|| {
        let settings = FreshnessSettings::default();
        AWAKE.store(0, std::sync::atomic::Ordering::Relaxed);
        let revisions = Arc::new(Revisions::shared(settings));
        AWAKE.store(100, std::sync::atomic::Ordering::Relaxed);
        let seen = revisions.of(ADA);
        let other = thread::spawn({
            let revisions = Arc::clone(&revisions);
            move || {
                revisions.bump(ADA);
                revisions.follow(std::time::Duration::from_secs(100));
            }
        });
        if revisions.stale().is_none() {
            assert!(!revisions.holds(seen), "in touch, and it was not heard");
        }
        other.join().unwrap();
    });
}
