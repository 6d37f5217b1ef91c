//! `GET openapi.json`: what the endpoints are, take and give, in `OpenAPI` 3.1.
//!
//! It is made of the table alone, so that it cannot lag behind what is served. Numbers are taken
//! for texts as well, as in the original; the description names the form that clients should send.

use serde_json::{Map, Value, json};

use super::fields::{Field, Rule};
use super::given::{Given, Kind, Member, Shape};
use super::negotiate::Media;
use super::register::INVITE;
use super::resource::Resource;
use super::serve::JWKS_PATH;
use super::throttle::Limited;
use super::{Caller, EndpointSettings, Registration, Row, Served};
use crate::session::Sessions;

/// What any request may be refused with, whatever it asks for.
const BY_ANY: [u16; 6] = [400, 406, 414, 421, 429, 431];
/// What is said of bodies.
const BY_BODY: [u16; 3] = [408, 413, 415];

/// What the description depends on.
struct Facts<'a> {
    settings: &'a EndpointSettings,
    longest_password: usize,
    /// Whether there are API keys of users, which some endpoints refuse.
    keys: bool,
}

/// The description of the endpoints that are served.
pub(super) fn document(
    settings: &EndpointSettings,
    sessions: &Sessions,
    longest_password: usize,
) -> Value {
    let facts = Facts { settings, longest_password, keys: sessions.user_keys().is_some() };
    let mut paths: Map<_, _> = Resource::all()
        .filter(|resource| resource.first.served.is_there(sessions))
        .map(|resource| (path(settings, resource.first), endpoint(&facts, resource)))
        .collect();
    paths.insert(JWKS_PATH.to_owned(), key_set());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "portcullis",
            "summary": "Accounts, tokens and sessions.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
            "schemas": { "Detail": detail(), "Faults": faults() },
        },
    })
}

/// Where an endpoint is: as the original spells it, with a slash at the end of what is no file.
fn path(settings: &EndpointSettings, row: &Row) -> String {
    let slash = if row.path.contains('.') { "" } else { "/" };
    format!("{}/{}{slash}", settings.prefix, row.path)
}

fn endpoint(facts: &Facts<'_>, resource: Resource) -> Value {
    let mut told = Map::new();
    let parameters: Vec<_> = resource.first.path.split('/').filter_map(parameter).collect();
    if !parameters.is_empty() {
        told.insert("parameters".to_owned(), parameters.into());
    }
    for row in resource.rows() {
        let method = row.method.as_str().to_ascii_lowercase();
        told.insert(method, operation(facts, row));
    }
    told.into()
}

/// The parameter that a segment of a path stands for.
fn parameter(segment: &str) -> Option<Value> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    Some(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
}

fn operation(facts: &Facts<'_>, row: &Row) -> Value {
    let name = row.path.replace(['/', '-', '.'], "_").replace(['{', '}'], "");
    let id = format!("{}_{name}", row.method.as_str().to_ascii_lowercase());
    let mut told = json!({ "operationId": id, "summary": row.gives.does });
    if let Some(told) = told.as_object_mut() {
        match row.caller {
            Caller::Anybody => {}
            Caller::User | Caller::Person | Caller::Known => {
                told.insert("security".to_owned(), json!([{ "bearer": [] }]));
            }
            Caller::Either => {
                told.insert("security".to_owned(), json!([{ "bearer": [] }, {}]));
            }
        }
        if row.takes_body() && !row.fields.is_empty() {
            told.insert("requestBody".to_owned(), body(facts, row.fields));
        }
        told.insert("responses".to_owned(), responses(facts, row).into());
    }
    told
}

fn body(facts: &Facts<'_>, fields: &[Field]) -> Value {
    let taken = || fields.iter().filter(|field| field.rule != Rule::Answered);
    let properties: Map<_, _> = taken()
        .map(|field| (field.name.to_owned(), property(field, facts.longest_password)))
        .collect();
    let invites = facts.settings.register == Registration::Invite;
    let demanded = |field: &&Field| field.required || (invites && field.name == INVITE);
    let required: Vec<_> = taken().filter(demanded).map(|field| field.name).collect();
    let schema = json!({ "type": "object", "required": required, "properties": properties });
    let content: Map<_, _> = Media::ALL
        .map(|media| (media.as_str().to_owned(), json!({ "schema": schema })))
        .into_iter()
        .collect();
    json!({ "required": !required.is_empty(), "content": content })
}

fn property(field: &Field, longest_password: usize) -> Value {
    let kind = match field.rule {
        Rule::Roles => {
            let role = json!({ "type": "string", "pattern": "^[a-z0-9_.:-]{1,64}$" });
            return json!({ "type": "array", "title": field.label, "items": role });
        }
        Rule::Seconds => {
            return json!({ "type": "integer", "title": field.label, "minimum": 1 });
        }
        Rule::Text
        | Rule::Untrimmed
        | Rule::Username
        | Rule::NewPassword
        | Rule::Email
        | Rule::KeyName
        | Rule::Answered => "string",
    };
    let mut told = Map::from_iter([
        ("type".to_owned(), kind.into()),
        ("title".to_owned(), field.label.into()),
    ]);
    if field.required {
        told.insert("minLength".to_owned(), 1.into());
    }
    if let Some(longest) = field.rule.longest(longest_password) {
        told.insert("maxLength".to_owned(), longest.into());
    }
    let format = match field.rule {
        Rule::Email => Some("email"),
        Rule::NewPassword => Some("password"),
        Rule::Text
        | Rule::Untrimmed
        | Rule::Username
        | Rule::KeyName
        | Rule::Roles
        | Rule::Seconds
        | Rule::Answered => None,
    };
    told.extend(format.map(|format| ("format".to_owned(), format.into())));
    told.into()
}

