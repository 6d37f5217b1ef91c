//! `[store]`: where users and sessions are kept.

use std::path::PathBuf;

use toml::Spanned;

use super::context::Context;
use super::{KEYS, STORE, raw};
use crate::store::StoreSettings;

/// Where the store is, and the name that the files beside it take theirs from: that of the file, or
/// the one that a file would have.
pub(super) fn check(cx: &mut Context<'_>, raw: raw::Store) -> (StoreSettings, PathBuf) {
    let raw::Store { path, postgres } = raw;
    if let (Some(_), Some(postgres)) = (&path, &postgres) {
        let message = "the store is a file or a database; remove this, or `path`";
        cx.error(postgres.span(), message);
    }
    let file = file(cx, path);
    let database = postgres.and_then(|postgres| database(cx, postgres));
    (database.unwrap_or_else(|| StoreSettings::File(file.clone())), file)
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
    use crate::store::PostgresSettings;

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
    let url = cx.secret("url", url)?;
    let mut settings = match PostgresSettings::of_url(&url) {
        Ok(settings) => settings,
        Err(fault) => {
            let form = "it must be \"postgres://user:password@host/database\"";
            cx.error(place, format!("`url` is none of a database, {form}: {fault}"));
            return None;
        }
    };
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

/// `None` after a problem was noted.
#[cfg(not(feature = "postgres"))]
fn database(cx: &mut Context<'_>, written: Spanned<raw::Postgres>) -> Option<StoreSettings> {
    let message = "this program was built without the feature `postgres`; use `path`";
    cx.error(written.span(), message);
    let raw::Postgres { flawed, url, ca, danger_clear, prepared, connections, timeout } =
        written.into_inner();
    // Whatever they say.
    drop((flawed, url, ca, danger_clear, prepared, connections, timeout));
    None
}
