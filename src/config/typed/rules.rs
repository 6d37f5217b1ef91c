//! Who may use a route.

use super::item::Item;
use crate::policy::{Allow, Term};

/// Alternatives of a rule: the text of one (`"role:admin & claim:tenant=acme"`), several of them, or
/// what an [`Allow`] says.
///
/// ```
/// use portcullis::config::typed::{Allow, Route, Rules, Term};
///
/// let _ = Route::to("api").allow(["role:admin", "role:analyst & claim:tenant=acme"]);
///
/// let tenant = |name: &str| Term::Claim { name: "tenant".to_owned(), value: name.to_owned() };
/// let acme = Allow::Rules(vec![vec![Term::Role("editor".to_owned()), tenant("acme")]]);
/// let _ = Route::to("api").allow(Rules::try_from(acme)?);
/// assert!(Rules::try_from(Allow::Rules(vec![vec![tenant("x & user")]])).is_err());
/// # Ok::<(), portcullis::config::typed::Unwritable>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rules(Vec<String>);

impl From<&str> for Rules {
    fn from(rule: &str) -> Self {
        Self(vec![rule.to_owned()])
    }
}

impl From<String> for Rules {
    fn from(rule: String) -> Self {
        Self(vec![rule])
    }
}

impl From<Vec<String>> for Rules {
    fn from(rules: Vec<String>) -> Self {
        Self(rules)
    }
}

impl<const N: usize> From<[&str; N]> for Rules {
    fn from(rules: [&str; N]) -> Self {
        Self(rules.map(str::to_owned).to_vec())
    }
}

/// A term of a rule has words in it that no rule can be written with, such as `&` in the value of a
/// claim.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` cannot be written as a rule; leave out `&`, and spaces at the ends of names and values"
)]
pub struct Unwritable(String);

impl TryFrom<Allow> for Rules {
    type Error = Unwritable;

    fn try_from(allow: Allow) -> Result<Self, Unwritable> {
        let Allow::Rules(rules) = allow else { return Ok(Self::from("anyone")) };
        let written = rules.into_iter().map(|terms| {
            let text = terms.iter().map(Term::to_string).collect::<Vec<_>>().join(" & ");
            // What is read from it has to be what was meant.
            let same = Allow::parse_rule(&text) == Ok(Allow::Rules(vec![terms]));
            if same { Ok(text) } else { Err(Unwritable(text)) }
        });
        written.collect::<Result<_, _>>().map(Self)
    }
}

impl From<Rules> for Item {
    fn from(Rules(rules): Rules) -> Self {
        Self::list(rules)
    }
}
