//! Who a question speaks of: a caller of whom just the terms of a rule are true.

use super::allow::{Allow, RuleError, Term};
use crate::identity::{Claim, Identity, MFA, PASSWORD_AND_CODE};
use crate::tls::ClientCertificate;

/// Somebody who asks, as far as a policy can tell callers apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Caller {
    /// Whom its credential speaks for; `None` has none.
    pub identity: Option<Identity>,
    /// What its connection has shown.
    pub certificate: Option<ClientCertificate>,
}

impl Caller {
    /// A caller of our own of whom just these terms are true, and its certificate; nobody for
    /// `anyone`, and for somebody who shows a certificate alone.
    ///
    /// ```
    /// use portcullis::rooms::policy::Caller;
    ///
    /// let caller = Caller::parse("role:admin & claim:tenant=acme")?;
    /// assert!(caller.identity.is_some_and(|admin| admin.has_role("admin")));
    /// assert!(Caller::parse("anyone")?.identity.is_none());
    /// # Ok::<(), portcullis::rooms::policy::RuleError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`RuleError`]; show it to whoever wrote the text.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let Allow::Rules(rules) = Allow::parse_rule(text)? else { return Ok(Self::default()) };
        let (mut names, mut known, mut identity) = (Vec::new(), false, Identity::nobody());
        for term in rules.into_iter().flatten() {
            known |= !matches!(term, Term::Certificate(_));
            match term {
                Term::Certificate(name) => names.push(name),
                Term::User => {}
                Term::Mfa => has_shown_two(&mut identity),
                Term::Role(role) => identity.roles.push(role),
                Term::Named(name) => identity.username = name,
                Term::Claim { name, value } => set_claim(&mut identity, name, value),
            }
        }
        let certificate = (!names.is_empty()).then(|| ClientCertificate::named(names));
        Ok(Self { identity: known.then_some(identity), certificate })
    }
}

/// The caller has shown a second factor, as our own users do.
fn has_shown_two(caller: &mut Identity) {
    caller.amr.extend(PASSWORD_AND_CODE.map(str::to_owned));
}

/// Gives the caller a claim where [`Identity::claim`] looks for it.
fn set_claim(caller: &mut Identity, name: String, value: String) {
    match name.as_str() {
        "user_id" => caller.user_id = value,
        "email" => (caller.email, caller.email_verified) = (Some(value), true),
        "email_verified" => caller.email_verified = value == "true",
        "roles" => caller.roles.push(value),
        "sid" => caller.session = value.parse().ok(),
        "acr" if value == MFA => has_shown_two(caller),
        "amr" => caller.amr.push(value),
        _ => match caller.claims.entry(name).or_insert_with(|| Claim::List(Vec::new())) {
            Claim::List(values) => values.push(value),
            Claim::Text(_) => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is found again where a rule looks for it.
    #[test]
    fn a_caller_has_the_claims_that_are_said_of_it() {
        let session = "7-00000000000000ab";
        for (name, value) in [
            ("user_id", "7"),
            ("email", "a@a.test"),
            ("email_verified", "true"),
            ("email_verified", "false"),
            ("roles", "admin"),
            ("sid", session),
            ("acr", MFA),
            ("amr", "hwk"),
            ("tenant", "acme"),
        ] {
            let caller = Caller::parse(&format!("claim:{name}={value}")).unwrap();
            let found = caller.identity.unwrap().claim(name).map(|claim| match &*claim {
                Claim::Text(text) => text.clone(),
                Claim::List(texts) => texts.join(","),
            });
            assert_eq!(found.as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn two_factors_are_shown_by_one_word_alone() {
        for (text, has) in [("mfa", true), ("claim:acr=mfa", true), ("claim:acr=urn:a", false)] {
            let identity = Caller::parse(text).unwrap().identity.unwrap();
            assert_eq!(identity.has_second_factor(), has, "{text}");
        }
    }
}
