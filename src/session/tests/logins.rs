//! The living sessions of everybody.

use super::*;
use crate::store::EndReason;

impl World {
    /// Who is logged in, newest session first, in parts of that size, looked for as long as `time`.
    async fn living(&self, most: usize, time: Duration) -> (Vec<String>, usize) {
        let (mut names, mut before, mut parts) = (Vec::new(), None, 0);
        loop {
            let part = self.accounts.look(None, before, most, |_| true, time).await.unwrap();
            assert!(part.sessions.len() <= most);
            for (session, name) in part.sessions {
                assert!(before.is_none_or(|before| session.id.number < before));
                names.push(name);
            }
            parts += 1;
            let Some(next) = part.next else { return (names, parts) };
            assert!(before.is_none_or(|before| next < before), "it goes on");
            before = Some(next);
        }
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn sessions_that_are_over_are_nobodys() {
    let world = world(rotating(10));
    let names = async || world.living(9, LONG).await.0;
    assert_eq!(names().await, [] as [&str; 0]);
    let [ada, bob, eve] =
        [world.user("ada").await, world.user("bob").await, world.user("eve").await];
    for user in [&ada, &bob, &ada, &eve] {
        world.log_in(user).await;
    }
    assert_eq!(names().await, ["eve", "ada", "bob", "ada"]);
    let everywhere = UserChange::LoggedOutEverywhere(world.clock.now());
    world.accounts.change(ada.id, everywhere).await.unwrap();
    assert_eq!(names().await, ["eve", "bob"]);
    world.log_in(&ada).await;
    assert_eq!(names().await, ["ada", "eve", "bob"]);
    let eves = world.accounts.sessions(eve.id, 1).await.unwrap()[0].id;
    world.accounts.end_session(eve.id, eves, EndReason::Operator).await.unwrap();
    assert_eq!(names().await, ["ada", "bob"]);
    world.accounts.set_password(bob.id, Secret::from("second-Phrase".to_owned())).await.unwrap();
    assert_eq!(names().await, ["ada"]);
    world.log_in(&eve).await;
    world.accounts.delete(ada.id).await.unwrap();
    assert_eq!(names().await, ["eve"]);
    world.clock.advance(Duration::from_secs(400 * 24 * 60 * 60));
    assert_eq!(names().await, [] as [&str; 0]);
}

#[tokio::test]
async fn each_is_found_once_however_few_at_a_time() {
    let world = world(rotating(10));
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let mut expected = Vec::new();
    // More than are read at once.
    for number in 0..450 {
        let (user, name) = if number % 3 == 0 { (&bob, "bob") } else { (&ada, "ada") };
        world.log_in(user).await;
        expected.insert(0, name);
    }
    for (most, time, parts) in [
        (500, LONG, 1),
        (100, LONG, 5),
        (7, LONG, 65),
        // As many as are read at once, if there is no more time.
        (500, Duration::ZERO, 3),
    ] {
        let (found, took) = world.living(most, time).await;
        assert_eq!((&found, took), (&expected.iter().map(ToString::to_string).collect(), parts));
    }
    let everywhere = UserChange::LoggedOutEverywhere(world.clock.now());
    world.accounts.change(ada.id, everywhere).await.unwrap();
    assert_eq!(world.living(500, Duration::ZERO).await.0.len(), 150);
    // Of one user no more is looked at than it takes, and none is missed for lack of time.
    let bobs = world.accounts.look(Some(&bob), None, 500, |_| true, Duration::ZERO).await.unwrap();
    assert_eq!((bobs.sessions.len(), bobs.next), (150, None));
    let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
    let calls = world.store.calls();
    let adas = world.accounts.look(Some(&ada), None, 500, |_| true, LONG).await.unwrap();
    assert_eq!((adas.sessions.len(), adas.next), (0, None));
    assert_eq!(world.store.calls() - calls, 1, "all that are older are behind the mark");
}

#[tokio::test]
async fn of_one_user_all_are_looked_at_however_long_it_takes() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    // More than are read at once.
    for _ in 0..210 {
        world.log_in(&ada).await;
    }
    let adas = world.accounts.look(Some(&ada), None, 500, |_| true, Duration::ZERO).await.unwrap();
    assert_eq!((adas.sessions.len(), adas.next), (210, None));
}

#[tokio::test]
async fn a_session_lives_until_its_last_moment_and_is_ended_once() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    world.log_in(&ada).await;
    world.log_in(&ada).await;
    let found = world.accounts.sessions(ada.id, 9).await.unwrap();
    let [late, early] = &found[..] else { panic!("{found:?}") };
    let end = async |session| {
        world.accounts.end_session(ada.id, session, EndReason::Operator).await.unwrap()
    };
    assert!(end(early.id).await && !end(early.id).await);
    let left = late.expires.since(world.clock.now());
    world.clock.advance(left.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(world.accounts.sessions(ada.id, 9).await.unwrap().len(), 1);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.accounts.sessions(ada.id, 9).await.unwrap().len(), 0);
    assert!(!end(late.id).await, "it is over by itself");
}

#[tokio::test]
async fn those_that_are_not_looked_for_cost_no_look_at_their_users() {
    let world = world(rotating(10));
    for number in 0..20 {
        let user = world.user(&format!("user-{number}")).await;
        world.log_in(&user).await;
    }
    let calls = world.store.calls();
    let taken = |session: &crate::store::Session| session.id.number == 7;
    let living = world.accounts.living_sessions(None, None, 50, taken).await.unwrap();
    let names: Vec<_> = living.sessions.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!((names.as_slice(), living.next), (&["user-6"][..], None));
    assert_eq!(world.store.calls() - calls, 2);
}
