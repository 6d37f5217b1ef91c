//! Who may use a route.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::identity::{Claim, Identity, is_role_name};
use crate::tls::ClientCertificate;

/// Who is let through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Allow {
    /// Everybody, with or without an identity.
    Anyone,
    /// Whoever meets all terms of any of these rules. An empty list, and an empty rule, let
    /// nobody through.
    Rules(Vec<Vec<Term>>),
}

/// One demand on an identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Term {
    /// Any authenticated caller.
    User,
    /// Whoever has this role.
    Role(String),
    /// The user of our own store with this (NFKC) name.
    Named(String),
    /// Whoever has this claim with this value, or with a list that has it.
    Claim {
        /// The claim's name.
        name: String,
        /// The value, compared as text.
        value: String,
    },
    /// Whoever has shown a second factor.
    Mfa,
    /// Whoever has shown a certificate with this name, whether authenticated otherwise or not.
    Certificate(String),
}

/// What is wrong with an `allow` rule, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// `anyone` beside something else.
    #[error("`anyone` stands alone; leave out the rest, or `anyone`")]
    AnyoneStandsAlone,
    /// Nothing where a term should be.
    #[error("empty rule; write \"user\" for every authenticated caller")]
    Empty,
    /// A word that is no term.
    #[error(
        "`{0}` is no rule; write `anyone`, `user`, `role:x`, `user:name`, `claim:name=value`, \
         `cert:name` or `mfa`"
    )]
    Unknown(String),
    /// Something that looks like a negation.
    #[error("`{0}`: there is no negation; name who is allowed")]
    Negation(String),
    /// A role name that no user can have.
    #[error("`{0}` is no role name; write up to 64 of `a-z`, `0-9`, `_`, `.`, `:` and `-`")]
    Role(String),
    /// A claim without name or value.
    #[error("`{0}` lacks a name or a value; write `claim:name=value`")]
    Claim(String),
    /// A name that a foreign issuer may give to anybody, and that anybody may register under.
    #[error(
        "`claim:username={0}`: other issuers may give that name to anybody; write `user:{0}` for \
         the user of this gateway, or a claim such as `user_id` for somebody else's"
    )]
    Username(String),
}

/// What becomes of a request for a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It may go on.
    Allowed,
    /// Nobody is authenticated and somebody must be: 401.
    NeedsIdentity,
    /// The caller is known and would be among those allowed, had it shown a second factor: 401.
    NeedsFactor,
    /// The caller is known and not among those allowed: 403.
    Forbidden,
}

impl Allow {
    /// What a route without `allow` has: every authenticated caller.
    pub fn user() -> Self {
        Self::Rules(vec![vec![Term::User]])
    }

    /// Reads one string: `anyone`, or terms joined with `&` that must all be met.
    ///
    /// # Errors
    ///
    /// A [`RuleError`]; show it to whoever wrote the rule.
    pub fn parse_rule(text: &str) -> Result<Self, RuleError> {
        if text.trim() == "anyone" {
            return Ok(Self::Anyone);
        }
        let terms = text.split('&').map(|term| Term::parse(term.trim()));
        Ok(Self::Rules(vec![terms.collect::<Result<_, _>>()?]))
    }

    /// Joins what several strings allow: whoever meets any of them is let through.
    ///
    /// # Errors
    ///
    /// [`RuleError::AnyoneStandsAlone`] if one of several is `anyone`, [`RuleError::Empty`] if
    /// there is none.
    pub fn any_of(parts: impl IntoIterator<Item = Self>) -> Result<Self, RuleError> {
        let mut parts: Vec<_> = parts.into_iter().collect();
        if parts.len() == 1 && parts.first() == Some(&Self::Anyone) {
            return Ok(Self::Anyone);
        }
        let mut all = Vec::new();
        for part in &mut parts {
            match part {
                Self::Anyone => return Err(RuleError::AnyoneStandsAlone),
                Self::Rules(rules) => all.append(rules),
            }
        }
        if all.is_empty() { Err(RuleError::Empty) } else { Ok(Self::Rules(all)) }
    }

    /// The (NFKC) names in `user:` rules. Nobody may register under one of them.
    pub fn user_names(&self) -> impl Iterator<Item = &str> {
        let rules = match self {
            Self::Anyone => [].as_slice(),
            Self::Rules(rules) => rules,
        };
        rules.iter().flatten().filter_map(|term| match term {
            Term::Named(name) => Some(name.as_str()),
            Term::User | Term::Role(_) | Term::Claim { .. } | Term::Mfa | Term::Certificate(_) => {
                None
            }
        })
    }

