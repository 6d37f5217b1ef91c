//! Which alternative of a rule is met, and what the others lack.

use super::allow::{Allow, Term};
use crate::identity::Identity;
use crate::tls::ClientCertificate;

/// One alternative of `allow`: terms that hold together or not at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alternative {
    /// As it is written.
    pub rule: String,
    /// The terms that are not true of the caller; none is missing where it is met.
    pub missing: Vec<String>,
}

impl Allow {
    /// Each alternative, for that caller; none where anyone is let through.
    #[doc(hidden)]
    pub fn alternatives(
        &self,
        identity: Option<&Identity>,
        certificate: Option<&ClientCertificate>,
    ) -> Vec<Alternative> {
        let Self::Rules(rules) = self else { return Vec::new() };
        let one = |terms: &Vec<Term>| {
            let lacks = terms.iter().filter(|term| !term.met_by(identity, certificate));
            Alternative {
                rule: terms.iter().map(Term::to_string).collect::<Vec<_>>().join(" & "),
                missing: lacks.map(Term::to_string).collect(),
            }
        };
        rules.iter().map(one).collect()
    }
}