fn responses(facts: &Facts<'_>, row: &Row) -> Map<String, Value> {
    let mut refused: Vec<u16> = BY_ANY.into();
    refused.extend(row.gives.refuses);
    if row.takes_body() {
        refused.extend(BY_BODY);
    }
    if row.caller != Caller::Anybody {
        refused.push(401);
    }
    if matches!(row.served, Served::WhileRegistrationIsOpen) {
        refused.push(403);
    }
    if facts.keys && row.caller == Caller::Person {
        refused.push(403);
    }
    // Before a limit is asked nothing is counted.
    if matches!(row.limited, Limited::ByNothing) {
        refused.retain(|status| *status != 429);
    }
    refused.sort_unstable();
    refused.dedup();
    let mut told = Map::new();
    told.insert(row.gives.status.as_str().to_owned(), success(&row.gives));
    told.extend(refused.into_iter().map(|status| (status.to_string(), refusal(status))));
    told.insert("5XX".to_owned(), refusal(503));
    told
}

fn success(given: &Given) -> Value {
    let schema = match given.shape {
        Shape::Nothing => return json!({ "description": "Done." }),
        Shape::Object(members) => object(members),
        Shape::List(members) => json!({ "type": "array", "items": object(members) }),
        Shape::Document => json!({ "type": "object" }),
    };
    json!({ "description": "Done.", "content": in_json(&schema) })
}

fn object(members: &[Member]) -> Value {
    let properties: Map<_, _> =
        members.iter().map(|member| (member.name.to_owned(), kind(member.kind))).collect();
    let required: Vec<_> = members.iter().filter(|m| m.always).map(|member| member.name).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::TextOrNull => json!({ "type": ["string", "null"] }),
        Kind::Whole => json!({ "type": "integer", "minimum": 0 }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Object => json!({ "type": "object" }),
        Kind::TextsOrNull => {
            json!({ "type": ["array", "null"], "items": { "type": "string" } })
        }
    }
}

fn refusal(status: u16) -> Value {
    let detail = json!({ "$ref": "#/components/schemas/Detail" });
    let text = json!({ "schema": { "type": "string" } });
    let (means, header) = match status {
        400 => ("The request, or what it says, is not in order.", None),
        401 => ("No good credential.", Some("WWW-Authenticate")),
        403 => ("Not allowed.", None),
        404 => ("There is none.", None),
        406 => ("The client takes no JSON.", None),
        408 => ("The body came too slowly.", None),
        413 => ("The body is too large.", None),
        414 => ("The request target is too long.", None),
        415 => ("Not a body that can be read here.", None),
        421 => ("Not a host that is served here.", None),
        429 => ("Too many of these.", Some("Retry-After")),
        431 => ("Too many header fields, or too long.", None),
        501 => ("This gateway is not set up for it.", None),
        _ => ("Not now.", None),
    };
    let schema = if status == 400 {
        json!({ "anyOf": [detail, { "$ref": "#/components/schemas/Faults" }] })
    } else {
        detail
    };
    let mut told = json!({ "description": means, "content": in_json(&schema) });
    if let (Some(header), Some(told)) = (header, told.as_object_mut()) {
        told.insert("headers".to_owned(), json!({ header: text }));
    }
    told
}

/// A refusal that is not about fields.
fn detail() -> Value {
    json!({
        "type": "object",
        "required": ["detail"],
        "properties": {
            "detail": { "type": "string" },
            "code": { "type": "string" },
            "messages": { "type": "array", "items": { "type": "object" } },
            "challenge": { "type": "string" },
            "methods": { "type": "array", "items": { "type": "string" } },
            "expires_in": { "type": "integer", "minimum": 0 },
        },
    })
}

/// What is wrong, field by field.
fn faults() -> Value {
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    json!({ "type": "object", "additionalProperties": texts })
}

fn in_json(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

/// The key set, which is no row of the table: it is neither below the prefix nor negotiated.
fn key_set() -> Value {
    let keys = json!({ "type": "array", "items": { "type": "object" } });
    let schema = json!({ "type": "object", "required": ["keys"], "properties": { "keys": keys } });
    let mut responses = Map::new();
    let given = json!({ "description": "Done.", "content": in_json(&schema) });
    responses.insert("200".to_owned(), given);
    for status in [400, 414, 421, 431] {
        responses.insert(status.to_string(), refusal(status));
    }
    responses.insert("5XX".to_owned(), refusal(503));
    json!({
        "get": {
            "operationId": "get_key_set",
            "summary": "The public keys of tokens (RFC 7517).",
            "responses": responses,
        },
    })
}
