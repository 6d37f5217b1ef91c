//! Where the log goes: standard error, as text or JSON, filtered, and safe to look at.

mod access_line;

use std::env;
use std::fmt;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self as output, FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Log, LogFormat};
use crate::gateway::ACCESS_LOG;
use crate::printable::is_active;

/// Overrides `[log] filter`.
const VARIABLE: &str = "RUST_LOG";

/// Why there is no log. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The filter cannot be read; write it as in `info,portcullis=debug`.
    #[error("{0}: `{1}` is no filter ({2}); write it as in \"info,portcullis=debug\"")]
    Filter(&'static str, String, #[source] ParseError),
    /// The program that embeds us has a log already.
    #[error("there is a log already")]
    Taken,
}

/// Starts the log of this process, on standard error.
///
/// # Errors
///
/// A [`LogError`]; do not start without a log.
pub fn start(settings: &Log) -> Result<(), LogError> {
    let variable = env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let subscriber = subscriber(settings, variable, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)
}

fn subscriber<W>(
    settings: &Log,
    variable: Option<String>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + 'static, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (origin, text) = match variable {
        Some(text) => (VARIABLE, text),
        None => ("[log] filter", settings.filter.clone()),
    };
    let filter = EnvFilter::builder().parse(&text);
    let filter = filter.map_err(|error| LogError::Filter(origin, text, error))?;
    // No colours: an escape sequence in the log would then always be somebody else's. And no
    // complaints on standard error about standard error.
    let lines = output::layer().with_writer(writer).with_ansi(false).log_internal_errors(false);
    let lines = match settings.format {
        LogFormat::Text => lines.event_format(Safe(output::format(), Escape::Text)).boxed(),
        LogFormat::Json => {
            let format = output::format().json().flatten_event(true).with_span_list(false);
            let fields = output::format::JsonFields::new();
            lines.fmt_fields(fields).event_format(Safe(format, Escape::Json)).boxed()
        }
    };
    let access = settings.access;
    let wanted = filter_fn(move |meta: &Metadata<'_>| access || meta.target() != ACCESS_LOG);
    // For all layers, and not for that one: a filter of one layer would have every request
    // gather its line, only to throw it away.
    Ok(Registry::default().with(lines).with(wanted).with(filter))
}

/// How what is not fit to be seen is written.
#[derive(Clone, Copy, Debug)]
enum Escape {
    /// As Rust does.
    Text,
    /// As JSON does (RFC 8259 section 7): whoever reads it gets the character back.
    Json,
}

/// A format whose lines are one line, and move no cursor: much in a log was chosen by clients.
struct Safe<F>(F, Escape);

impl<S, N, F> FormatEvent<S, N> for Safe<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() == ACCESS_LOG {
            return writer.write_str(&access_line::line(event, self.1)?);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end_matches('\n');
        // Nearly every line, and several times faster than sign by sign.
        if line.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return writeln!(writer, "{line}");
        }
        for sign in line.chars() {
            match self.1 {
                _ if !is_active(sign) => writer.write_char(sign)?,
                Escape::Text => write!(writer, "{}", sign.escape_default())?,
                // Active signs are all of the first plane, so that one escape is enough.
                Escape::Json => write!(writer, "\\u{:04x}", u32::from(sign))?,
            }
        }
        writer.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::fmt::TestWriter;

    use super::*;
    use crate::log_sink::LogSink;

    fn logged(settings: &Log, variable: Option<&str>, work: impl FnOnce()) -> String {
        let sink = LogSink::default();
        let writer = sink.clone();
        let made = subscriber(settings, variable.map(Into::into), move || writer.clone());
        tracing::subscriber::with_default(made.unwrap(), work);
        sink.text()
    }

    fn json() -> Log {
        Log { format: LogFormat::Json, ..Log::default() }
    }

    const EVIL: &str = "a\x1b[2J\r\nINFO forged\u{9b}31m\u{202e}\x7f";

    fn evil() {
        let span = tracing::info_span!("request", path = %EVIL);
        let _entered = span.enter();
        tracing::info!(shown = %EVIL, debugged = ?EVIL, "message {EVIL}");
    }

    #[test]
    fn nothing_that_a_client_sends_reaches_the_terminal_raw() {
        for settings in [Log::default(), json()] {
            let text = logged(&settings, None, evil);
            assert_eq!(text.lines().count(), 1, "{text:?}");
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.chars().any(is_active), "{line:?}");
        }
    }

    #[test]
    fn json_gives_back_what_was_sent() {
        let text = logged(&json(), None, evil);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        // The library's own escapes are in the way of a full return.
        assert!(line["shown"].as_str().unwrap().contains("\r\nINFO forged"));
        assert!(line["span"]["path"].as_str().unwrap().ends_with("\u{202e}\x7f"));
    }

    fn request() {
        tracing::info!(
            target: ACCESS_LOG,
            { path = EVIL, client = %"1.2.3.4", status = 200_u16, code = None::<&str>,
              quoted = "a\"b\\c", complete = true, bytes = 5_u64 },
            "request"
        );
    }

    #[test]
    fn the_line_of_a_request_is_one_line_too() {
        let text = logged(&Log::default(), None, request);
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.chars().any(is_active), "{line:?}");
        assert!(line.contains("  INFO portcullis::access: request path=\"a\\u{1b}[2J"), "{line}");
        let rest = "client=1.2.3.4 status=200 quoted=\"a\\\"b\\\\c\" complete=true bytes=5";
        assert!(line.ends_with(rest), "{line}");
        let text = logged(&json(), None, request);
        assert!(!text.trim_end().chars().any(is_active), "{text:?}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["path"], EVIL);
        assert_eq!(line["quoted"], "a\"b\\c");
        assert_eq!((&line["status"], &line["client"]), (&200.into(), &"1.2.3.4".into()));
        assert_eq!((&line["message"], &line["level"]), (&"request".into(), &"INFO".into()));
        assert_eq!(line["target"], ACCESS_LOG);
    }

    fn speak() {
        tracing::info!(target: ACCESS_LOG, "access");
        tracing::info!("general");
        tracing::debug!("detail");
    }

    #[test]
    fn the_access_log_goes_without_the_rest() {
        let quiet = Log { access: false, ..Log::default() };
        for variable in [None, Some("trace")] {
            let text = logged(&quiet, variable, speak);
            assert!(text.contains("general") && !text.contains("access"), "{text}");
            // Nor is anything gathered for it.
            logged(&quiet, variable, || {
                assert!(!tracing::enabled!(target: ACCESS_LOG, Level::INFO));
            });
        }
        let text = logged(&Log::default(), None, speak);
        assert!(text.contains("general") && text.contains("access"), "{text}");
        assert!(!text.contains("detail"), "{text}");
    }

    #[test]
    fn the_environment_overrides_the_filter() {
        let text = logged(&Log::default(), Some("warn,portcullis=debug"), speak);
        assert!(text.contains("detail"), "{text}");
        assert_eq!(logged(&Log::default(), Some("off"), speak), "");
    }

    #[test]
    fn a_filter_that_is_none_is_named() {
        let settings = Log { filter: "info,=".into(), ..Log::default() };
        let error = subscriber(&settings, None, TestWriter::new).err().unwrap().to_string();
        assert!(error.starts_with("[log] filter: `info,=` is no filter"), "{error}");
    }
}
