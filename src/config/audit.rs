//! `[audit]`: the record of who did what.

use std::path::{Path, PathBuf};

use super::context::{Context, set};
use super::raw;
use crate::audit::AuditSettings;

/// How the name of the record ends, unless the file says otherwise: it is that of the store.
const RECORD: &str = "audit";

/// Fewest bytes of a file: less would be turned over with every few lines.
const SMALLEST: u64 = 64 * 1024;

/// `store` and `keys` are files of ours that stand beside the record.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: raw::Audit,
    store: &Path,
    keys: &Path,
) -> AuditSettings {
    let mut settings = AuditSettings::at(store.with_extension(RECORD));
    set(&mut settings.enabled, raw.enabled);
    if let Some(path) = raw.path {
        let at = path.span();
        settings.path = cx.path_or(PathBuf::new(), Some(path));
        if settings.path == store || settings.path == keys {
            let what = if settings.path == store { "the store is" } else { "the keys are" };
            cx.error(at, format!("`path` is where {what} kept; name another file"));
        }
    }
    if let Some(size) = &raw.size
        && size.get_ref().0 < SMALLEST
    {
        cx.error(size.span(), "`size` must be at least \"64KiB\"");
    }
    set(&mut settings.size, raw.size);
    set(&mut settings.keep, raw.keep);
    settings
}
