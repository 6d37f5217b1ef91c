//! What rates let through, and what they tell.

use super::*;

fn rate(count: u32, secs: u64, by: By, burst: Option<u32>) -> Rate {
    let count = NonZeroU32::new(count).unwrap();
    let quota = Quota { count, per: Duration::from_secs(secs) };
    Rate { quota, by, burst: burst.map(|burst| NonZeroU32::new(burst).unwrap()) }
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const ONE: NonZeroU32 = NonZeroU32::MIN;

#[test]
fn each_limit_has_a_name_of_its_own() {
    let rates = Rates::new(&[
        rate(600, 60, By::User, Some(10)),
        rate(5000, 86_400, By::User, None),
        rate(60, 60, By::Ip, None),
    ]);
    let rates = rates.unwrap();
    let policy = r#""user";q=600;w=60, "user-2";q=5000;w=86400, "ip";q=60;w=60"#;
    assert_eq!(rates.policy(), policy);
    let shown: Vec<_> = rates.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["600/1m per user burst 10", "5000/1day per user", "60/1m per ip"]);
    assert!(Rates::new(&[]).is_none());
}

#[test]
fn what_is_left_is_told_and_what_is_refused_costs_nothing() {
    let rates = Rates::new(&[rate(2, 60, By::User, None), rate(3, 60, By::Route, None)]);
    let rates = rates.unwrap();
    let take = |user| {
        let mut told = String::new();
        let taken = rates.take_by_user(Some(user), addr("192.0.2.1"), ONE, NOW, &mut told);
        taken.map(|()| told).map_err(|error| (error.limit, error.wait))
    };
    assert_eq!(take("1").unwrap(), r#""user";r=1;t=30, "route";r=2;t=20"#);
    assert_eq!(take("1").unwrap(), r#""user";r=0;t=60, "route";r=1;t=40"#);
    let (limit, wait) = take("1").unwrap_err();
    assert_eq!((limit.to_str().unwrap(), wait), (r#""user";r=0;t=30"#, Duration::from_secs(30)));
    assert_eq!(take("2").unwrap(), r#""user";r=1;t=30, "route";r=0;t=60"#);
    // The route is used up: the user's own is not spent on it.
    for _ in 0..3 {
        assert_eq!(take("2").unwrap_err().0, r#""route";r=0;t=20"#);
    }
    let mut told = String::new();
    let later = NOW.plus(Duration::from_secs(20));
    rates.take_by_user(Some("2"), addr("192.0.2.1"), ONE, later, &mut told).unwrap();
    assert!(told.starts_with(r#""user";r=0;"#), "{told}");
}

#[test]
fn nobody_is_counted_by_address_and_apart_from_every_user() {
    let rates = Rates::new(&[rate(1, 60, By::User, None)]).unwrap();
    let take = |user: Option<&str>, client: &str| {
        rates.take_by_user(user, addr(client), ONE, NOW, &mut String::new()).is_ok()
    };
    assert!(take(None, "192.0.2.1"));
    assert!(!take(None, "192.0.2.1"));
    assert!(take(None, "192.0.2.2"));
    assert!(take(None, "2001:db8::1") && !take(None, "2001:db8::2"));
    // 192.0.2.3 as a number is nobody's name.
    assert!(take(Some("3221225987"), "192.0.2.1") && take(None, "192.0.2.3"));
    assert!(take(Some("corp:7"), "192.0.2.1") && take(Some("7"), "192.0.2.1"));
    assert!(!take(Some("7"), "192.0.2.9"));
}

#[test]
fn clones_share_what_is_used() {
    let rates = Rates::new(&[rate(1, 60, By::Ip, None)]).unwrap();
    let take = |rates: &Rates| {
        rates.take_by_address(addr("192.0.2.1"), ONE, NOW, &mut String::new()).is_ok()
    };
    let other = rates.clone();
    assert!(take(&other) && !take(&rates));
}
