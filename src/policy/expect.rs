//! `expect` lines: the policy file says what it wants to be true of itself.

use std::fmt;
use std::net::IpAddr;

use http::StatusCode;

use super::allow::{RuleError, Verdict};
use super::caller::Caller;
use super::question::{self, Question, Ruling};
use super::routes::{Ambiguous, Routes};
use crate::web::{HostError, HostName};

/// One line such as `role:admin POST /admin/users -> api`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expectation {
    line: String,
    question: Question,
    outcome: Outcome,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Outcome {
    Refused(StatusCode),
    Forwarded(String),
}

/// What is wrong with an `expect` line, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ExpectationError {
    /// It has not the right parts.
    #[error("write `WHO METHOD [host]/path -> OUTCOME`, as in `user GET /admin -> 403`")]
    Shape,
    /// Who asks is not to be understood.
    #[error("who asks: {0}")]
    Who(#[from] RuleError),
    /// What follows `from` is no address.
    #[error("`{0}` is no IP address; write it as in `from 10.1.2.3`")]
    From(String),
    /// The method is none.
    #[error("`{0}` is no method; write it in capitals, as in `GET`")]
    Method(String),
    /// The host is none.
    #[error("`{0}` is no host ({1}); write `example.com/path`, or begin with `/`")]
    Host(String, HostError),
    /// The outcome is neither a status nor an upstream's name.
    #[error("`{0}` is no outcome; write a status such as 403, or the name of an upstream")]
    Outcome(String),
}

/// Something else happened than was expected; `Display` says what.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{line}`: {happened}")]
pub struct ExpectationFailed {
    line: String,
    happened: String,
}

impl Expectation {
    /// Reads a line. `from ADDRESS` may stand before the method or after the path.
    ///
    /// ```
    /// use portcullis::rooms::policy::Expectation;
    ///
    /// Expectation::parse("role:admin & claim:tenant=acme from 10.1.2.3 GET a.test/x -> api")?;
    /// # Ok::<(), portcullis::rooms::policy::ExpectationError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An [`ExpectationError`]; show it to whoever wrote the line.
    pub fn parse(line: &str) -> Result<Self, ExpectationError> {
        let (request, outcome) = line.rsplit_once("->").ok_or(ExpectationError::Shape)?;
        let mut words: Vec<_> = request.split_whitespace().collect();
        let from = take_from(&mut words)?;
        let url = words.pop().ok_or(ExpectationError::Shape)?;
        let method = words.pop().ok_or(ExpectationError::Shape)?;
        if words.is_empty() {
            return Err(ExpectationError::Shape);
        }
        let caller = Caller::parse(&words.join(" "))?;
        let method =
            question::method(method).ok_or_else(|| ExpectationError::Method(method.into()))?;
        let (host, path) = url.split_at(url.find('/').ok_or(ExpectationError::Shape)?);
        let host = match host {
            "" => String::new(),
            host => HostName::parse(host)
                .map_err(|error| ExpectationError::Host(host.into(), error))?
                .name()
                .to_owned(),
        };
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let outcome = Outcome::parse(outcome.trim())?;
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self { line, question: Question { caller, from, method, host, path }, outcome })
    }

    /// The address that the request is said to come from, for routes that ask for one.
    pub const fn from(&self) -> Option<IpAddr> {
        self.question.from
    }

    /// Takes the request through path, route and rule, as a real one would go.
    ///
    /// # Errors
    ///
    /// What happened instead; do not serve with these routes.
    pub fn check(&self, routes: &Routes) -> Result<(), ExpectationFailed> {
        let (outcome, why) = self.ask(routes);
        if outcome.as_ref() == Some(&self.outcome) {
            return Ok(());
        }
        let happened = match outcome {
            Some(Outcome::Refused(status)) => format!("answered {}, {why}", status.as_u16()),
            Some(Outcome::Forwarded(to)) => format!("forwarded to `{to}`, {why}"),
            None => why,
        };
        Err(ExpectationFailed { line: self.line.clone(), happened })
    }

    /// What becomes of the request (`None`: the gateway's own endpoints decide), and why.
    fn ask(&self, routes: &Routes) -> (Option<Outcome>, String) {
        let ruling = self.question.ask(routes);
        let why = match &ruling {
            Ruling::Own => "the path is the gateway's own, not a route's".into(),
            Ruling::Connect => "as CONNECT always is".into(),
            Ruling::Trace => "as TRACE always is".into(),
            Ruling::BadPath(error) => format!("for: {error}"),
            Ruling::Ambiguous(_) => format!("for: {Ambiguous}"),
            Ruling::Nowhere => "for no route matches".into(),
            Ruling::MethodNotAllowed(allow) => {
                let allow = String::from_utf8_lossy(allow.as_bytes());
                format!("for the most specific path takes {allow} only")
            }
            Ruling::OtherAddresses(route) => {
                format!("by the route `{}`, which takes other addresses", route.key)
            }
            Ruling::Judged(route, _) => {
                format!("by the route `{}`, which allows {}", route.key, route.allow)
            }
        };
        if let Ruling::Judged(route, Verdict::Allowed) = ruling {
            return (Some(Outcome::Forwarded(route.to.clone())), why);
        }
        (ruling.status().map(Outcome::Refused), why)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Outcome {
    fn parse(text: &str) -> Result<Self, ExpectationError> {
        let wrong = || ExpectationError::Outcome(text.into());
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(wrong());
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Forwarded(text.into()));
        }
        text.parse().map(Self::Refused).map_err(|_| wrong())
    }
}

/// Takes `from ADDRESS` out of the words, if it is there.
fn take_from(words: &mut Vec<&str>) -> Result<Option<IpAddr>, ExpectationError> {
    let Some(at) = words.iter().position(|word| *word == "from") else { return Ok(None) };
    let mut taken = words.drain(at..words.len().min(at + 2)).skip(1);
    let address = taken.next().ok_or(ExpectationError::Shape)?;
    address.parse().map(Some).map_err(|_| ExpectationError::From(address.into()))
}
