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

    /// Takes a use by the address, before anybody knows whose it is. The limits are divided `among` so
    /// many gateways, see [`Limiter::spend`]; what is left of this one's part goes to `told`, as items of
    /// `RateLimit`.
    ///
    /// # Errors
    ///
    /// [`TooMany`]; nothing was taken.
    pub fn take_by_address(
        &self,
        client: IpAddr,
        among: NonZeroU32,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        let counted = |by| (by == By::Ip).then(|| Counted::Address(subnet(client)));
        self.take(counted, among, now, told)
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
        among: NonZeroU32,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        let nobody = || Counted::Address(subnet(client));
        let counted = |by| match by {
            By::User => Some(user.map_or_else(nobody, Counted::User)),
            By::Route => Some(Counted::All),
            By::Ip => None,
        };
        self.take(counted, among, now, told)
    }

    fn take<'a>(
        &self,
        counted: impl Fn(By) -> Option<Counted<'a>>,
        among: NonZeroU32,
        now: Timestamp,
        told: &mut String,
    ) -> Result<(), Box<TooMany>> {
        for (at, limit) in self.limits.iter().enumerate() {
            let Some(key) = counted(limit.rate.by) else { continue };
            match limit.limiter.spend(&key, among, now) {
                Ok(left) => limit.tell(left, told),
                Err(Exceeded(wait)) => {
                    for earlier in self.limits.iter().take(at) {
                        if let Some(key) = counted(earlier.rate.by) {
                            earlier.limiter.repay(&key, among);
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
mod tests;
