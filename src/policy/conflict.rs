//! Routes that cannot stand beside one another.

use std::fmt;

use super::Route;
use super::key::Key;

/// Two routes that cannot stand beside one another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// Where the first of them is in the list of routes.
    pub first: usize,
    /// Where the second is; the same as `first` for [`ConflictKind::Shadowed`].
    pub second: usize,
    /// What is the matter.
    pub kind: ConflictKind,
}

/// Why two routes cannot stand beside one another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConflictKind {
    /// They have paths in common, and neither is the more specific one.
    Overlap,
    /// They have the same paths and a method in common.
    SameMethods,
    /// Their paths differ only in case or in escapes, so neither would ever be served.
    Alike,
    /// All paths of the route are the gateway's own, in some case. A warning: [`Routes::new`](super::Routes::new) does not fail.
    Shadowed,
}

impl fmt::Display for ConflictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlap => {
                "both match some path and neither is the more specific; make one contain the other"
            }
            Self::SameMethods => {
                "both are for the same path and a method in common; GET includes HEAD"
            }
            Self::Alike => {
                "the paths differ only in case or in escapes, so that neither could be served"
            }
            Self::Shadowed => "every path of it is the gateway's own, whose case does not matter, so it is never used",
        })
    }
}

/// Whether they are for the same paths of the same host.
pub(super) fn same_place(a: &Key, b: &Key) -> bool {
    a.contains(b) && b.contains(a)
}

/// Each two of them that cannot.
pub(super) fn conflicts(routes: &[Route]) -> Vec<Conflict> {
    let alike: Vec<_> = routes.iter().map(|route| route.key.pattern.folded()).collect();
    let mut conflicts = Vec::new();
    for (second, (route, form)) in routes.iter().zip(&alike).enumerate() {
        for (first, (earlier, earlier_form)) in routes.iter().zip(&alike).enumerate().take(second) {
            let (a, b) = (&earlier.key, &route.key);
            let kind = if same_place(a, b) {
                a.methods.overlap(&b.methods).then_some(ConflictKind::SameMethods)
            } else if a.host == b.host && form == earlier_form {
                Some(ConflictKind::Alike)
            } else if a.overlaps(b) && !a.contains(b) && !b.contains(a) {
                Some(ConflictKind::Overlap)
            } else {
                None
            };
            conflicts.extend(kind.map(|kind| Conflict { first, second, kind }));
        }
    }
    conflicts
}
