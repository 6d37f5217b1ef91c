//! Cookies (RFC 6265): read from a request, taken out of it, set, and kept from upstreams.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// What all names of our cookies begin with, behind a prefix that browsers know (RFC 6265bis
/// section 4.1.3). Names that begin so are kept from upstreams, in both directions.
const OURS: &[u8] = b"portcullis";
const PREFIXES: [&[u8]; 2] = [b"__host-", b"__secure-"];

/// The values of the cookies of that name, as they were sent.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let fields = headers.get_all(COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let rest = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        rest.strip_prefix(b"=")
    })
}

/// Takes our cookies out of a request: no upstream needs to see them.
pub fn strip_cookies(headers: &mut HeaderMap) {
    if !headers.get_all(COOKIE).iter().any(|field| speaks_of_ours(field.as_bytes())) {
        return;
    }
    let fields: Vec<_> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for field in fields {
        if let Some(left) = without_ours(&field) {
            headers.append(COOKIE, left);
        }
    }
}

/// Takes out of a response whatever sets a cookie of ours: nobody else has a say in them.
pub fn strip_set_cookies(headers: &mut HeaderMap) {
    let sets_ours = |field: &HeaderValue| {
        let pair = field.as_bytes().split(|byte| *byte == b';').next();
        pair.is_some_and(is_ours)
    };
    if !headers.get_all(SET_COOKIE).iter().any(sets_ours) {
        return;
    }
    let fields: Vec<_> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for field in fields.into_iter().filter(|field| !sets_ours(field)) {
        headers.append(SET_COOKIE, field);
    }
}

/// Whether it is worth a closer look.
fn speaks_of_ours(field: &[u8]) -> bool {
    field.windows(OURS.len()).any(|part| part.eq_ignore_ascii_case(OURS))
}

/// A field without our cookies; `None` if nothing is left of it.
fn without_ours(field: &HeaderValue) -> Option<HeaderValue> {
    let mut left = BytesMut::with_capacity(field.len());
    for pair in field.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        if pair.is_empty() || is_ours(pair) {
            continue;
        }
        if !left.is_empty() {
            left.extend_from_slice(b"; ");
        }
        left.extend_from_slice(pair);
    }
    if left.is_empty() {
        return None;
    }
    // Made of parts of a legal value.
    HeaderValue::from_maybe_shared(Bytes::from(left)).ok()
}

/// Whether a pair's name is one of ours, in any case: some servers compare without it. A pair
/// without a name, `=a=b`, comes back from browsers as its value alone, `a=b` (RFC 6265bis section
/// 5.8.3).
fn is_ours(pair: &[u8]) -> bool {
    let mut parts = pair.split(|byte| *byte == b'=').map(<[u8]>::trim_ascii);
    let name = parts.find(|part| !part.is_empty()).unwrap_or_default();
    let bare = PREFIXES.iter().find_map(|prefix| {
        let (start, rest) = name.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(rest)
    });
    let Some((start, rest)) = bare.unwrap_or(name).split_at_checked(OURS.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(OURS) && (rest.is_empty() || rest.starts_with(b"-"))
}

/// The cookie that holds a browser's session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SessionCookie {
    secure: bool,
}

/// What a request presents of it. `Debug` does not show the value.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Crumb<'a> {
    /// Nothing.
    Absent,
    /// Its value, not looked at yet.
    One(&'a [u8]),
    /// More than one: another host, or a page, has planted some.
    Several,
}

impl fmt::Debug for Crumb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::One(_) => "One(..)",
            Self::Several => "Several",
        })
    }
}

impl SessionCookie {
    /// The cookie of clients that come by https alone, or of those that try it out in clear.
    pub const fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// Whether it is for https alone.
    pub const fn is_secure(self) -> bool {
        self.secure
    }

