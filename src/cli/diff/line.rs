//! A line of an access log, and what it says of who sent the request.

use std::net::IpAddr;

use serde::Deserialize;

use crate::gateway::ACCESS_LOG;

/// The fields that a policy looks at, and those that tell what became of the request.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    target: String,
    pub(super) request_id: Option<String>,
    pub(super) client: Option<IpAddr>,
    method: Option<String>,
    host: Option<String>,
    path: Option<String>,
    pub(super) status: u16,
    pub(super) code: Option<String>,
    pub(super) route: Option<String>,
    pub(super) user: Option<String>,
    pub(super) key: Option<u64>,
}

/// What a line is good for.
#[derive(Debug)]
pub(super) enum Read {
    /// A request that a policy was asked about.
    Request(Box<Request>),
    /// A request that was refused for its form, whatever the policy.
    Before,
    /// No line of an access log of ours.
    Foreign,
}

/// A request, as far as it was written down.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) line: Line,
}

/// Who sent it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sender {
    /// A user of our own, perhaps by an API key.
    User(u64, Option<u64>),
    /// Somebody whom another issuer vouches for, with roles that only the token said.
    Foreign,
    /// Somebody without a credential.
    Nobody,
    /// Somebody with a credential that was no good.
    Broken,
    /// It was over before anybody was asked.
    Unasked,
}

/// Codes of what is refused for its form, or for coming in clear, whatever the policy says.
const FORM: [&str; 11] = [
    "bad_field",
    "bad_framing",
    "bad_host",
    "bad_target",
    "expectation",
    "head_too_large",
    "host_mismatch",
    "in_clear",
    "malformed",
    "target_too_long",
    "too_many_fields",
];

/// What refuses a request of which nobody has asked who sent it, or nobody has written it down.
const UNASKED: [&str; 5] =
    ["client_gone", "forbidden_address", "keys_unavailable", "store_unavailable", "throttled"];

impl Read {
    pub(super) fn of(text: &[u8]) -> Self {
        let Ok(mut line) = serde_json::from_slice::<Line>(text) else { return Self::Foreign };
        if line.target != ACCESS_LOG {
            return Self::Foreign;
        }
        let named = (line.method.take(), line.path.take());
        // What was no request has its line, too.
        let (Some(method), Some(path)) = named else { return Self::Before };
        let host = line.host.take().unwrap_or_default();
        let refused = line.code.as_deref().filter(|_| line.route.is_none());
        // A listener that only redirects has answered it: nothing else of ours says 308.
        let redirected = line.status == 308 && line.route.is_none() && line.code.is_none();
        if redirected || refused.is_some_and(|code| FORM.contains(&code)) {
            return Self::Before;
        }
        Self::Request(Box::new(Request { method, host, path, line }))
    }
}

impl Line {
    /// Who sent the request, as far as the line tells.
    pub(super) fn sender(&self) -> Sender {
        if let Some(user) = &self.user {
            return user.parse().map_or(Sender::Foreign, |id| Sender::User(id, self.key));
        }
        match self.code.as_deref() {
            _ if self.route.is_none() => Sender::Unasked,
            Some(code) if UNASKED.contains(&code) => Sender::Unasked,
            Some("no_credentials") | None => Sender::Nobody,
            Some("ambiguous_ticket") => Sender::Broken,
            Some(_) if self.status == 401 => Sender::Broken,
            Some(_) => Sender::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renamed ones would be judged as if a route had decided them.
    #[test]
    fn the_codes_are_those_of_refusals() {
        let page = include_str!("../../../docs/refusals.md");
        for code in FORM.iter().chain(&UNASKED) {
            assert!(page.contains(&format!("| `{code}` |")), "{code}");
        }
    }

    #[test]
    fn what_only_redirects_is_decided_by_no_rule() {
        let text = |rest: &str| {
            let line = r#"{"target":"portcullis::access","method":"GET","path":"/x""#;
            format!("{line},{rest}}}").into_bytes()
        };
        let is_before = |rest: &str| matches!(Read::of(&text(rest)), Read::Before);
        assert!(is_before(r#""status":308"#));
        assert!(is_before(r#""status":403,"code":"in_clear""#));
        assert!(!is_before(r#""status":308,"route":"/x""#));
        assert!(!is_before(r#""status":404,"code":"no_route""#));
    }

    fn line(fields: &str) -> Vec<u8> {
        format!(r#"{{"target":"portcullis::access","status":200{fields}}}"#).into_bytes()
    }

    fn sender(fields: &str) -> String {
        let text = line(&format!(r#","method":"GET","path":"/x"{fields}"#));
        let Read::Request(request) = Read::of(&text) else { panic!("no request: {fields}") };
        format!("{:?}", request.line.sender())
    }

    #[test]
    fn a_line_tells_who_sent_the_request() {
        for (fields, told) in [
            (r#","route":"/x","user":"7""#, "User(7, None)"),
            (r#","route":"/x","user":"7","key":3"#, "User(7, Some(3))"),
            (r#","route":"/x","user":"corp:7""#, "Foreign"),
            (r#","route":"/x""#, "Nobody"),
            (r#","route":"/x","code":"no_credentials""#, "Nobody"),
            (r#","route":"/x","code":"upstream_failed""#, "Nobody"),
            (r#","route":"/x","code":"throttled""#, "Unasked"),
            (r#","route":"/x","code":"client_gone""#, "Unasked"),
            (r#","code":"no_route""#, "Unasked"),
        ] {
            assert_eq!(sender(fields), told, "{fields}");
        }
        let text = r#"{"target":"portcullis::access","status":401,"code":"token_expired","route":"/x","method":"GET","path":"/x"}"#;
        let Read::Request(request) = Read::of(text.as_bytes()) else { panic!("no request") };
        assert_eq!(request.line.sender(), Sender::Broken);
    }

    #[test]
    fn what_is_no_request_of_ours_is_told_apart() {
        for text in
            [&b""[..], b"{", b"[]", b"\xff", b"{\"target\":\"x\",\"status\":200}", b"GET / 200"]
        {
            assert!(matches!(Read::of(text), Read::Foreign), "{text:?}");
        }
        for fields in ["", r#","code":"malformed""#] {
            assert!(matches!(Read::of(&line(fields)), Read::Before), "{fields}");
        }
        let text = line(r#","method":"GET","path":"/x","code":"bad_framing""#);
        assert!(matches!(Read::of(&text), Read::Before));
    }
}
