//! What a condition could be taken for.

use syn::visit::Visit;
use syn::{Expr, ExprBinary};

use crate::find::{Finder, range};
use crate::operators::{self, Joined};

impl Finder<'_> {
    /// What is asked by `if`, by a guard or by a function's last line.
    pub(crate) fn condition(&mut self, condition: &Expr) {
        let (parts, joined) = operators::parts(condition);
        match joined {
            Joined::Alone if matches!(condition, Expr::Let(_)) => self.none_matches(condition),
            Joined::Alone => {
                let always = self.name(condition, "always true");
                let never = self.name(condition, "always false");
                self.lay("either", vec![always, never], condition);
            }
            Joined::All if parts.iter().any(|part| matches!(part, Expr::Let(_))) => {
                self.none_matches(condition);
            }
            Joined::All => {
                let never = self.name(condition, "always false");
                self.lay("never", vec![never], condition);
            }
            Joined::Any => {
                let always = self.name(condition, "always true");
                self.lay("always", vec![always], condition);
            }
        }
        self.parts(&parts, joined);
    }

    /// `if let`, as if nothing matched.
    fn none_matches(&mut self, condition: &Expr) {
        let never = self.name(condition, "never matches");
        let before = format!("!crate::mutant::is({never}) && ");
        self.edits.at(vec![never], range(condition).start, before);
    }

    /// Leaves out each part of a condition, and looks into it.
    fn parts(&mut self, parts: &[&Expr], joined: Joined) {
        for part in parts {
            if !matches!(part, Expr::Let(_)) {
                match joined {
                    Joined::Alone => {}
                    Joined::All => {
                        let number =
                            self.name(*part, format!("without `{}`", self.first_line(part)));
                        self.lay("always", vec![number], part);
                    }
                    Joined::Any => {
                        let number =
                            self.name(*part, format!("without `{}`", self.first_line(part)));
                        self.lay("never", vec![number], part);
                    }
                }
            }
            self.part(part);
        }
    }

    /// Looks into a part of a condition, which itself was seen to.
    pub(crate) fn part(&mut self, part: &Expr) {
        match part {
            Expr::Binary(binary) if operators::compares(&binary.op) => self.beside(binary),
            Expr::Unary(unary) => self.visit_expr(&unary.expr),
            other => self.visit_expr(other),
        }
    }

    /// A comparison: what is equal counts on the other side.
    pub(crate) fn beside(&mut self, binary: &ExprBinary) {
        if let Some((call, kind)) = operators::order(&binary.op) {
            let number = self.name(binary, kind);
            let call = format!("crate::mutant::{call}({number}, ");
            self.edits.call(vec![number], range(binary), range(&binary.op), &call, "&");
        }
        self.visit_expr(&binary.left);
        self.visit_expr(&binary.right);
    }
}
