//! `POST ticket/`: a ticket for one route, for a browser that opens a `WebSocket` or an
//! `EventSource` there and cannot send a header with it.

use http::{Method, StatusCode};
use serde_json::json;

use super::error::EndpointError;
use super::reply::Outcome;
use super::{Endpoints, Request};
use crate::policy::{Place, Route};
use crate::session::TICKET_LIFE;
use crate::web::CanonicalPath;

/// What is said of a path that no ticket opens, whatever the reason.
const NO_ROUTE: &str = "No route takes tickets at this path.";

pub(super) async fn handle(cx: &Endpoints, request: Request) -> Result<Outcome, EndpointError> {
    let caller = request.caller.clone().ok_or(EndpointError::NoCredentials)?;
    let host = request.host.clone();
    let (mut values, _client) = request.into_values(cx)?;
    let Some(scope) = scope(cx, &host, &values.take("path")) else {
        return Err(EndpointError::Fields(vec![("path", vec![NO_ROUTE.to_owned()])]));
    };
    let ticket = cx.sessions.issue_ticket(&caller, &scope).await?;
    let body = json!({ "ticket": ticket.as_str(), "expires_in": TICKET_LIFE.as_secs() });
    let made = Outcome { status: StatusCode::CREATED, ..Outcome::ok(body) };
    Ok(made.about(&caller.identity.user_id))
}

/// The route that a GET of `target` would fall on, if tickets open it.
fn scope(cx: &Endpoints, host: &str, target: &str) -> Option<String> {
    let (path, _query) = target.split_once('?').unwrap_or((target, ""));
    let path = CanonicalPath::parse(path).ok()?;
    let ticketed = |route: &Route| route.tickets.then(|| route.key.to_string());
    match cx.routes.place(host, &path, &Method::GET).ok()? {
        Place::Route(route) => ticketed(route),
        Place::Own | Place::MethodNotAllowed(_) | Place::Nowhere => None,
    }
}
