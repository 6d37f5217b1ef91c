//! `expect` lines: the policy file says what it wants to be true of itself.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use http::{Method, StatusCode};

use super::allow::{Allow, RuleError, Term, Verdict, authorize};
use super::routes::{Ambiguous, Place, Routes};
use crate::identity::{Claim, Identity};
use crate::tls::ClientCertificate;
use crate::web::{CanonicalPath, HostError, HostName};

/// One line such as `role:admin POST /admin/users -> api`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expectation {
    line: String,
    caller: Option<Identity>,
    certificate: Option<ClientCertificate>,
    from: Option<IpAddr>,
    method: Method,
    host: String,
    path: String,
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
    /// use portcullis::policy::Expectation;
    ///
    /// Expectation::parse("role:admin & claim:tenant=acme from 10.1.2.3 GET a.test/x -> api")?;
    /// # Ok::<(), portcullis::policy::ExpectationError>(())
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
        let (caller, certificate) = caller(&words.join(" "))?;
        let capitals = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let method = Method::from_bytes(method.as_bytes())
            .ok()
            .filter(|_| capitals)
            .ok_or_else(|| ExpectationError::Method(method.into()))?;
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
        Ok(Self { line, caller, certificate, from, method, host, path, outcome })
    }

    /// The address that the request is said to come from, for routes that ask for one.
    pub const fn from(&self) -> Option<IpAddr> {
        self.from
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
        let refused = |status, why: String| (Some(Outcome::Refused(status)), why);
        if self.method == Method::CONNECT {
            return refused(StatusCode::NOT_IMPLEMENTED, "as CONNECT always is".into());
        }
        if self.method == Method::TRACE {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "as TRACE always is".into());
        }
        let place = match CanonicalPath::parse(&self.path) {
            Err(error) => return refused(StatusCode::BAD_REQUEST, format!("for: {error}")),
            Ok(path) => routes.place(&self.host, &path, &self.method),
        };
        let route = match place {
            Err(error @ Ambiguous) => {
                return refused(StatusCode::BAD_REQUEST, format!("for: {error}"));
            }
            Ok(Place::Own) => return (None, "the path is the gateway's own, not a route's".into()),
            Ok(Place::Nowhere) => {
                return refused(StatusCode::NOT_FOUND, "for no route matches".into());
            }
            Ok(Place::MethodNotAllowed(allow)) => {
                let allow = String::from_utf8_lossy(allow.as_bytes());
                let why = format!("for the most specific path takes {allow} only");
                return refused(StatusCode::METHOD_NOT_ALLOWED, why);
            }
            Ok(Place::Route(route)) => route,
        };
        // A line that names no address speaks of one that may.
        if self.from.is_some_and(|client| !route.admits(client)) {
            let why = format!("by the route `{}`, which takes other addresses", route.key);
            return refused(StatusCode::FORBIDDEN, why);
        }
        let why = format!("by the route `{}`, which allows {}", route.key, route.allow);
        match authorize(&route.allow, self.caller.as_ref(), self.certificate.as_ref()) {
            Verdict::Allowed => (Some(Outcome::Forwarded(route.to.clone())), why),
            Verdict::NeedsIdentity => refused(StatusCode::UNAUTHORIZED, why),
            Verdict::Forbidden => refused(StatusCode::FORBIDDEN, why),
        }
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

/// A caller of our own of whom just these terms are true, and its certificate; nobody for
/// `anyone`, and for somebody who shows a certificate alone.
fn caller(text: &str) -> Result<(Option<Identity>, Option<ClientCertificate>), RuleError> {
    let Allow::Rules(rules) = Allow::parse_rule(text)? else { return Ok((None, None)) };
    let (mut names, mut known) = (Vec::new(), false);
    let mut caller = Identity {
        user_id: String::new(),
        username: String::new(),
        email: None,
        email_verified: false,
        roles: Vec::new(),
        claims: BTreeMap::new(),
        session: None,
        issuer: None,
    };
    for term in rules.into_iter().flatten() {
        known |= !matches!(term, Term::Certificate(_));
        match term {
            Term::Certificate(name) => names.push(name),
            Term::User => {}
            Term::Role(role) => caller.roles.push(role),
            Term::Named(name) => caller.username = name,
            Term::Claim { name, value } => set_claim(&mut caller, name, value),
        }
    }
    let certificate = (!names.is_empty()).then(|| ClientCertificate::named(names));
    Ok((known.then_some(caller), certificate))
}

/// Gives the caller a claim where [`Identity::claim`] looks for it.
fn set_claim(caller: &mut Identity, name: String, value: String) {
    match name.as_str() {
        "user_id" => caller.user_id = value,
        "username" => caller.username = value,
        "email" => (caller.email, caller.email_verified) = (Some(value), true),
        "email_verified" => caller.email_verified = value == "true",
        "roles" => caller.roles.push(value),
        "sid" => caller.session = value.parse().ok(),
        _ => match caller.claims.entry(name).or_insert_with(|| Claim::List(Vec::new())) {
            Claim::List(values) => values.push(value),
            Claim::Text(_) => {}
        },
    }
}
