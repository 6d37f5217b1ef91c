//! What a function could return without doing anything.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::names;

/// Values of a function's type, as source text; none where nothing is known of it.
pub(crate) fn of(output: &ReturnType) -> Vec<String> {
    match output {
        ReturnType::Default => vec!["()".to_owned()],
        ReturnType::Type(_, kind) => of_type(kind),
    }
}

fn of_type(kind: &Type) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match kind {
        Type::Tuple(tuple) if tuple.elems.is_empty() => one("()"),
        Type::Reference(_) if names::of_type(kind) == "str" => one("\"\""),
        Type::Path(_) => match names::of_type(kind).as_str() {
            "bool" => vec!["true".to_owned(), "false".to_owned()],
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i32" | "i64" => {
                vec!["0".to_owned(), "1".to_owned()]
            }
            "Option" => one("None"),
            "String" => one("String::new()"),
            "Vec" => one("Vec::new()"),
            "Duration" => one("std::time::Duration::ZERO"),
            "Result" => first_argument(kind).map_or_else(Vec::new, |inner| {
                of_type(inner).into_iter().map(|value| format!("Ok({value})")).collect()
            }),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn first_argument(kind: &Type) -> Option<&Type> {
    let Type::Path(path) = kind else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(kind) => Some(kind),
        _ => None,
    })
}
