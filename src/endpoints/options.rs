//! `OPTIONS`: what an endpoint is and takes, as DRF describes its views.

use serde_json::{Map, Value, json};

use super::fields::{Field, Rule};
use super::negotiate::Media;
use super::register::INVITE;
use super::reply::Outcome;
use super::resource::Resource;

/// The description of an endpoint.
pub(super) fn describe(resource: Resource, longest_password: usize, invites: bool) -> Outcome {
    let mut body = json!({
        "name": resource.first.name,
        "description": "",
        "renders": [Media::Json.as_str()],
        "parses": Media::ALL.map(Media::as_str),
    });
    let actions: Map<_, _> = resource
        .rows()
        .filter(|row| !row.fields.is_empty())
        .map(|row| {
            // Where nobody has to be invited, it is as the original has it.
            let fields = row.fields.iter().filter(|field| invites || field.name != INVITE);
            let fields = fields
                .map(|field| (field.name.to_owned(), describe_field(field, longest_password)));
            (row.method.to_string(), Value::Object(fields.collect()))
        })
        .collect();
    if let (false, Some(body)) = (actions.is_empty(), body.as_object_mut()) {
        body.insert("actions".to_owned(), actions.into());
    }
    Outcome::ok(body)
}

fn describe_field(field: &Field, longest_password: usize) -> Value {
    let kind = match field.rule {
        Rule::Email => "email",
        Rule::Roles => "list",
        Rule::Seconds => "integer",
        Rule::Text
        | Rule::Untrimmed
        | Rule::Username
        | Rule::NewPassword
        | Rule::KeyName
        | Rule::Answered => "string",
    };
    let longest = field.rule.longest(longest_password);
    let mut told = json!({
        "type": kind,
        "required": field.required,
        "read_only": field.rule == Rule::Answered,
        "label": field.label,
    });
    if let (Some(longest), Some(told)) = (longest, told.as_object_mut()) {
        told.insert("max_length".to_owned(), longest.into());
    }
    told
}
