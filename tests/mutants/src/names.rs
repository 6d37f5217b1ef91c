//! What functions are called, for people who read about a mutant.

use syn::{Attribute, Meta, Path, Type};

/// The last word of a type's path, or nothing.
pub(crate) fn of_type(kind: &Type) -> String {
    match kind {
        Type::Path(path) => last(&path.path),
        Type::Reference(reference) => of_type(&reference.elem),
        _ => String::new(),
    }
}

/// The last word of a path.
pub(crate) fn last(path: &Path) -> String {
    path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

/// Whether an item is there in tests alone.
pub(crate) fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        Meta::Path(path) => last(path) == "test",
        Meta::NameValue(_) => false,
    })
}