    /// Whether a rule asks for a certificate of the client.
    pub fn asks_for_certificate(&self) -> bool {
        let Self::Rules(rules) = self else { return false };
        rules.iter().flatten().any(|term| matches!(term, Term::Certificate(_)))
    }
}

/// Decides whether that caller may use a route: `identity` is what its credential says, and
/// `certificate` what its connection has shown; `None` is a request without one.
pub fn authorize(
    allow: &Allow,
    identity: Option<&Identity>,
    certificate: Option<&ClientCertificate>,
) -> Verdict {
    let Allow::Rules(rules) = allow else { return Verdict::Allowed };
    let meets = |term: &Term| term.met_by(identity, certificate);
    // `all` of nothing is true, and an empty rule must not be.
    if rules.iter().any(|rule| !rule.is_empty() && rule.iter().all(meets)) {
        return Verdict::Allowed;
    }
    // Where a rule lacks nothing else, a better login would help.
    let lacks_factor = |rule: &Vec<Term>| {
        let lacks = |term: &Term| *term == Term::Mfa && !meets(term);
        rule.iter().any(lacks) && rule.iter().all(|term| meets(term) || lacks(term))
    };
    if identity.is_some() && rules.iter().any(lacks_factor) {
        return Verdict::NeedsFactor;
    }
    // Where each rule lacks a certificate, no credential would help.
    let lacks = |term: &Term| matches!(term, Term::Certificate(_)) && !meets(term);
    let hopeless = !rules.is_empty() && rules.iter().all(|rule| rule.iter().any(lacks));
    if identity.is_some() || hopeless { Verdict::Forbidden } else { Verdict::NeedsIdentity }
}

impl Term {
    fn parse(text: &str) -> Result<Self, RuleError> {
        if text.starts_with('!') || text.starts_with("not ") {
            return Err(RuleError::Negation(text.into()));
        }
        let unknown = || RuleError::Unknown(text.into());
        match text.split_once(':') {
            Some(("role", role)) if is_role_name(role) => Ok(Self::Role(role.into())),
            Some(("role", role)) => Err(RuleError::Role(role.into())),
            Some(("user" | "cert", "")) => Err(unknown()),
            Some(("user", name)) => Ok(Self::Named(name.nfkc().collect())),
            Some(("cert", name)) => Ok(Self::Certificate(name.into())),
            Some(("claim", claim)) => match claim.split_once('=') {
                Some(("username", name)) if !name.is_empty() => {
                    Err(RuleError::Username(name.into()))
                }
                Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                    Ok(Self::Claim { name: name.into(), value: value.into() })
                }
                _ => Err(RuleError::Claim(text.into())),
            },
            Some(_) => Err(unknown()),
            None => match text {
                "user" => Ok(Self::User),
                "mfa" => Ok(Self::Mfa),
                "anyone" => Err(RuleError::AnyoneStandsAlone),
                "" => Err(RuleError::Empty),
                _ => Err(unknown()),
            },
        }
    }

    pub(super) fn met_by(
        &self,
        identity: Option<&Identity>,
        certificate: Option<&ClientCertificate>,
    ) -> bool {
        if let Self::Certificate(name) = self {
            return certificate.is_some_and(|certificate| certificate.is_named(name));
        }
        identity.is_some_and(|identity| self.met_by_identity(identity))
    }

    fn met_by_identity(&self, identity: &Identity) -> bool {
        match self {
            Self::Certificate(_) => false,
            Self::User => true,
            Self::Mfa => identity.has_second_factor(),
            Self::Role(role) => identity.has_role(role),
            // A foreign issuer may give any name to anybody.
            Self::Named(name) => identity.issuer.is_none() && identity.username == *name,
            // An address that nobody confirmed is anybody's.
            Self::Claim { name, .. } if name == "email" && !identity.email_verified => false,
            Self::Claim { name, value } => match identity.claim(name).as_deref() {
                Some(Claim::Text(text)) => text == value,
                Some(Claim::List(items)) => items.contains(value),
                None => false,
            },
        }
    }
}

impl fmt::Display for Allow {
    /// As it is written in the policy file; rules are joined with `, `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Rules(rules) = self else { return f.write_str("anyone") };
        let rule =
            |terms: &Vec<Term>| terms.iter().map(Term::to_string).collect::<Vec<_>>().join(" & ");
        f.write_str(&rules.iter().map(rule).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Mfa => f.write_str("mfa"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Named(name) => write!(f, "user:{name}"),
            Self::Claim { name, value } => write!(f, "claim:{name}={value}"),
            Self::Certificate(name) => write!(f, "cert:{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
