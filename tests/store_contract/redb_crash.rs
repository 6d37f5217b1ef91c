//! redb: a crash at any write leaves a login either before a step or after it. No family is there
//! twice, and no token comes back to life.

use std::sync::Arc;
use std::time::Duration;

use portcullis::identity::{SessionId, UserId};
use portcullis::store::{
    EndReason, NewSession, RedbStore, Rotation, RotationRequest, Session, Store, StoreError, User,
    UserChange,
};

use crate::build::{all_sessions, at, grant, hash, new_session, request, user};
use crate::disk::Disk;

/// The first session of the first user, and the one that a new password leaves.
const FIRST: SessionId = SessionId { number: 1, tag: 0xfeed };
const SECOND: SessionId = SessionId { number: 2, tag: 0xfeed };
const THIRD: SessionId = SessionId { number: 3, tag: 0xfeed };
const ADA: UserId = UserId(1);

/// What happens to one account, in this order.
#[derive(Clone, Copy, Debug)]
enum Step {
    LogIn,
    Rotate(SessionId, &'static str, &'static str),
    ChangePassword,
    LogOut(SessionId),
    LogInAgain,
    LogOutEverywhere,
}

const STEPS: [Step; 9] = [
    Step::LogIn,
    Step::Rotate(FIRST, "r0", "r1"),
    Step::Rotate(FIRST, "r1", "r2"),
    Step::ChangePassword,
    Step::Rotate(SECOND, "s0", "s1"),
    Step::LogOut(SECOND),
    Step::LogInAgain,
    Step::Rotate(THIRD, "t0", "t1"),
    Step::LogOutEverywhere,
];

/// Every refresh token that was ever made, and the steps between which it is good.
const TOKENS: [(SessionId, &str, usize, usize); 7] = [
    (FIRST, "r0", 1, 2),
    (FIRST, "r1", 2, 3),
    (FIRST, "r2", 3, 4),
    (SECOND, "s0", 4, 5),
    (SECOND, "s1", 5, 6),
    (THIRD, "t0", 7, 8),
    (THIRD, "t1", 8, 9),
];

fn open(disk: &Disk) -> Arc<dyn Store> {
    Arc::new(RedbStore::with_backend(disk.clone()).unwrap())
}

async fn start(store: &Arc<dyn Store>, jti: &str) -> Result<NewSession, StoreError> {
    let password_mark = store.user(ADA).await?.unwrap().password_mark;
    Ok(NewSession { password_mark, refresh: Some(grant(jti, 100)), ..new_session(ADA) })
}

/// Does a step that has to succeed unless the disk fails.
async fn take(store: &Arc<dyn Store>, step: Step) -> Result<(), StoreError> {
    match step {
        Step::LogIn | Step::LogInAgain => {
            let jti = if matches!(step, Step::LogIn) { "r0" } else { "t0" };
            store.start_session(start(store, jti).await?).await?.unwrap();
        }
        Step::Rotate(session, presented, successor) => {
            let rotation = store.rotate(request(session, presented, successor, 20)).await?;
            assert!(matches!(rotation, Rotation::Rotated(_)), "{step:?}: {rotation:?}");
        }
        Step::ChangePassword => {
            let session = start(store, "s0").await?;
            store.change_password(hash("second"), session).await?.unwrap();
        }
        Step::LogOut(session) => {
            assert!(store.end_session(session, at(30), EndReason::LoggedOut).await?);
        }
        Step::LogOutEverywhere => {
            store.change_user(ADA, UserChange::LoggedOutEverywhere(at(40))).await?.unwrap();
        }
    }
    Ok(())
}

/// All that the store knows of the account.
async fn state(store: &Arc<dyn Store>) -> (User, Vec<Session>) {
    (store.user(ADA).await.unwrap().unwrap(), all_sessions(store, ADA).await)
}

/// The sessions that neither ended nor are behind a mark of the user.
fn living((user, sessions): &(User, Vec<Session>)) -> Vec<SessionId> {
    let marks = [user.password_mark, user.logout_mark];
    let line = marks.iter().flatten().map(|mark| mark.session).max().unwrap_or_default();
    let living = sessions.iter().filter(|session| session.ended.is_none());
    living.map(|session| session.id).filter(|id| id.number > line).collect()
}

/// Whether a refresh token still buys something, tried on a copy of the disk.
async fn is_good(disk: &Disk, session: SessionId, jti: &str) -> bool {
    let store = open(&disk.after_kill());
    if !living(&state(&store).await).contains(&session) {
        return false;
    }
    let strict = RotationRequest { grace: Duration::ZERO, ..request(session, jti, "new", 50) };
    matches!(store.rotate(strict).await.unwrap(), Rotation::Rotated(_))
}

#[tokio::test]
async fn a_crash_at_any_write_revives_nothing_and_doubles_nothing() {
    let disk = Disk::default();
    let store = open(&disk);
    assert_eq!(user(&store, "ada").await.id, ADA);
    let mut states = vec![state(&store).await];
    for (done, step) in (1..).zip(STEPS) {
        take(&store, step).await.unwrap();
        states.push(state(&store).await);
        assert!(living(&states[done]).len() <= 1, "{step:?}");
        for (session, jti, from, to) in TOKENS {
            let good = is_good(&disk, session, jti).await;
            assert_eq!(good, (from..to).contains(&done), "{jti} after {step:?}");
        }
    }
    drop(store);

    let (mut good, mut survived) = (0, false);
    while !survived {
        assert!(good < 400, "the disk never got to the end");
        let disk = Disk::default();
        let store = open(&disk);
        user(&store, "ada").await;
        disk.fail_after(good);
        let mut done = 0;
        for step in STEPS {
            if take(&store, step).await.is_err() {
                break;
            }
            done += 1;
        }
        survived = done == STEPS.len();
        for wreck in [disk.after_power_loss(), disk.after_kill()] {
            let found = state(&open(&wreck)).await;
            let is = states.iter().position(|state| *state == found);
            // What was acknowledged is there, and the step under way is there wholly or not.
            assert!(is == Some(done) || is == Some(done + 1), "{is:?} of {done} at {good}");
        }
        drop(store);
        good += 1;
    }
    assert!(good > 3 * STEPS.len(), "only {good} places to crash at");
}
