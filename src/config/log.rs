//! `[log]`: what is written, and how.

use super::context::{Context, set};
use super::raw;

/// `[log]`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Whether every request gives a line.
    pub access: bool,
    /// What is written, as `RUST_LOG` has it: `info,portcullis=debug`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::default(), access: true, filter: "info".to_owned() }
    }
}

pub(super) fn check(cx: &mut Context<'_>, raw: raw::Log) -> Log {
    let mut log = Log::default();
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    cx.choice("format", &mut log.format, raw.format, &formats);
    set(&mut log.access, raw.access);
    if let Some(filter) = &raw.filter
        && let Some(why) = unreadable(filter.get_ref())
    {
        cx.error(filter.span(), format!("{why}; write it as in \"info,portcullis=debug\""));
    }
    set(&mut log.filter, raw.filter);
    log
}

/// What the log cannot read in a filter. Only the binary has a log; whoever embeds us brings
/// their own, and reads this or not.
#[cfg(feature = "cli")]
fn unreadable(filter: &str) -> Option<String> {
    let parsed = tracing_subscriber::EnvFilter::builder().parse(filter);
    parsed.err().map(|why| why.to_string())
}

#[cfg(not(feature = "cli"))]
const fn unreadable(_filter: &str) -> Option<String> {
    None
}
