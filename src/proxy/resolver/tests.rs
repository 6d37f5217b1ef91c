//! Names whose answers come, change, fail, or never come.

use std::sync::mpsc;

use super::*;

fn addresses(of: &[&str]) -> Vec<SocketAddr> {
    of.iter().map(|text| text.parse().unwrap()).collect()
}

/// A resolver that answers what it is sent, and waits for that.
fn scripted() -> (mpsc::Sender<io::Result<Vec<SocketAddr>>>, Resolver) {
    let (answer, answers) = mpsc::channel();
    let answers = Mutex::new(answers);
    let resolver = Resolver::by(move || {
        answers.lock().unwrap().recv().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
    });
    (answer, resolver)
}

fn name(resolver: &Resolver) -> &Arc<Name> {
    match resolver {
        Resolver::Named(name) => name,
        Resolver::Fixed(_) => panic!("no name"),
    }
}

/// As if that much time had passed.
fn age(resolver: &Resolver, by: Duration) {
    let mut known = name(resolver).lock();
    known.good = known.good.map(|at| at.checked_sub(by).unwrap());
    let last = known.last.take();
    known.last = last.map(|(at, problem)| (at.checked_sub(by).unwrap(), problem));
}

async fn sorted(resolver: &Resolver) -> Vec<SocketAddr> {
    let mut found = resolver.resolve().await.unwrap();
    found.sort_unstable();
    found
}

fn failure() -> io::Result<Vec<SocketAddr>> {
    Err(io::Error::other("no name server"))
}

#[tokio::test]
async fn names_and_numbers_become_addresses() {
    let six = Resolver::new("::1", 80).resolve().await.unwrap();
    assert_eq!(six, addresses(&["[::1]:80"]));
    let resolver = Resolver::new("localhost", 80);
    let local = sorted(&resolver).await;
    assert!(!local.is_empty() && local.iter().all(|found| found.ip().is_loopback()));
    assert_eq!(sorted(&resolver).await, local);
}

#[tokio::test]
async fn an_unknown_name_is_an_error() {
    let resolver = Resolver::new("no-such-host.invalid", 80);
    for _ in 0..2 {
        assert!(resolver.resolve().await.is_err());
    }
}

#[tokio::test]
async fn every_address_of_a_name_has_its_turn_to_be_first() {
    let (answer, resolver) = scripted();
    let all = addresses(&["[::1]:1", "[::2]:1", "192.0.2.1:1", "[::3]:1"]);
    answer.send(Ok(all)).unwrap();
    let mut firsts = Vec::new();
    for _ in 0..6 {
        let found = resolver.resolve().await.unwrap();
        assert_eq!(found.len(), 4);
        // What the system likes less is tried when the others fail.
        assert!(found[3].is_ipv4());
        firsts.push(found[0]);
    }
    assert_eq!(firsts, addresses(&["[::1]:1", "[::2]:1", "[::3]:1"]).repeat(2));
}

#[tokio::test]
async fn an_answer_is_believed_for_a_while_and_asked_for_again() {
    let (answer, resolver) = scripted();
    answer.send(Ok(addresses(&["192.0.2.1:1"]))).unwrap();
    answer.send(Ok(addresses(&["192.0.2.2:1"]))).unwrap();
    assert_eq!(sorted(&resolver).await, addresses(&["192.0.2.1:1"]));
    age(&resolver, BELIEVED / 2);
    assert_eq!(sorted(&resolver).await, addresses(&["192.0.2.1:1"]));
    age(&resolver, BELIEVED);
    assert_eq!(sorted(&resolver).await, addresses(&["192.0.2.2:1"]));
}

#[tokio::test]
async fn a_name_server_that_fails_or_is_silent_leaves_the_last_good_answer() {
    let (answer, resolver) = scripted();
    let good = addresses(&["192.0.2.1:1"]);
    answer.send(Ok(good.clone())).unwrap();
    assert_eq!(sorted(&resolver).await, good);
    for said in [failure(), Ok(Vec::new())] {
        answer.send(said).unwrap();
        age(&resolver, BELIEVED);
        assert_eq!(sorted(&resolver).await, good);
    }
    // No answer at all: it is waited for a moment.
    age(&resolver, BELIEVED);
    assert_eq!(sorted(&resolver).await, good);
    // But not for ever.
    age(&resolver, KEPT);
    answer.send(failure()).unwrap();
    let error = resolver.resolve().await.unwrap_err();
    assert_eq!(error.to_string(), "no name server");
}

#[tokio::test]
async fn those_who_ask_together_share_one_look_up_and_may_go_away() {
    let (answer, resolver) = scripted();
    let impatient = timeout(Duration::from_millis(1), resolver.resolve()).await;
    assert!(impatient.is_err());
    let both = async { tokio::join!(resolver.resolve(), resolver.resolve()) };
    let told = async { answer.send(Ok(addresses(&["192.0.2.1:1"]))).unwrap() };
    let ((one, two), ()) = tokio::join!(both, told);
    // Had each asked for itself, nobody would have answered the second.
    assert_eq!(one.unwrap(), two.unwrap());
}

#[tokio::test]
async fn a_connection_to_an_address_that_the_name_lost_is_not_used_again() {
    let (answer, resolver) = scripted();
    let [one, two, three] = addresses(&["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"])[..] else {
        panic!("three")
    };
    let (mut stays, mut goes) = (Peer::from(one), Peer::from(two));
    // Nothing is known yet.
    assert!(resolver.still_means(&mut stays) && resolver.still_means(&mut goes));
    for said in [vec![one, two], vec![two, one], vec![three, one]] {
        answer.send(Ok(said.clone())).unwrap();
        age(&resolver, BELIEVED);
        resolver.resolve().await.unwrap();
        assert!(resolver.still_means(&mut stays));
        assert_eq!(resolver.still_means(&mut goes), said.contains(&two), "{said:?}");
    }
    // The moves were seen, so that nobody looks into the list again.
    assert_eq!(stays.moves, Some(name(&resolver).moves.load(Ordering::Relaxed)));
    let mut number = Peer::from(one);
    assert!(Resolver::new("192.0.2.9", 1).still_means(&mut number));
}

#[tokio::test]
async fn a_name_is_looked_up_again_only_while_it_is_used() {
    let (answer, resolver) = scripted();
    let mut answers = name(&resolver).answered.subscribe();
    resolver.refresh();
    assert!(!name(&resolver).lock().asking, "nobody asked");
    answer.send(Ok(addresses(&["192.0.2.1:1"]))).unwrap();
    resolver.resolve().await.unwrap();
    answers.mark_unchanged();
    answer.send(Ok(addresses(&["192.0.2.2:1"]))).unwrap();
    resolver.refresh();
    answers.changed().await.unwrap();
    assert_eq!(sorted(&resolver).await, addresses(&["192.0.2.2:1"]));
    name(&resolver).used.store(false, Ordering::Relaxed);
    resolver.refresh();
    assert!(!name(&resolver).lock().asking);
}
