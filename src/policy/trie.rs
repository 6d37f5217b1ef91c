//! Finds the most specific pattern of a path.

use super::pattern::Pattern;
use crate::web::Form;

/// A tree of segments. A leaf is a number, the caller's name for a pattern.
#[derive(Debug, Default)]
pub(super) struct Trie {
    /// Sorted, for there are few and a search needs no hash.
    literals: Vec<(Box<[u8]>, Self)>,
    named: Option<Box<Self>>,
    exact: Option<usize>,
    below: Option<usize>,
}

impl Trie {
    /// Adds a pattern in that form. If one is there that has the same form, it stays.
    pub(super) fn insert(&mut self, pattern: &Pattern, form: Form, leaf: usize) {
        let (segments, open) = pattern.in_form(form);
        let mut node = self;
        for segment in segments {
            node = match segment {
                Some(literal) => node.literal(literal.into()),
                None => node.named.get_or_insert_default(),
            };
        }
        let end = if open { &mut node.below } else { &mut node.exact };
        end.get_or_insert(leaf);
    }

    fn literal(&mut self, literal: Box<[u8]>) -> &mut Self {
        let found = self.literals.binary_search_by(|(known, _)| known.cmp(&literal));
        let at = found.unwrap_or_else(|at| {
            self.literals.insert(at, (literal, Self::default()));
            at
        });
        #[expect(clippy::indexing_slicing, reason = "found or inserted there just now")]
        &mut self.literals[at].1
    }

    /// The leaf of the most specific pattern that has the path `/...`.
    ///
    /// Of the patterns that have one path, each contains the next. So one that is literal where
    /// another is named is within it, and the first find is the most specific.
    pub(super) fn find(&self, path: &[u8]) -> Option<usize> {
        self.find_below(path.strip_prefix(b"/"))
    }

    /// `rest` is what follows the slash after this node's segment; `None` if no slash does.
    fn find_below(&self, rest: Option<&[u8]>) -> Option<usize> {
        let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
            return self.exact.or(self.below);
        };
        let mut parts = rest.splitn(2, |byte| *byte == b'/');
        let segment = parts.next().unwrap_or_default();
        let next = parts.next();
        let literal = self.literals.binary_search_by(|(known, _)| (**known).cmp(segment)).ok();
        literal
            .and_then(|at| self.literals.get(at)?.1.find_below(next))
            .or_else(|| self.named.as_ref().filter(|_| !segment.is_empty())?.find_below(next))
            .or(self.below)
    }
}
