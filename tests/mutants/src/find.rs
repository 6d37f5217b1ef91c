//! Finds what can be changed in a file.
//!
//! What a test that fails for one mutant does for another is not asked twice: of `a && b` each part is left out,
//! so there is no `||` in its place; of `if a == b` both answers are tried, so there is no `!=`.

use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Arm, Block, Expr, ExprBinary, ImplItemFn, ItemFn, Pat, Signature, Stmt, TraitItemFn};

use crate::edits::Edits;
use crate::{names, operators, values};

/// One change, in words.
#[derive(serde::Serialize)]
pub(crate) struct Mutant {
    number: usize,
    line: usize,
    /// The function that it is in.
    function: String,
    /// What is changed.
    kind: String,
    /// The line that it is in, as it was.
    text: String,
}

/// All that was found in a file.
pub(crate) struct Finder<'text> {
    text: &'text str,
    first: usize,
    /// The modules, types and functions around what is looked at.
    around: Vec<String>,
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) edits: Edits,
}

impl<'text> Finder<'text> {
    pub(crate) fn new(text: &'text str, first: usize) -> Self {
        Self { text, first, around: Vec::new(), mutants: Vec::new(), edits: Edits::default() }
    }

    pub(crate) fn find(mut self, file: &syn::File) -> Self {
        self.visit_file(file);
        self
    }

    /// Gives a mutant its number.
    pub(crate) fn name(&mut self, what: &impl Spanned, kind: impl Into<String>) -> usize {
        let line = what.span().start().line;
        let text = self.text.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
        let number = self.first + self.mutants.len();
        let function = self.around.join("::");
        self.mutants.push(Mutant { number, line, function, kind: kind.into(), text });
        number
    }

    /// How an expression begins.
    pub(crate) fn first_line(&self, what: &impl Spanned) -> &'text str {
        self.text[range(what)].lines().next().unwrap_or_default()
    }

    /// Lays a call of `switch.rs` around an expression.
    pub(crate) fn lay(&mut self, call: &str, mutants: Vec<usize>, what: &Expr) {
        let before = format!("crate::mutant::{call}({}, ", mutants[0]);
        self.edits.around(mutants, range(what), before, ")");
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        // What can be called by the compiler has no switch; what is printed is no decision.
        if signature.constness.is_some() || signature.ident == "fmt" {
            return;
        }
        self.around.push(signature.ident.to_string());
        let values = values::of(&signature.output);
        let last = match block.stmts.as_slice() {
            [.., Stmt::Expr(last, None)] if values == ["true", "false"] && !leaves_early(block) => {
                Some(last)
            }
            _ => None,
        };
        if let Some(last) = last {
            for statement in &block.stmts[..block.stmts.len() - 1] {
                self.visit_stmt(statement);
            }
            self.condition(last);
        } else {
            // Of a single act it is the same as not to do it.
            if !matches!(block.stmts.as_slice(), [] | [Stmt::Expr(_, Some(_))]) || values != ["()"]
            {
                for value in values {
                    let number = self.name(&signature.ident, format!("returns {value} at once"));
                    let text = format!(" if crate::mutant::is({number}) {{ return {value}; }}");
                    self.edits.at(vec![number], range(&block.brace_token.span.open()).end, text);
                }
            }
            self.visit_block(block);
        }
        self.around.pop();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !names::is_of_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !names::is_of_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !names::is_of_tests(&item.attrs) {
            self.around.push(names::of_type(&item.self_ty));
            visit::visit_item_impl(self, item);
            self.around.pop();
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.around.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.around.pop();
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !names::is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    // What is worked out by the compiler has no switch.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_expr_if(&mut self, asked: &'ast syn::ExprIf) {
        self.condition(&asked.cond);
        self.visit_block(&asked.then_branch);
        if let Some((_, other)) = &asked.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, repeated: &'ast syn::ExprWhile) {
        // Only never: what is always so would not end.
        if !matches!(*repeated.cond, Expr::Let(_)) {
            let number = self.name(&*repeated.cond, "always false");
            self.lay("never", vec![number], &repeated.cond);
            self.part(&repeated.cond);
        }
        self.visit_block(&repeated.body);
    }

    fn visit_expr_match(&mut self, matched: &'ast syn::ExprMatch) {
        self.visit_expr(&matched.expr);
        let has_rest = matched.arms.last().is_some_and(|arm| takes_the_rest(&arm.pat));
        for (at, arm) in matched.arms.iter().enumerate() {
            self.arm(arm, has_rest && at + 1 < matched.arms.len());
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        if operators::compares(&binary.op) {
            let number = self.name(binary, "the opposite");
            let before = format!("crate::mutant::opposite({number}, ");
            self.edits.around(vec![number], range(binary), before, ")");
            self.beside(binary);
        } else if let Some((call, kind)) = operators::sum(&binary.op) {
            let number = self.name(binary, kind);
            let call = format!("crate::mutant::{call}({number}, ");
            self.edits.call(vec![number], range(binary), range(&binary.op), &call, "");
            visit::visit_expr_binary(self, binary);
        } else {
            visit::visit_expr_binary(self, binary);
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_) | syn::BinOp::Or(_)) => {
                self.condition(expression);
            }
            Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Not(_)) => {
                let number = self.name(unary, "without `!`");
                let call = format!("crate::mutant::not({number}, ");
                self.edits.instead(vec![number], range(&unary.op), call, range(unary).end, ")");
                self.visit_expr(&unary.expr);
            }
            other => visit::visit_expr(self, other),
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(done, Some(_)) = statement
            && is_an_act(done)
        {
            let number = self.name(done, "not done");
            let before = format!("if !crate::mutant::is({number}) {{ ");
            self.edits.around(vec![number], range(statement), before, " }");
        }
        visit::visit_stmt(self, statement);
    }
}

impl Finder<'_> {
    /// An arm of a `match`; one that another comes after could be missing.
    fn arm(&mut self, arm: &Arm, another_comes: bool) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard);
        } else if another_comes {
            let number = self.name(&arm.pat, "arm left out");
            let guard = format!(" if !crate::mutant::is({number})");
            self.edits.at(vec![number], range(&arm.pat).end, guard);
        }
        self.visit_expr(&arm.body);
    }
}

/// Whether a pattern is `_` or a new name, and none of a constant or variant.
fn takes_the_rest(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) => true,
        Pat::Ident(name) => {
            name.subpat.is_none() && name.ident.to_string().starts_with(char::is_lowercase)
        }
        _ => false,
    }
}

/// Whether leaving a statement out leaves the rest as it is.
fn is_an_act(done: &Expr) -> bool {
    match done {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) | Expr::Binary(_) => true,
        Expr::Try(tried) => is_an_act(&tried.expr),
        Expr::Await(awaited) => is_an_act(&awaited.base),
        _ => false,
    }
}

/// Whether a function returns before its last line.
fn leaves_early(block: &Block) -> bool {
    struct Looks(bool);
    impl Visit<'_> for Looks {
        fn visit_expr_return(&mut self, _: &syn::ExprReturn) {
            self.0 = true;
        }
        fn visit_expr_try(&mut self, _: &syn::ExprTry) {
            self.0 = true;
        }
        fn visit_expr_closure(&mut self, _: &syn::ExprClosure) {}
    }
    let mut looks = Looks(false);
    looks.visit_block(block);
    looks.0
}

pub(crate) fn range(what: &impl Spanned) -> Range<usize> {
    what.span().byte_range()
}
