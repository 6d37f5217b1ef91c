//! What is asked of any bytes, as plain functions that panic if it does not hold: fuzzed by
//! `tests/fuzz.sh`, and over the kept corpora by `tests/corpus.rs`.

mod answer;
mod config;
mod connection;
mod cookie;
mod endpoint;
mod forwarded;
mod head;
mod host;
mod import;
mod lines;
mod path;
mod proxied;
mod record;
mod token;
mod world;

/// Panics if something does not hold of the bytes.
pub(crate) type Target = fn(&[u8]);

/// Each target by its name, which is that of its file below `corpus`, too.
pub(crate) const ALL: [(&str, Target); 15] = [
    ("answer", answer::run),
    ("config", config::run),
    ("cookie", cookie::run),
    ("endpoint", endpoint::run),
    ("forwarded", forwarded::run),
    ("head", head::run),
    ("host", host::run),
    ("http1", connection::http1),
    ("http2", connection::http2),
    ("import", import::run),
    ("lines", lines::run),
    ("path", path::run),
    ("proxied", proxied::run),
    ("record", record::run),
    ("token", token::run),
];
