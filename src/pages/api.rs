//! The auth endpoints, to read about and to try out, for who writes programs.

use http::Method;
use http::header::HeaderValue;
use serde_json::{Map, Value, json};

use super::Answer;
use super::faults::Faults;
use super::form::Form;
use super::outcome::{Outcome, Session, View};
use super::visit::Context;

pub(super) const TITLE: &str = "The endpoints";

/// What the names of an endpoint's own fields begin with in a form, apart from those of the page.
const FIELD: &str = "f.";
const METHODS: [(&str, Method); 5] = [
    ("get", Method::GET),
    ("post", Method::POST),
    ("patch", Method::PATCH),
    ("put", Method::PUT),
    ("delete", Method::DELETE),
];

/// Ends the session in which it is asked for, and answers with the tokens of another.
const ANEW: &str = "password/change";

/// What is shown of a token that the browser has taken.
const TAKEN: &str = "...";

/// What was tried, and what came of it.
struct Tried {
    what: String,
    status: String,
    body: String,
    /// Whether the browser goes on in the session of the answer.
    goes_on: bool,
}

/// What it is filled with, of endpoints made up.
pub(super) fn sample() -> Value {
    json!({
        "action": "/auth/api/",
        "document": "/api/auth/openapi.json",
        "faults": ["Not found."],
        "tried": { "what": "GET /api/auth/profile/", "status": "200 OK", "body": "{}", "goes_on": true },
        "calls": [{
            "id": "post-token",
            "method": "POST",
            "path": "/api/auth/token/",
            "endpoint": "token",
            "summary": "Exchanges a name and a password for tokens.",
            "signed_in": true,
            "has_id": true,
            "fields": [{ "name": "username", "label": "Username", "kind": "text", "required": true }],
        }],
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    view(cx, None).await.into()
}

/// Asks an endpoint for whoever looks, as their program would.
pub(super) async fn post(cx: &Context<'_>, form: Form) -> Outcome {
    let (endpoint, id) = (form.text("endpoint"), form.text("id"));
    let method = METHODS.iter().find(|(_, method)| method.as_str() == form.text("method"));
    // They become a path, which is an endpoint's or nobody's.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'/');
    let is_name = !endpoint.is_empty() && endpoint.bytes().all(plain) && !endpoint.contains("..");
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let Some((_, method)) = method.filter(|_| is_name && is_id) else {
        return view(cx, None).await.into();
    };
    let endpoint = if id.is_empty() { endpoint.to_owned() } else { format!("{endpoint}/{id}") };
    let fields: Map<String, Value> = form
        .all()
        .filter_map(|(name, value)| Some((name.strip_prefix(FIELD)?, value)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let mut answer = cx.ask(method.clone(), &endpoint, fields.into()).await;
    let (session, cookie) = go_on(cx, &endpoint, &mut answer);
    let goes_on = matches!(session, Session::Set(_));
    let body = Some(&answer.body).filter(|body| !body.is_null());
    let body = body.and_then(|body| serde_json::to_string_pretty(body).ok()).unwrap_or_default();
    let what = format!("{method} {}/{endpoint}/", cx.settings.endpoints);
    let tried = Tried { what, status: answer.status.to_string(), body, goes_on };
    View { session, cookie, ..view(cx, Some(tried)).await }.into()
}

/// What becomes of the session at hand, and a cookie of the answer. A browser whose session ended
/// with what was tried goes on in the new one, as on the page for it. What it holds is shown to
/// nobody: two who exchange one token would end the session.
fn go_on(cx: &Context<'_>, endpoint: &str, answer: &mut Answer) -> (Session, Option<HeaderValue>) {
    if endpoint.trim_matches('/') != ANEW || !answer.status.is_success() {
        return (Session::Unchanged, None);
    }
    let session = cx.hold(answer);
    if let (Session::Set(_), Some(refresh)) = (&session, answer.body.get_mut("refresh")) {
        *refresh = TAKEN.into();
    }
    (session, answer.cookie.take())
}

async fn view(cx: &Context<'_>, tried: Option<Tried>) -> View {
    let document = cx.ask(Method::GET, "openapi.json", json!({})).await;
    let paths = document.body.get("paths").and_then(Value::as_object);
    let calls: Vec<_> =
        paths.into_iter().flatten().flat_map(|(path, of)| calls(cx, path, of)).collect();
    let faults =
        if paths.is_some() { Faults::default() } else { Faults::of(&document, cx.language) };
    let tried = tried.map(
        |Tried { what, status, body, goes_on }| json!({ "what": what, "status": status, "body": body, "goes_on": goes_on }),
    );
    let data = json!({
        "action": cx.page("api"),
        "document": format!("{}/openapi.json", cx.settings.endpoints),
        "faults": faults.rest(),
        "tried": tried,
        "calls": calls,
    });
    View::good("api.html", TITLE, data)
}

/// What can be asked at a path of the description.
fn calls(cx: &Context<'_>, path: &str, of: &Value) -> Vec<Value> {
    let below = path.strip_prefix(cx.settings.endpoints.as_str());
    let Some(below) = below.map(|below| below.trim_matches('/')) else { return Vec::new() };
    let (endpoint, has_id) = match below.strip_suffix("/{id}") {
        Some(endpoint) => (endpoint, true),
        None => (below, false),
    };
    let known = METHODS.iter().filter_map(|(name, method)| Some((method, of.get(*name)?)));
    let made = known.map(|(method, operation)| {
        json!({
            "id": format!("{method}-{}", below.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-")),
            "method": method.as_str(),
            "path": path,
            "endpoint": endpoint,
            "summary": operation.get("summary").and_then(Value::as_str).unwrap_or_default(),
            "signed_in": operation.get("security").is_some(),
            "has_id": has_id,
            "fields": fields(operation),
        })
    });
    made.collect()
}

fn fields(operation: &Value) -> Vec<Value> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema");
    let required = schema.and_then(|schema| schema.get("required")).and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|it| it == name));
    let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let made = properties.into_iter().flatten().map(|(name, property)| {
        let is_secret = name.contains("password");
        json!({
            "name": name,
            "label": property.get("title").and_then(Value::as_str).unwrap_or(name),
            "kind": if is_secret { "password" } else { "text" },
            "required": is_required(name),
        })
    });
    made.collect()
}
