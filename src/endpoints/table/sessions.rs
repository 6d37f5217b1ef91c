//! The sessions of the caller, and their ends.

use http::{Method, StatusCode};

use super::{EMPTY, REFRESH};
use crate::endpoints::given::{Given, Kind, Member, Shape};
use crate::endpoints::throttle::Limited;
use crate::endpoints::{Caller, Row, Served, logout, sessions};

const SESSION: &[Member] = &[
    Member::text("id"),
    Member::text("device"),
    Member::text("address"),
    Member::text("started"),
    Member::text("last_used"),
    Member::new("current", Kind::Flag),
];

pub(super) static ROWS: [Row; 4] = [
    Row {
        path: "logout",
        name: "Logout",
        method: Method::POST,
        caller: Caller::Either,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH.optional()],
        gives: Given::new("Ends the session of the access token, or of a refresh token.", EMPTY),
        handler: |cx, request| Box::pin(logout::handle(cx, request)),
    },
    Row {
        path: "logout/all",
        name: "Logout All",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Ends every session of the caller.", EMPTY),
        handler: |cx, request| Box::pin(logout::everywhere(cx, request)),
    },
    Row {
        path: "sessions",
        name: "Session List",
        method: Method::GET,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Where the caller is logged in, the newest first.", Shape::List(SESSION)),
        handler: |cx, request| Box::pin(sessions::list(cx, request)),
    },
    Row {
        path: "sessions/{id}",
        name: "Session",
        method: Method::DELETE,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Ends one of them.", Shape::Nothing)
            .with(StatusCode::NO_CONTENT)
            .or(&[404]),
        handler: |cx, request| Box::pin(sessions::end(cx, request)),
    },
];
