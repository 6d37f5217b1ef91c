//! What the authority fetches to see that a name is ours (RFC 8555 section 8.3).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response};

use crate::web::Body;

const PREFIX: &str = "/.well-known/acme-challenge/";

/// The answers of the order under way. Between orders there are none, and nothing is looked up.
#[derive(Debug, Default)]
pub struct Challenges {
    open: AtomicBool,
    answers: RwLock<HashMap<String, Bytes>>,
}

/// Keeps answers there; dropped, it takes them away.
#[derive(Debug)]
pub(super) struct Answering<'a>(&'a Challenges);

impl Challenges {
    /// The answer to a request in clear, if it is one of the authority's. To everybody else there
    /// is nothing here: a token cannot be guessed.
    pub fn answer(&self, method: &Method, path: &str) -> Option<Response<Body>> {
        if !self.open.load(Ordering::Acquire) || method != Method::GET {
            return None;
        }
        let token = path.strip_prefix(PREFIX)?;
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        let mut response = Response::new(Body::from(answers.get(token)?.clone()));
        let kind = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Some(response)
    }

    /// Begins to answer.
    pub(super) fn open(&self) -> Answering<'_> {
        Answering(self)
    }
}

impl Answering<'_> {
    /// The answer for one token more.
    pub(super) fn add(&self, token: &str, answer: &str) {
        let mut answers = self.0.answers.write().unwrap_or_else(PoisonError::into_inner);
        answers.insert(token.to_owned(), Bytes::copy_from_slice(answer.as_bytes()));
        self.0.open.store(true, Ordering::Release);
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.open.store(false, Ordering::Release);
        self.0.answers.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn ask(challenges: &Challenges, method: &Method, path: &str) -> Option<Bytes> {
        let response = challenges.answer(method, path)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Some(runtime.block_on(response.into_body().collect()).unwrap().to_bytes())
    }

    #[test]
    fn a_token_of_the_order_under_way_is_answered_and_nothing_else() {
        let challenges = Challenges::default();
        let place = |token: &str| format!("/.well-known/acme-challenge/{token}");
        assert!(ask(&challenges, &Method::GET, &place("abc")).is_none());
        let answering = challenges.open();
        answering.add("abc", "abc.print");
        answering.add("def", "def.print");
        let answer = |method: &Method, path: &str| ask(&challenges, method, path);
        assert_eq!(answer(&Method::GET, &place("abc")).unwrap(), "abc.print");
        assert_eq!(answer(&Method::GET, &place("def")).unwrap(), "def.print");
        for path in [
            place(""),
            place("ab"),
            place("abcd"),
            place("abc/"),
            place("../acme-challenge/abc"),
            place("%61bc"),
            "/abc".to_owned(),
            format!("/{}", place("abc")),
        ] {
            assert!(answer(&Method::GET, &path).is_none(), "{path}");
        }
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            assert!(answer(&method, &place("abc")).is_none(), "{method}");
        }
        drop(answering);
        assert!(ask(&challenges, &Method::GET, &place("abc")).is_none());
    }
}
