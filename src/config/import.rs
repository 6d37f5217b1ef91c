//! `[import]`: which roles users of other systems get here.

use super::context::{Context, inner};
use super::raw;
use super::read::Many;
use crate::admin::ImportRoles;
use crate::identity::is_role_name;

pub(super) fn check(cx: &mut Context<'_>, raw: raw::Import) -> ImportRoles {
    let raw::Import { roles, groups } = raw;
    let flags = inner(roles);
    let staff = names(cx, inner(flags.is_staff));
    let superuser = names(cx, inner(flags.is_superuser));
    let groups = inner(groups).0.into_iter();
    let groups = groups.map(|(group, roles)| (group.into_inner(), names(cx, roles))).collect();
    ImportRoles { staff, superuser, groups }
}

/// Role names, each checked.
fn names(cx: &mut Context<'_>, written: Many<String>) -> Vec<String> {
    let mut names = Vec::new();
    for name in written.entries {
        if !is_role_name(name.get_ref()) {
            let message = format!(
                "`{}` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`",
                name.get_ref()
            );
            cx.error(name.span(), message);
        }
        names.push(name.into_inner());
    }
    names
}
