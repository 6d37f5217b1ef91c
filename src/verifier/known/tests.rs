//! What a verifier knows of sessions and users.

use super::*;

const TOKEN: Digest = [7; 32];

fn news(from: u64, to: u64, users: &[&str], at: u64) -> News {
    News {
        nonce: None,
        journal: "one".to_owned(),
        from,
        to,
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        everybody: false,
        keys: vec!["k".to_owned()],
        life: 60,
        at: at * 1000,
        age: 0,
    }
}

fn hear(known: &mut Known, news: News) {
    known.hear(news, Instant::now());
}

fn verdict(place: u64, name: Option<&str>) -> Verdict {
    let caller = name.map(|name| Caller {
        user_id: "7".to_owned(),
        username: name.to_owned(),
        email: None,
        roles: Vec::new(),
        amr: Vec::new(),
    });
    Verdict { nonce: String::new(), journal: "one".to_owned(), place, caller }
}

fn is_good(known: &Known, user: u64, issued: u64) -> bool {
    let standing = known.standing(UserId(user), Timestamp::from_secs(issued), &TOKEN);
    matches!(standing, Standing::Good)
}

#[test]
fn what_was_issued_before_a_change_is_asked_about() {
    let mut known = Known::default();
    hear(&mut known, news(5, 5, &[], 100));
    // What happened before the first word, nobody has told.
    assert!(!is_good(&known, 7, 100) && is_good(&known, 7, 101));
    hear(&mut known, news(5, 6, &["7"], 200));
    assert!(!is_good(&known, 7, 200) && is_good(&known, 7, 201) && is_good(&known, 8, 101));
    assert!(known.has_key(Some("k")) && !known.has_key(Some("x")) && !known.has_key(None));
}

#[test]
fn a_gap_another_journal_and_nonsense_make_everybody_doubtful() {
    let heard = || {
        let mut known = Known::default();
        hear(&mut known, news(5, 5, &[], 100));
        assert!(is_good(&known, 8, 101));
        known
    };
    let other = News { journal: "two".to_owned(), ..news(5, 6, &[], 200) };
    let everybody = News { everybody: true, ..news(5, 6, &[], 200) };
    for word in [news(6, 7, &[], 200), other, everybody, news(5, 6, &["x"], 200)] {
        let mut known = heard();
        hear(&mut known, word.clone());
        assert!(!is_good(&known, 8, 200) && is_good(&known, 8, 201), "{word:?}");
    }
}

#[test]
fn what_is_told_again_is_known_and_no_sign_of_life() {
    let began = Instant::now();
    let at = |seconds| began + Duration::from_secs(seconds);
    let mut known = Known::default();
    known.hear(news(5, 5, &[], 100), at(1));
    known.hear(news(5, 6, &["7"], 110), at(2));
    known.hear(News { keys: vec!["new".to_owned()], ..news(6, 6, &[], 110) }, at(4));
    // Both once more, as somebody between may send them for ever.
    for again in [news(5, 5, &[], 100), news(5, 6, &["8"], 300)] {
        known.hear(again, at(2));
        assert_eq!((known.heard, known.place), (Some(at(4)), 6));
        assert!(known.has_key(Some("new")) && !known.has_key(Some("k")));
    }
    assert!(is_good(&known, 8, 111) && !is_good(&known, 7, 110));
    // A word for all reaches further back than what this one was told.
    known.hear(news(4, 7, &["8"], 120), at(5));
    assert!(!is_good(&known, 8, 111) && is_good(&known, 9, 111));
    assert_eq!((known.heard, known.place), (Some(at(5)), 7));
}

#[test]
fn a_change_is_remembered_for_as_long_as_a_token_is_taken() {
    let forgotten_at = |leeway| {
        let mut known = Known::new(Duration::from_secs(leeway));
        hear(&mut known, news(0, 0, &[], 1));
        hear(&mut known, news(0, 1, &["7"], 100));
        let many: Vec<String> = (0..MOST_USERS).map(|it| (it + 1000).to_string()).collect();
        hear(&mut known, News { users: many, ..news(1, 2, &[], 170) });
        !known.users.contains_key(&UserId(7)) && !known.users.is_empty()
    };
    // Tokens live for 60 s.
    assert!(forgotten_at(0));
    assert!(!forgotten_at(10));
}

#[test]
fn an_answer_holds_until_the_next_change() {
    let mut known = Known::default();
    hear(&mut known, news(5, 5, &[], 100));
    let standing = |known: &Known| match known.standing(UserId(7), Timestamp::from_secs(50), &TOKEN)
    {
        Standing::Good => panic!("it is older than the first word"),
        Standing::Unknown => None,
        Standing::Answered(caller) => Some(caller.map(|caller| caller.username.clone())),
    };
    assert_eq!(standing(&known), None);
    known.learn(TOKEN, verdict(5, Some("alice")));
    assert_eq!(standing(&known), Some(Some("alice".to_owned())));
    hear(&mut known, news(5, 6, &["8"], 110));
    assert_eq!(standing(&known), Some(Some("alice".to_owned())));
    hear(&mut known, news(6, 7, &["7"], 110));
    assert_eq!(standing(&known), None);
    // An answer from before the change comes late.
    known.learn(TOKEN, verdict(6, Some("alice")));
    assert_eq!(standing(&known), None);
    known.learn(TOKEN, verdict(7, None));
    assert_eq!(standing(&known), Some(None));
    known.learn(TOKEN, Verdict { journal: "two".to_owned(), ..verdict(9, Some("eve")) });
    assert_eq!(standing(&known), Some(None));
}

#[test]
fn a_clock_that_was_set_back_makes_no_token_younger() {
    let mut known = Known::default();
    hear(&mut known, news(5, 5, &[], 100));
    hear(&mut known, news(5, 5, &[], 200));
    hear(&mut known, news(5, 6, &["7"], 150));
    hear(&mut known, news(6, 6, &[], 300));
    assert!(!is_good(&known, 7, 180) && is_good(&known, 7, 201) && is_good(&known, 8, 180));
}

#[test]
fn too_many_changes_are_everybodys() {
    let mut known = Known::default();
    hear(&mut known, news(0, 0, &[], 100));
    let many: Vec<String> = (0..=MOST_USERS).map(|user| user.to_string()).collect();
    let many = News { users: many, ..news(0, 1, &[], 200) };
    hear(&mut known, many);
    assert!(known.users.is_empty() && !is_good(&known, u64::MAX, 200));
}
