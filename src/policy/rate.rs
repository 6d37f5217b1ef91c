//! `rate`: how often a route may be used, and by whom that is counted.

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::clock::Timestamp;
use crate::limit::{Exceeded, Left, Limiter, Quota, subnet};

/// By whom the uses of a route are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// By the user; where there is none, by the address.
    User,
    /// By the address of the client; a /64 of IPv6 is one.
    Ip,
    /// All together.
    Route,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Ip => "ip",
            Self::Route => "route",
        })
    }
}

/// One limit, such as `600/m per user burst 10`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// So many in so long.
    pub quota: Quota,
    /// By whom it is counted.
    pub by: By,
    /// How many may come at once; `None` is all of the quota.
    pub burst: Option<NonZeroU32>,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quota { count, per } = self.quota;
        write!(f, "{count}/{} per {}", humantime::format_duration(per), self.by)?;
        self.burst.map_or(Ok(()), |burst| write!(f, " burst {burst}"))
    }
}

/// The limits of a route with what was used of them. Clones share it, and so do all cores.
#[derive(Clone, Debug)]
pub struct Rates {
    limits: Arc<[Limit]>,
    policy: HeaderValue,
}

#[derive(Debug)]
struct Limit {
    rate: Rate,
    /// What the response fields call it.
    name: String,
    limiter: Limiter,
}

/// The request is one too many: answer 429.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {rate}")]
pub struct TooMany {
    /// The limit that is reached.
    pub rate: Rate,
    /// When the next request will pass.
    pub wait: Duration,
    /// `RateLimit-Policy`.
    pub policy: HeaderValue,
    /// `RateLimit`.
    pub limit: HeaderValue,
}

/// Who uses a route, as it is counted.
#[derive(Clone, Copy, Debug, Hash)]
enum Counted<'a> {
    User(&'a str),
    Address(u64),
    All,
}

impl Rates {
    /// Limits that nobody has used yet; `None` if there are none.
    pub fn new(rates: &[Rate]) -> Option<Self> {
        let mut limits: Vec<Limit> = Vec::new();
        let mut policy = String::new();
        for rate in rates {
            let same = limits.iter().filter(|limit| limit.rate.by == rate.by).count();
            let name =
                if same == 0 { rate.by.to_string() } else { format!("{}-{}", rate.by, same + 1) };
            let Quota { count, per } = rate.quota;
            let comma = if policy.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            write!(policy, "{comma}\"{name}\";q={count}").ok();
            if per.subsec_nanos() == 0 {
                write!(policy, ";w={}", per.as_secs()).ok();
            }
            let limiter = Limiter::with_burst(rate.quota, rate.burst.unwrap_or(count));
            limits.push(Limit { rate: *rate, name, limiter });
        }
        // Digits, words and signs that a field may hold.
        let policy = HeaderValue::try_from(policy).ok()?;
        (!limits.is_empty()).then(|| Self { limits: limits.into(), policy })
    }

    /// Whether both allow the same.
    pub(super) fn are_alike(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }

    /// The limits.
    pub fn iter(&self) -> impl Iterator<Item = &Rate> {
        self.limits.iter().map(|limit| &limit.rate)
    }

    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10 section 3), of all limits.
    pub const fn policy(&self) -> &HeaderValue {
        &self.policy
    }

    /// Takes a use by the address, before anybody knows whose it is. What is left goes to
    /// `told`, as items of `RateLimit`.
    ///
    /// # Errors
    ///
    /// [`TooMany`]; nothing was taken.
    pub fn take_by_address(
        &self,
        client: IpAddr,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        self.take(|by| (by == By::Ip).then(|| Counted::Address(subnet(client))), now, told)
    }

    /// Takes a use by the user and of the route, after its caller is known and may use it.
    ///
    /// # Errors
    ///
    /// [`TooMany`]; nothing was taken.
    pub fn take_by_user(
        &self,
        user: Option<&str>,
        client: IpAddr,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        let nobody = || Counted::Address(subnet(client));
        let counted = |by| match by {
            By::User => Some(user.map_or_else(nobody, Counted::User)),
            By::Route => Some(Counted::All),
            By::Ip => None,
        };
        self.take(counted, now, told)
    }

    fn take<'a>(
        &self,
        counted: impl Fn(By) -> Option<Counted<'a>>,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        for (at, limit) in self.limits.iter().enumerate() {
            let Some(key) = counted(limit.rate.by) else { continue };
            match limit.limiter.spend(&key, now) {
                Ok(left) => limit.tell(left, told),
                Err(Exceeded(wait)) => {
                    for earlier in self.limits.iter().take(at) {
                        if let Some(key) = counted(earlier.rate.by) {
                            earlier.limiter.give_back(&key);
                        }
                    }
                    return Err(Box::new(limit.refuse(wait, &self.policy)));
                }
            }
        }
        Ok(())
    }
}

impl Limit {
    fn tell(&self, left: Left, told: &mut String) {
        let comma = if told.is_empty() { "" } else { ", " };
        let Left { events, whole_in } = left;
        let whole_in = seconds(whole_in);
        // Writing to a String cannot fail.
        write!(told, "{comma}\"{}\";r={events};t={whole_in}", self.name).ok();
    }

    fn refuse(&self, wait: Duration, policy: &HeaderValue) -> TooMany {
        let mut limit = String::new();
        self.tell(Left { events: 0, whole_in: wait }, &mut limit);
        let limit = HeaderValue::try_from(limit);
        let limit = limit.unwrap_or_else(|_| HeaderValue::from_static(""));
        TooMany { rate: self.rate, wait, policy: policy.clone(), limit }
    }
}

/// Whole seconds, never too few.
fn seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0))
}

impl TooMany {
    /// `Retry-After`, in seconds: at least one.
    pub fn retry_after(&self) -> u64 {
        seconds(self.wait).max(1)
    }
}

#[cfg(test)]
mod tests {
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
            let taken = rates.take_by_user(Some(user), addr("192.0.2.1"), NOW, &mut told);
            taken.map(|()| told).map_err(|error| (error.limit, error.wait))
        };
        assert_eq!(take("1").unwrap(), r#""user";r=1;t=30, "route";r=2;t=20"#);
        assert_eq!(take("1").unwrap(), r#""user";r=0;t=60, "route";r=1;t=40"#);
        let (limit, wait) = take("1").unwrap_err();
        assert_eq!(
            (limit.to_str().unwrap(), wait),
            (r#""user";r=0;t=30"#, Duration::from_secs(30))
        );
        assert_eq!(take("2").unwrap(), r#""user";r=1;t=30, "route";r=0;t=60"#);
        // The route is used up: the user's own is not spent on it.
        for _ in 0..3 {
            assert_eq!(take("2").unwrap_err().0, r#""route";r=0;t=20"#);
        }
        let mut told = String::new();
        let later = NOW.plus(Duration::from_secs(20));
        rates.take_by_user(Some("2"), addr("192.0.2.1"), later, &mut told).unwrap();
        assert!(told.starts_with(r#""user";r=0;"#), "{told}");
    }

    #[test]
    fn nobody_is_counted_by_address_and_apart_from_every_user() {
        let rates = Rates::new(&[rate(1, 60, By::User, None)]).unwrap();
        let take = |user: Option<&str>, client: &str| {
            rates.take_by_user(user, addr(client), NOW, &mut String::new()).is_ok()
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
            rates.take_by_address(addr("192.0.2.1"), NOW, &mut String::new()).is_ok()
        };
        let other = rates.clone();
        assert!(take(&other) && !take(&rates));
    }
}
