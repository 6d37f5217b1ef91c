//! The line of a request, written in one go.
//!
//! Every request has one, so it does without the machinery that other lines go through: no
//! formatter a field, no second look at the whole line. It looks the same.

use std::fmt::{self, Write};

use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::Escape;
use crate::printable::{Printable, is_active};

/// The whole line, with its end.
pub(super) fn line(event: &Event<'_>, escape: Escape) -> Result<String, fmt::Error> {
    let mut text = String::with_capacity(384);
    let metadata = event.metadata();
    match escape {
        Escape::Text => {
            SystemTime.format_time(&mut Writer::new(&mut text))?;
            write!(text, "{:>6} {}:", metadata.level(), metadata.target())?;
            event.record(&mut TextFields(&mut text));
        }
        Escape::Json => {
            text.push_str("{\"timestamp\":\"");
            SystemTime.format_time(&mut Writer::new(&mut text))?;
            write!(text, "\",\"level\":\"{}\"", metadata.level())?;
            event.record(&mut JsonFields(&mut text));
            write!(text, ",\"target\":\"{}\"}}", metadata.target())?;
        }
    }
    text.push('\n');
    Ok(text)
}

/// Whether a text can stand between quotes as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

/// Writing to a String cannot fail; were it to, a sign of it is left.
fn put(text: &mut String, shown: impl fmt::Display) {
    if write!(text, "{shown}").is_err() {
        text.push('?');
    }
}

/// ` name=value`, texts between quotes.
struct TextFields<'a>(&'a mut String);

impl TextFields<'_> {
    fn name(&mut self, field: &Field) {
        self.0.push(' ');
        self.0.push_str(field.name());
        self.0.push('=');
    }
}

impl Visit for TextFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.0.push('"');
        if is_plain(value) {
            self.0.push_str(value);
        } else {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            put(self.0, Printable(&quoted));
        }
        self.0.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        put(self.0, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.push(' ');
        } else {
            self.name(field);
        }
        let shown = format!("{value:?}");
        put(self.0, Printable(&shown));
    }
}

/// `,"name":value`.
struct JsonFields<'a>(&'a mut String);

impl JsonFields<'_> {
    fn name(&mut self, field: &Field) {
        self.0.push_str(",\"");
        self.0.push_str(field.name());
        self.0.push_str("\":");
    }

    fn text(&mut self, value: &str) {
        self.0.push('"');
        if is_plain(value) {
            self.0.push_str(value);
        } else {
            for sign in value.chars() {
                match sign {
                    '"' | '\\' => self.0.extend(['\\', sign]),
                    // Active signs are all of the first plane, so that one escape is enough.
                    _ if is_active(sign) => put(self.0, format_args!("\\u{:04x}", u32::from(sign))),
                    _ => self.0.push(sign),
                }
            }
        }
        self.0.push('"');
    }
}

impl Visit for JsonFields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.text(value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        put(self.0, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.name(field);
        self.0.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        let shown = format!("{value:?}");
        self.text(&shown);
    }
}
