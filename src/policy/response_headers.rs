//! `response_headers`: what the operator sets on the answers of upstreams, or removes from them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::web::is_framing;

/// Header fields to set, and to remove, in the order written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseHeaders(Vec<(HeaderName, Option<HeaderValue>)>);

/// Why a field cannot be set or removed, and what to do instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResponseHeaderError {
    /// It is no name.
    #[error("`{0}` is no header name; write one such as `X-Frame-Options`")]
    Name(String),
    /// The value cannot be sent.
    #[error("the value of `{0}` must be visible ASCII without space around it")]
    Value(HeaderName),
    /// It belongs to the connection, or the gateway sets it after all others.
    #[error("`{0}` is not for a route to set or remove; leave it out")]
    Reserved(HeaderName),
    /// It is there in another case.
    #[error("`{0}` is there twice; write it once")]
    Twice(HeaderName),
}

impl ResponseHeaders {
    /// Adds a field to set; an empty value removes it from what the upstream sent.
    ///
    /// # Errors
    ///
    /// A [`ResponseHeaderError`]; show it to whoever wrote the field.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), ResponseHeaderError> {
        use ResponseHeaderError as Error;
        let name: HeaderName = name.parse().map_err(|_| Error::Name(name.into()))?;
        // Cookies are the upstream's and the browser's; a removed date is made anew.
        let reserved = [header::SET_COOKIE, header::DATE, HeaderName::from_static("x-request-id")];
        if is_framing(&name) || reserved.contains(&name) {
            return Err(Error::Reserved(name));
        }
        if self.names().any(|known| *known == name) {
            return Err(Error::Twice(name));
        }
        let plain = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let made = HeaderValue::from_str(value).ok().filter(|_| plain && value.trim() == value);
        let made = made.ok_or_else(|| Error::Value(name.clone()))?;
        self.0.push((name, Some(made).filter(|value| !value.is_empty())));
        Ok(())
    }

    /// The names that are set or removed.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// Sets and removes; whatever was there under such a name is gone.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => headers.insert(name, value.clone()),
                None => headers.remove(name),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_set_once_or_removed() {
        let mut rules = ResponseHeaders::default();
        rules.add("X-Frame-Options", "DENY").unwrap();
        rules.add("server", "").unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("server", "a"), ("server", "b"), ("x-frame-options", "ALLOW"), ("x-other", "1")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-frame-options", HeaderValue::from_static("ALSO"));
        rules.apply(&mut headers);
        let mut left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(left, [("x-frame-options", "DENY"), ("x-other", "1")]);
    }

    #[test]
    fn what_is_not_the_routes_is_refused() {
        let add = |name: &str, value: &str| {
            let added = ResponseHeaders::default().add(name, value);
            added.map_err(|error| error.to_string())
        };
        for name in [
            "Connection",
            "keep-alive",
            "Transfer-Encoding",
            "Content-Length",
            "Upgrade",
            "TE",
            "Trailer",
            "Proxy-Connection",
            "Set-Cookie",
            "Date",
            "X-Request-Id",
        ] {
            let lower = name.to_lowercase();
            let message = format!("`{lower}` is not for a route to set or remove; leave it out");
            assert_eq!(add(name, "x"), Err(message.clone()));
            assert_eq!(add(name, ""), Err(message));
        }
        let message = "`X Y` is no header name; write one such as `X-Frame-Options`";
        assert_eq!(add("X Y", "x"), Err(message.into()));
        for value in ["a\r\nSet-Cookie: x=y", "é", " x", "x ", "a\tb", "\0"] {
            let message = "the value of `x-a` must be visible ASCII without space around it";
            assert_eq!(add("X-A", value), Err(message.into()), "{value:?}");
        }
        let mut rules = ResponseHeaders::default();
        rules.add("X-A", "1").unwrap();
        let twice = rules.add("x-a", "2").unwrap_err();
        assert_eq!(twice.to_string(), "`x-a` is there twice; write it once");
    }
}
