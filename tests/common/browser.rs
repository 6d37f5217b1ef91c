//! A browser without a screen: it keeps cookies, says where it comes from, and fills in forms.

use std::collections::BTreeMap;

use super::{Reply, TestGateway};

/// What the cookie of a session is called where there is no TLS.
pub(crate) const COOKIE: &str = "portcullis";

#[derive(Clone, Debug)]
pub(crate) struct Browser {
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with everything.
    pub(crate) fields: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self { cookies: BTreeMap::new(), fields: "User-Agent: Tests/1.0\r\n".to_owned() }
    }

    /// Goes to a page.
    pub(crate) async fn go(&mut self, gateway: &TestGateway, target: &str) -> Reply {
        let navigation = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
        self.send(gateway, "GET", target, navigation, "").await
    }

    /// Sends a form from a page of the same origin.
    pub(crate) async fn post(
        &mut self,
        gateway: &TestGateway,
        target: &str,
        form: &[(&str, &str)],
    ) -> Reply {
        let from = "Origin: http://a.test\r\nSec-Fetch-Site: same-origin\r\n";
        self.post_from(gateway, target, from, form).await
    }

    /// Sends a form with these fields, which tell where it comes from.
    pub(crate) async fn post_from(
        &mut self,
        gateway: &TestGateway,
        target: &str,
        fields: &str,
        form: &[(&str, &str)],
    ) -> Reply {
        let mut body = form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(form).finish();
        let fields = format!("{fields}Content-Type: application/x-www-form-urlencoded\r\n");
        self.send(gateway, "POST", target, &fields, &body).await
    }

    /// Sends anything, and keeps the cookies that come back.
    pub(crate) async fn send(
        &mut self,
        gateway: &TestGateway,
        method: &str,
        target: &str,
        fields: &str,
        body: &str,
    ) -> Reply {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = match cookies.as_slice() {
            [] => String::new(),
            some => format!("Cookie: {}\r\n", some.join("; ")),
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: a.test\r\n{}{cookies}{fields}\
             Content-Length: {}\r\n\r\n{body}",
            self.fields,
            body.len()
        );
        let reply = gateway.send(request).await;
        for cookie in reply.all("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// Signs in, and returns the answer.
    pub(crate) async fn sign_in(
        &mut self,
        gateway: &TestGateway,
        name: &str,
        password: &str,
    ) -> Reply {
        let form = [("username", name), ("password", password)];
        self.post(gateway, "/auth/sign-in/", &form).await
    }

    /// The token that its session's cookie holds.
    pub(crate) fn token(&self) -> Option<&str> {
        self.cookies.get(COOKIE).map(String::as_str)
    }
}
