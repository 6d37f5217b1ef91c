//! Cross-origin requests of browsers (Fetch standard, section 3.3): who may read our answers.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use super::vary::vary_by;
use super::{Body, HostName, Public};

/// The fields by which a server speaks about it; where we do, nobody else has a say.
static OURS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// Which origins may read answers, and what they may send.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
    headers: HeaderValue,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
}

#[derive(Clone, Debug)]
enum Origins {
    Any,
    These(Vec<HeaderValue>),
}

/// What an operator says of it.
#[derive(Clone, Debug)]
pub struct CorsSettings {
    /// Exact origins, or `*` alone.
    pub origins: Vec<String>,
    /// Whether a page may send cookies and the like, and read the answer.
    pub credentials: bool,
    /// Request header fields that a page may set.
    pub headers: Vec<HeaderName>,
    /// Response header fields that a page may read.
    pub expose: Vec<HeaderName>,
    /// How long a browser may remember a preflight.
    pub max_age: Duration,
}

impl Default for CorsSettings {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            credentials: false,
            headers: vec![header::AUTHORIZATION, header::CONTENT_TYPE],
            expose: Vec::new(),
            max_age: Duration::from_secs(600),
        }
    }
}

/// Why these settings cannot be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CorsError {
    /// No origin.
    #[error("no origin is no rule; list one such as \"https://app.example.com\"")]
    NoOrigin,
    /// It is no origin.
    #[error("`{0}` is no origin; write scheme and host, such as \"https://app.example.com\"")]
    Origin(String),
    /// It is not as browsers write it.
    #[error("browsers write `{0}` as \"{1}\"; write that")]
    Spelling(String, String),
    /// `*` beside something.
    #[error("`*` is every origin; let it stand alone")]
    StarAmongOthers,
    /// Every page of the web could act as the user.
    #[error("credentials for every origin let any page act as its visitor; list the origins")]
    CredentialsForAll,
}

/// A request under such a rule, while its answer is made.
#[derive(Debug)]
pub struct CrossOrigin<'a> {
    cors: &'a Cors,
    /// Its origin, if that may read the answer.
    granted: Option<HeaderValue>,
}

impl Cors {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// A [`CorsError`]; show it to whoever wrote them.
    pub fn new(settings: CorsSettings) -> Result<Self, CorsError> {
        let CorsSettings { origins, credentials, headers, expose, max_age } = settings;
        if origins.is_empty() {
            return Err(CorsError::NoOrigin);
        }
        let origins = if origins.iter().any(|origin| origin == "*") {
            if origins.len() > 1 {
                return Err(CorsError::StarAmongOthers);
            }
            if credentials {
                return Err(CorsError::CredentialsForAll);
            }
            Origins::Any
        } else {
            Origins::These(origins.iter().map(|it| exact(it)).collect::<Result<_, _>>()?)
        };
        let expose = Some(joined(&expose)).filter(|list| !list.is_empty());
        let max_age = max_age.as_secs().into();
        Ok(Self { origins, credentials, headers: joined(&headers), expose, max_age })
    }

    /// The origins, as the operator wrote them.
    pub fn origins(&self) -> Vec<&str> {
        match &self.origins {
            Origins::Any => vec!["*"],
            Origins::These(these) => these.iter().filter_map(|it| it.to_str().ok()).collect(),
        }
    }

    /// The method that a preflight asks about; `None` if the request is none.
    pub fn preflight_for(method: &Method, headers: &HeaderMap) -> Option<Method> {
        if *method != Method::OPTIONS || !headers.contains_key(header::ORIGIN) {
            return None;
        }
        let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        Method::from_bytes(asked.as_bytes()).ok()
    }

    /// Answers a preflight about a method that is there; an origin that is not listed gets
    /// nothing that a browser would take for leave.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        let request = self.meet(headers);
        if request.granted.is_some()
            && let Ok(method) = HeaderValue::from_str(method.as_str())
        {
            fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method);
            fields.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if !self.headers.is_empty() {
                fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            }
        }
        request.say(fields);
        response
    }

    /// A request with these fields.
    pub fn meet(&self, headers: &HeaderMap) -> CrossOrigin<'_> {
        let mut named = headers.get_all(header::ORIGIN).iter();
        let origin = named.next().filter(|_| named.next().is_none());
        let granted = match &self.origins {
            Origins::Any => origin.map(|_| HeaderValue::from_static("*")),
            Origins::These(these) => origin.filter(|origin| these.contains(origin)).cloned(),
        };
        CrossOrigin { cors: self, granted }
    }
}

impl CrossOrigin<'_> {
    /// Writes on an answer, a refusal too, who may read it; what an upstream said is removed.
    pub fn grant(&self, headers: &mut HeaderMap) {
        for name in &OURS {
            headers.remove(name);
        }
        if self.granted.is_some()
            && let Some(expose) = &self.cors.expose
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        self.say(headers);
    }

    fn say(&self, headers: &mut HeaderMap) {
        if let Origins::These(_) = self.cors.origins {
            vary_by("Origin", headers);
        }
        let Some(origin) = &self.granted else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.cors.credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

/// An origin as browsers write it (RFC 6454 section 6.2), for it is compared byte by byte.
fn exact(text: &str) -> Result<HeaderValue, CorsError> {
    let wrong = || CorsError::Origin(text.into());
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let https = match scheme {
        "https" => true,
        "http" => false,
        _ => return Err(wrong()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let host = HostName::parse(rest).map_err(|_| wrong())?;
    let usual = if https { 443 } else { 80 };
    let port = host.port().filter(|port| *port != usual);
    let canonical = Public { https, host: host.name().to_owned(), port }.to_string();
    if canonical == text {
        return HeaderValue::try_from(canonical).map_err(|_| wrong());
    }
    Err(CorsError::Spelling(text.into(), canonical))
}

fn joined(names: &[HeaderName]) -> HeaderValue {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    // Names are visible ASCII, so the other arm is never taken.
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
