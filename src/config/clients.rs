//! `client_ca` and `client_crl` of `[tls]`: whose word the certificates of clients need.

use std::path::PathBuf;

use toml::Spanned;

use super::context::Context;
use super::read::Many;
use super::tls::unreadable;
use crate::clock::{Clock, SystemClock};
use crate::tls::{Authorities, FileError, FileFault, TlsError};

/// Reads both; `None` where neither is written, or after a problem was noted.
pub(super) fn check(
    cx: &mut Context<'_>,
    authorities: Option<Spanned<String>>,
    lists: Option<Spanned<Many<String>>>,
) -> Option<Authorities> {
    let at = lists.as_ref().map(Spanned::span);
    let lists = lists.map(Spanned::into_inner).unwrap_or_default();
    if let Some(at) = at.clone().filter(|_| lists.is_empty()) {
        let message = "client_crl = [] would take nothing back; name the PEM files of the lists, or \
                       remove it";
        cx.error(at, message);
    }
    let Some(written) = authorities else {
        if let Some(at) = at {
            let message = "`client_crl` has what authorities took back, and none is named; name \
                           their PEM file as `client_ca`";
            cx.error(at, message);
        }
        return None;
    };
    let named: Vec<(PathBuf, _)> =
        lists.entries.iter().map(|entry| (cx.path(entry.get_ref()), entry.span())).collect();
    let paths: Vec<_> = named.iter().map(|(path, _)| path.clone()).collect();
    let place = |path: &PathBuf| {
        let found = named.iter().find(|(known, _)| known == path);
        found.map_or_else(|| written.span(), |(_, at)| at.clone())
    };
    let read = match Authorities::read(&cx.path(written.get_ref()), &paths) {
        Ok(read) => read,
        Err(error) => {
            let message = unreadable(&error).unwrap_or_else(|| wrong(&error));
            cx.error(place(&error.path), message);
            return None;
        }
    };
    for over in read.over(SystemClock.now()) {
        let (file, since) = (over.path.display(), over.since);
        let message = format!(
            "{file}: the revocation list ended at {since}, and whoever needs it is refused; fetch \
             a new one"
        );
        cx.problems.warn(place(&over.path), message);
    }
    for name in read.without_list() {
        let message = format!(
            "no list of `{name}` is there, so every certificate that it vouches for is refused; \
             add its list to `client_crl`"
        );
        cx.problems.warn(at.clone().unwrap_or_else(|| written.span()), message);
    }
    Some(read)
}

fn wrong(error: &FileError) -> String {
    match &error.error {
        FileFault::Content(TlsError::NoList(_)) => {
            "`client_crl` holds no revocation list in PEM form; convert it with openssl crl, or \
             name another file"
                .to_owned()
        }
        FileFault::Content(TlsError::List(cause)) => {
            format!(
                "a revocation list of `client_crl` cannot be used ({cause}); have it made again"
            )
        }
        FileFault::Read(_) | FileFault::Content(_) => {
            "`client_ca` holds no usable certificate in PEM form".to_owned()
        }
    }
}
