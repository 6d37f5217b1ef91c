//! `[store]`: where users and sessions are kept.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use super::context::Context;
use super::forms::Span;
use super::{KEYS, STORE, raw};
use crate::store::StoreSettings;
use crate::token::{FreshnessSettings, WhenStale};

/// The shortest time that a look at what others have changed can be missed for, and the longest: what
/// others have changed is not kept for ever.
const STALENESS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(2)..=Duration::from_secs(10 * 60);

/// What `[store]` says.
pub(super) struct Checked {
    pub(super) store: StoreSettings,
    /// The name that the files beside it take theirs from: that of the file, or the one that a file
    /// would have.
    pub(super) beside: PathBuf,
    pub(super) freshness: FreshnessSettings,
}

pub(super) fn check(cx: &mut Context<'_>, raw: raw::Store) -> Checked {
    let raw::Store { path, postgres, staleness, when_stale } = raw;
    let freshness = freshness(cx, staleness, when_stale, postgres.is_some());
    if let (Some(_), Some(postgres)) = (&path, &postgres) {
        let message = "the store is a file or a database; remove this, or `path`";
        cx.error(postgres.span(), message);
    }
    let file = file(cx, path);
    let database = postgres.and_then(|postgres| database(cx, postgres));
    let store = database.unwrap_or_else(|| StoreSettings::File(file.clone()));
    Checked { store, beside: file, freshness }
}

fn freshness(
    cx: &mut Context<'_>,
    staleness: Option<Spanned<Span>>,
    when_stale: Option<Spanned<String>>,
    is_database: bool,
) -> FreshnessSettings {
    let mut freshness = FreshnessSettings::default();
    let written = [staleness.as_ref().map(Spanned::span), when_stale.as_ref().map(Spanned::span)];
    for at in written.into_iter().flatten().filter(|_| !is_database) {
        let warning = "this is about a database that others change as well; a file has one gateway";
        cx.problems.warn(at, warning);
    }
    if let Some(written) = staleness {
        let (at, Span(time)) = (written.span(), written.into_inner());
        if !STALENESS.contains(&time) {
            let form = "what others change is looked for each second; write \"2s\" to \"10m\"";
            cx.error(at, format!("`staleness` is out of its range: {form}"));
        }
        freshness.staleness = time;
    }
    let words = [("refuse", WhenStale::Refuse), ("serve", WhenStale::Serve)];
    cx.choice("when_stale", &mut freshness.when_stale, when_stale, &words);
    freshness
}

fn file(cx: &mut Context<'_>, written: Option<Spanned<String>>) -> PathBuf {
    let at = written.as_ref().map(Spanned::span);
    let store = cx.path_or(STORE, written);
    if let Some(at) = at
        && store.extension().is_some_and(|end| end == KEYS)
    {
        let message = "the file beside the store that ends in `.keys` holds the keys; \
                       let `path` end in `.redb`";
        cx.error(at, message);
    }
    store
}

/// `None` after a problem was noted.
#[cfg(feature = "postgres")]
fn database(cx: &mut Context<'_>, written: Spanned<raw::Postgres>) -> Option<StoreSettings> {
    use super::context::set;
    use super::upstreams;

    let at = written.span();
    let raw = written.into_inner();
    let Some(url) = raw.url else {
        if !raw.flawed {
            let form = "postgres = { url = { env = \"DATABASE_URL\" } }";
            cx.error(at, format!("the database has no `url`; write {form}"));
        }
        return None;
    };
    let place = url.span();
    let mut settings = server(cx, "url", url)?;
    if let Some(direct) = raw.direct {
        settings = settings.woken_by(server(cx, "direct", direct)?);
    }
    let clear = raw.danger_clear.is_some_and(Spanned::into_inner);
    match raw.ca {
        Some(ca) if clear || settings.is_socket() => {
            cx.error(ca.span(), "`ca` is about TLS, and this connection has none; remove it");
            return None;
        }
        Some(ca) => settings = settings.trusting(upstreams::roots(cx, Some(ca))?),
        None if clear => {
            if !settings.is_here() {
                let warning = "everything goes to this database in clear: whoever can read it on \
                               the way has its password, and those of the users as hashes";
                cx.problems.warn(place, warning);
            }
            settings = settings.in_clear();
        }
        None => {}
    }
    set(&mut settings.prepared, raw.prepared);
    set(&mut settings.connections, raw.connections);
    set(&mut settings.timeout, raw.timeout);
    Some(StoreSettings::Postgres(Box::new(settings)))
}

/// Where a server is; `None` after a problem was noted.
#[cfg(feature = "postgres")]
fn server(
    cx: &mut Context<'_>,
    key: &str,
    url: Spanned<super::forms::Source>,
) -> Option<crate::store::PostgresSettings> {
    let place = url.span();
    let url = cx.secret(key, url)?;
    let read = crate::store::PostgresSettings::of_url(&url);
    let form = "it must be \"postgres://user:password@host/database\"";
    read.map_err(|fault| {
        cx.error(place, format!("`{key}` is none of a database, {form}: {fault}"));
    })
    .ok()
}

/// `None` after a problem was noted.
#[cfg(not(feature = "postgres"))]
fn database(cx: &mut Context<'_>, written: Spanned<raw::Postgres>) -> Option<StoreSettings> {
    let message = "this program was built without the feature `postgres`; use `path`";
    cx.error(written.span(), message);
    let raw::Postgres { flawed, url, direct, ca, danger_clear, prepared, connections, timeout } =
        written.into_inner();
    // Whatever they say.
    drop((flawed, url, direct, ca, danger_clear, prepared, connections, timeout));
    None
}
