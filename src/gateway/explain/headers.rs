//! The headers that tell an upstream who asks.

use crate::admin::HeaderTold;
use crate::policy::Caller;
use crate::web::IdentityHeaders;

/// Those that go with a request of that caller. All of a client's own are gone, whoever it is.
pub(super) fn headers(table: &IdentityHeaders, caller: &Caller) -> Vec<HeaderTold> {
    let rendered = caller.identity.as_ref().map(|identity| table.render(identity));
    let is_known = |claim: &str| {
        let identity = caller.identity.as_ref();
        // A verified address was said or it was not; of none nothing is known.
        identity.is_some_and(|it| claim != "email_verified" || it.email.is_some())
    };
    let wanted = table.iter().filter(|(_, claim)| match *claim {
        "@cert" | "@cert_subject" => caller.certificate.is_some(),
        _ => caller.identity.is_some(),
    });
    let told = wanted.map(|(name, claim)| {
        let value = rendered.iter().flatten().find(|(known, _)| known == name);
        let value = value.filter(|_| is_known(claim)).and_then(|(_, value)| value.to_str().ok());
        HeaderTold {
            name: name.to_string(),
            claim: claim.to_owned(),
            value: value.map(str::to_owned),
        }
    });
    told.collect()
}
