//! The operators that a mutant changes.

use syn::{BinOp, Expr};

/// The function of `switch.rs` that compares as this operator does, or one step beside.
pub(crate) fn order(operator: &BinOp) -> Option<(&'static str, &'static str)> {
    match operator {
        BinOp::Lt(_) => Some(("lt", "`<=` for `<`")),
        BinOp::Le(_) => Some(("le", "`<` for `<=`")),
        BinOp::Gt(_) => Some(("gt", "`>=` for `>`")),
        BinOp::Ge(_) => Some(("ge", "`>` for `>=`")),
        _ => None,
    }
}

/// The function of `switch.rs` that adds or takes away, or does the other of the two.
pub(crate) fn sum(operator: &BinOp) -> Option<(&'static str, &'static str)> {
    match operator {
        BinOp::Add(_) => Some(("add", "`-` for `+`")),
        BinOp::Sub(_) => Some(("sub", "`+` for `-`")),
        _ => None,
    }
}

/// Whether its result is true or false.
pub(crate) const fn compares(operator: &BinOp) -> bool {
    matches!(
        operator,
        BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
    )
}

/// The parts of `a && b && c`, or of `a || b || c`, with what they are joined by; a single part for all else.
pub(crate) fn parts(condition: &Expr) -> (Vec<&Expr>, Joined) {
    let Expr::Binary(binary) = condition else { return (vec![condition], Joined::Alone) };
    let joined = Joined::by(&binary.op);
    let mut found = Vec::new();
    if joined == Joined::Alone {
        found.push(condition);
    } else {
        collect(condition, joined, &mut found);
    }
    (found, joined)
}

fn collect<'ast>(condition: &'ast Expr, joined: Joined, found: &mut Vec<&'ast Expr>) {
    match condition {
        Expr::Binary(binary) if Joined::by(&binary.op) == joined => {
            collect(&binary.left, joined, found);
            collect(&binary.right, joined, found);
        }
        _ => found.push(condition),
    }
}

/// How the parts of a condition belong together.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Joined {
    Alone,
    All,
    Any,
}

impl Joined {
    const fn by(operator: &BinOp) -> Self {
        match operator {
            BinOp::And(_) => Self::All,
            BinOp::Or(_) => Self::Any,
            _ => Self::Alone,
        }
    }
}
