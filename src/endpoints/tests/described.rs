//! `openapi.json`: every answer that any test of this room gets is held against it.

use std::collections::BTreeSet;

use super::*;

/// Fails unless the description has that answer to that call.
#[track_caller]
pub(super) fn hold(description: &Value, method: &str, path: &str, got: &Got) {
    // What follows from the others: HEAD from GET, OPTIONS from the table.
    let method = if method == "HEAD" { "get" } else { &*method.to_ascii_lowercase() };
    let paths = description["paths"].as_object().unwrap();
    let Some((_, told)) = paths.iter().find(|(known, _)| is_at(known, path)) else {
        assert_eq!(got.status, 404, "{path} is not described");
        return;
    };
    let Some(operation) = told.get(method) else {
        let known = [401, 403, 405, 406, 429];
        assert!(method == "options" || known.contains(&got.status.as_u16()), "{method} {path}");
        return;
    };
    let responses = &operation["responses"];
    let exact = got.status.as_str();
    let class = format!("{}XX", got.status.as_u16() / 100);
    let response = responses.get(exact).or_else(|| responses.get(&class));
    let Some(response) = response else { panic!("{method} {path} is not said to give {exact}") };
    let Some(schema) = response.pointer("/content/application~1json/schema") else {
        assert_eq!(got.text, "", "{method} {path}: {exact} is said to have no body");
        return;
    };
    assert_eq!(got.header("content-type"), "application/json");
    let wrong = violation(description, schema, &got.json());
    assert!(wrong.is_none(), "{method} {path}: {exact} {}: {wrong:?}", got.text);
    for header in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
        assert_ne!(got.header(header.0), "", "{method} {path}: {exact} without {}", header.0);
    }
}

/// Whether a path of the description is that one, with or without the slash at its end.
fn is_at(known: &str, path: &str) -> bool {
    let segments = |text: &str| -> Vec<String> {
        text.strip_suffix('/').unwrap_or(text).split('/').map(str::to_owned).collect()
    };
    let (known, asked) = (segments(known), segments(path));
    known.len() == asked.len()
        && known.iter().zip(&asked).all(|(known, asked)| known == asked || known.starts_with('{'))
}

/// Where a value is not as the schema says: the part of JSON Schema that the description uses.
fn violation(description: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(pointer) = schema["$ref"].as_str() {
        let named = description.pointer(pointer.trim_start_matches('#')).unwrap();
        return violation(description, named, value);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let all: Option<Vec<_>> =
            any.iter().map(|schema| violation(description, schema, value)).collect();
        return all.map(|faults| faults.join(" and "));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = &schema["type"];
    if types != kind && !types.as_array().is_some_and(|types| types.contains(&json!(kind))) {
        return Some(format!("{value} is no {types}"));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| violation(description, &schema["items"], item));
    }
    let members = value.as_object()?;
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required.filter_map(Value::as_str).find(|name| !members.contains_key(*name));
    if let Some(name) = missing {
        return Some(format!("no {name}"));
    }
    members.iter().find_map(|(name, value)| {
        match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
            Some(Value::Bool(false)) => Some(format!("{name} is not described")),
            Some(schema) => violation(description, schema, value),
            None => None,
        }
    })
}

#[test]
fn every_row_says_what_it_gives() {
    for row in TABLE.into_iter().flatten() {
        let Given { does, status, .. } = row.gives;
        assert!(does.ends_with('.') && status.is_success(), "{}", row.path);
    }
}

#[tokio::test]
async fn the_description_is_that_of_what_is_served() {
    for on in [true, false] {
        let user_keys = on.then(UserKeySettings::default);
        let room = Setup { sliding: on, user_keys, ..Setup::default() }.open();
        let got = room.get("/openapi.json", &[]).await;
        assert_eq!((got.status.as_u16(), got.header("cache-control")), (200, "no-store"));
        let described = got.json();
        assert_eq!(described["openapi"], "3.1.0");
        let paths = described["paths"].as_object().unwrap();
        assert_eq!(paths.contains_key("/api/auth/token/sliding/"), on);
        assert_eq!(paths.contains_key("/api/auth/keys/{id}/"), on);
        let always = |row: &&Row| !row.path.contains("sliding") && !row.path.starts_with("keys");
        let served = TABLE.into_iter().flatten().filter(|row| on || always(row));
        // Nobody is refused for a key where there are none.
        let refusals = &paths["/api/auth/logout/all/"]["post"]["responses"];
        assert_eq!(refusals.get("403").is_some(), on);
        let mut all: Vec<_> = served.map(|row| row.path).collect();
        all.dedup();
        // And the key set, which is in no row.
        assert_eq!(paths.len(), all.len() + 1, "{all:?}");
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let ids = operations.filter_map(|operation| operation["operationId"].as_str());
        let all: Vec<_> = ids.collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}

#[tokio::test]
async fn fields_are_described_as_they_are_taken() {
    let room = Room::new();
    let described = room.get("/openapi.json", &[]).await.json();
    let operation = &described["paths"]["/api/auth/register/"]["post"];
    let content = &operation["requestBody"]["content"];
    let schema = &content["application/json"]["schema"];
    assert_eq!(schema["required"], json!(["username", "password"]));
    assert_eq!(schema["properties"]["username"]["maxLength"], 150);
    assert_eq!(schema["properties"]["password"]["maxLength"], 128);
    assert_eq!(schema["properties"]["email"]["format"], "email");
    for media in ["application/x-www-form-urlencoded", "multipart/form-data"] {
        assert_eq!(&content[media]["schema"], schema);
    }
    let invites = Setup { register: Registration::Invite, ..Setup::default() }.open();
    let described_there = invites.get("/openapi.json", &[]).await.json();
    let operation = &described_there["paths"]["/api/auth/register/"]["post"];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["required"], json!(["username", "password", "invite"]));
    // What is only answered is not asked for.
    let refresh = &described["paths"]["/api/auth/token/refresh/"]["post"]["requestBody"];
    assert_eq!(refresh["content"]["application/json"]["schema"]["required"], json!(["refresh"]));
    let profile = &described["paths"]["/api/auth/profile/"]["get"];
    assert_eq!(profile["security"], json!([{ "bearer": [] }]));
}

#[test]
fn a_schema_that_is_broken_is_noticed() {
    let description = json!({ "components": { "schemas": { "T": { "type": "string" } } } });
    let of = |schema: Value, value: Value| violation(&description, &schema, &value);
    let text = json!({ "$ref": "#/components/schemas/T" });
    let object = json!({
        "type": "object", "required": ["a"], "properties": { "a": text }, "additionalProperties": false,
    });
    assert_eq!(of(object.clone(), json!({ "a": "x" })), None);
    for wrong in [json!({}), json!({ "a": 1 }), json!({ "a": "x", "b": "x" }), json!([])] {
        assert!(of(object.clone(), wrong).is_some());
    }
    let either = json!({ "anyOf": [object, { "type": "array", "items": text }] });
    assert_eq!(of(either.clone(), json!(["x"])), None);
    assert!(of(either, json!([1])).is_some());
}