    /// Its name. With `__Host-`, browsers take it from this host alone, over TLS, for every path.
    pub const fn name(self) -> &'static str {
        if self.secure { "__Host-portcullis" } else { "portcullis" }
    }

    /// Finds it in a request.
    pub fn find(self, headers: &HeaderMap) -> Crumb<'_> {
        let mut found = cookies(headers, self.name());
        match (found.next(), found.next()) {
            (None | Some(b""), None) => Crumb::Absent,
            (Some(value), None) => Crumb::One(value),
            (_, Some(_)) => Crumb::Several,
        }
    }

    /// The field that sets it, for so long; `None` if the value is none for a cookie.
    pub fn set(self, value: &str, life: Duration) -> Option<HeaderValue> {
        let (name, age) = (self.name(), life.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        let mut field = HeaderValue::try_from(text).ok()?;
        field.set_sensitive(true);
        Some(field)
    }

    /// The field that takes it away.
    pub fn clear(self) -> HeaderValue {
        HeaderValue::from_static(if self.secure {
            "__Host-portcullis=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        } else {
            "portcullis=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: &http::HeaderName, fields: &[&str]) -> HeaderMap {
        let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        fields.iter().map(|field| (name.clone(), value(field))).collect()
    }

    fn left(headers: &HeaderMap, name: &http::HeaderName) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_two_are_too_many() {
        let cookie = SessionCookie::new(true);
        for (fields, found) in [
            (&["__Host-portcullis=a.b.c"][..], Crumb::One(&b"a.b.c"[..])),
            (&["x=é; __Host-portcullis=a ;y=2"], Crumb::One(b"a")),
            (&["__Host-portcullis=a; __Host-portcullis=b"], Crumb::Several),
            (&["__Host-portcullis=a", "__Host-portcullis=a"], Crumb::Several),
            (&["__Host-portcullis=; __Host-portcullis=a"], Crumb::Several),
            (&["__Host-portcullis="], Crumb::Absent),
            (&["portcullis=a", "__host-portcullis=a; __Host-portcullis"], Crumb::Absent),
            (&["x__Host-portcullis=a; __Host-portcullis2=b"], Crumb::Absent),
            (&[], Crumb::Absent),
        ] {
            assert_eq!(cookie.find(&with(&COOKIE, fields)), found, "{fields:?}");
        }
        let open = SessionCookie::new(false);
        assert_eq!(
            open.find(&with(&COOKIE, &["portcullis=a; __Host-portcullis=b"])),
            Crumb::One(b"a")
        );
    }

    #[test]
    fn upstreams_neither_see_nor_set_them() {
        for (sent, kept) in [
            (&["a=1; portcullis=x; b=2"][..], &["a=1; b=2"][..]),
            (&["__Host-Portcullis=x"], &[]),
            (&["PORTCULLIS-device=x; __Secure-portcullis=y;", "c=portcullis"], &["c=portcullis"]),
            (&["portcullisd=1;portcullis =2; portcullis"], &["portcullisd=1"]),
            (&["a=1;b=2"], &["a=1;b=2"]),
            (&["a=1;; portcullis=x; ;b=2;"], &["a=1; b=2"]),
            // Of the same length.
            (&["portcullis=x; sessionids=y; sessionids-a=z"], &["sessionids=y; sessionids-a=z"]),
        ] {
            let mut headers = with(&COOKIE, sent);
            strip_cookies(&mut headers);
            assert_eq!(left(&headers, &COOKIE), kept, "{sent:?}");
        }
        let mut headers = with(
            &SET_COOKIE,
            &[
                "a=portcullis; Path=/",
                "Portcullis=x; Path=/",
                "=portcullis=x; Path=/",
                "__Host-portcullis-device=; Secure",
                // Without a name they would come back as if they had ours.
                "=portcullis=x",
                " = __Host-portcullis=x; Secure",
                "=c",
                "b",
            ],
        );
        strip_set_cookies(&mut headers);
        assert_eq!(left(&headers, &SET_COOKIE), ["a=portcullis; Path=/", "=c", "b"]);
    }

    #[test]
    fn a_cookie_is_set_unseen_and_taken_away_under_its_name() {
        for secure in [true, false] {
            let cookie = SessionCookie::new(secure);
            assert!(cookie.set("a.b.c", Duration::from_secs(1)).unwrap().is_sensitive());
            let cleared = cookie.clear();
            let cleared = cleared.to_str().unwrap();
            assert!(cleared.starts_with(&format!("{}=;", cookie.name())), "{cleared}");
            assert_eq!(cleared.ends_with("; Secure"), secure, "{cleared}");
        }
    }

    proptest! {
        /// Whatever is sent: what goes on holds no cookie of ours, and all others as they were.
        #[test]
        fn nothing_else_is_lost(
            pairs in prop::collection::vec("(portcullis|__Host-portcullis|a|session)(-x)?(=[a-z]{0,3})?", 0..8),
        ) {
            let mut headers = with(&COOKIE, &[&*pairs.join("; ")]);
            strip_cookies(&mut headers);
            let kept: Vec<_> = pairs.iter().filter(|pair| !is_ours(pair.as_bytes())).cloned().collect();
            prop_assert_eq!(left(&headers, &COOKIE).join("; "), kept.join("; "));
        }
    }
}
