//! What a reload takes over of the routes before it: what was counted, and nothing else.

use std::num::NonZeroU32;

use super::*;
use crate::clock::Timestamp;
use crate::limit::Quota;

/// A route that a user may take so often in an hour.
fn limited(key: &str, allow: &str, to: &str, count: u32) -> Route {
    let count = NonZeroU32::new(count).unwrap();
    let quota = Quota { count, per: Duration::from_secs(60 * 60) };
    let rates = Rates::new(&[Rate { quota, by: By::User, burst: None }]);
    Route { rates, ..route(key, allow, to) }
}

/// How often somebody may still take that route.
fn left(routes: &Routes, key: &str) -> usize {
    let route = routes.of_key(&Key::parse(key).unwrap()).unwrap();
    let (address, now) = ("192.0.2.1".parse().unwrap(), Timestamp::from_secs(1_000_000));
    let take = || {
        let rates = route.rates.as_ref().unwrap();
        rates.take_by_user(Some("7"), address, NonZeroU32::MIN, now, &mut String::new())
    };
    (0..100).take_while(|_| take().is_ok()).count()
}

#[test]
fn a_reload_keeps_what_was_counted_and_every_route_stays_itself() {
    let before = vec![
        limited("/a/*", "user", "a", 2),
        limited("/b/*", "role:b", "b", 3),
        route("/c/*", "anyone", "c"),
    ];
    let before = Routes::new(before, owned()).unwrap();
    assert_eq!((left(&before, "/a/*"), left(&before, "/b/*")), (2, 3));
    let after = vec![
        limited("/a/*", "role:a", "other", 2),
        limited("/b/*", "role:b", "b", 4),
        route("/c/*", "anyone", "c"),
        limited("/d/*", "user", "d", 5),
    ];
    let after = Routes::new(after, owned()).unwrap().inherit(&before);
    // Of another rate, and of a new route, nothing was counted.
    assert_eq!((left(&after, "/a/*"), left(&after, "/b/*"), left(&after, "/d/*")), (0, 4, 5));
    expect(
        &after,
        &[
            "role:a GET /a/x -> other",
            "user GET /a/x -> 403",
            "role:b GET /b/x -> b",
            "role:a GET /b/x -> 403",
            "anyone GET /b/x -> 401",
            "anyone GET /c/x -> c",
            "user GET /d/x -> d",
        ],
    );
}
