//! What is at a path of ours, told without a call.

use http::{HeaderValue, Method, StatusCode};

use super::error::EndpointError;
use super::resource::Resource;
use super::serve::JWKS_PATH;
use super::throttle::Limited;
use super::{Caller, EndpointSettings, Endpoints, Registration, Served, jwks};

/// What of the endpoints is switched on beside those that always are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the file, each of its own")]
pub struct Switched {
    /// `[auth] sliding`
    pub sliding: bool,
    /// `[auth.keys]`
    pub user_keys: bool,
    /// `enrol` of `[auth.factors]`
    pub enrol: bool,
    /// `passkeys` of `[auth.factors]`
    pub passkeys: bool,
    /// `[mail]`
    pub mail: bool,
    /// `public`, where browsers have passkeys for it
    pub relying_party: bool,
}

/// What a path of ours has for a method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum About {
    /// Nothing: 404.
    Nothing,
    /// An endpoint, but not for this method: 405 with this `Allow`.
    OtherMethods(HeaderValue),
    /// An endpoint that the settings have closed.
    Closed {
        /// What it answers.
        status: StatusCode,
        /// As the access log has it.
        code: &'static str,
        /// Which setting.
        because: &'static str,
    },
    /// An endpoint.
    Endpoint {
        /// What it does, as a sentence.
        does: &'static str,
        /// Whom it asks for.
        caller: &'static str,
        /// What limits it.
        limited: &'static str,
    },
}

impl Endpoints {
    /// What is decided of them.
    pub const fn settings(&self) -> &EndpointSettings {
        &self.settings
    }

    /// What of them is switched on.
    pub fn switched(&self) -> Switched {
        let sessions = &*self.sessions;
        let factors = sessions.factor_settings();
        Switched {
            sliding: sessions.sliding(),
            user_keys: sessions.user_keys().is_some(),
            enrol: factors.enrol,
            passkeys: factors.passkeys,
            mail: self.accounts.mailer().is_some(),
            relying_party: sessions.relying_party().is_some(),
        }
    }
}

impl EndpointSettings {
    /// What is at a canonical path that is the gateway's own.
    pub fn about(&self, switched: Switched, method: &Method, path: &str) -> About {
        if path == JWKS_PATH {
            return key_set(method);
        }
        let below = path.strip_prefix(self.prefix.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let found = below.and_then(|rest| Resource::find(rest.strip_suffix('/').unwrap_or(rest)));
        let Some((resource, _)) = found else { return About::Nothing };
        if !resource.first.served.is_on(switched) {
            return About::Nothing;
        }
        let asked = resource.row(method);
        let row = asked.unwrap_or(resource.first);
        if matches!(row.served, Served::WhileRegistrationIsOpen)
            && self.register == Registration::Closed
        {
            return closed(&EndpointError::Closed, "register = \"closed\" in [auth]");
        }
        if matches!(row.served, Served::WithMail) && asked.is_some() && !switched.mail {
            return closed(&EndpointError::NoMail, "the policy has no [mail]");
        }
        let needs_name = asked.is_some_and(|row| row.served.needs_relying_party());
        if needs_name && !switched.relying_party {
            return closed(
                &EndpointError::NoRelyingParty,
                "browsers have no passkeys for `public`, or there is none",
            );
        }
        match asked {
            Some(row) => About::Endpoint {
                does: row.gives.does,
                caller: whom(row.caller),
                limited: what(row.limited),
            },
            None if *method == Method::OPTIONS => About::Endpoint {
                does: "Says what the endpoint is and takes.",
                caller: whom(row.caller),
                limited: what(Limited::ByNothing),
            },
            None => About::OtherMethods(resource.allow()),
        }
    }
}

fn closed(error: &EndpointError, because: &'static str) -> About {
    let (status, code) = error.class();
    About::Closed { status, code, because }
}

fn key_set(method: &Method) -> About {
    if jwks::takes(method) {
        return About::Endpoint {
            does: "Lists the public keys, for servers that verify tokens themselves.",
            caller: whom(Caller::Anybody),
            limited: what(Limited::ByNothing),
        };
    }
    About::OtherMethods(HeaderValue::from_static(jwks::ALLOWED))
}

const fn whom(caller: Caller) -> &'static str {
    match caller {
        Caller::Anybody => "anyone",
        Caller::User => "a user of our own",
        Caller::Person => "a user of our own who has logged in",
        Caller::Known => "whoever shows a good credential",
        Caller::Either => "a user of our own, by the header or the body",
    }
}

const fn what(limited: Limited) -> &'static str {
    match limited {
        Limited::ByNothing => "nothing",
        Limited::FailedLogins => "`account` and `address` of [auth.throttle]",
        Limited::Registrations => "`register` of [auth.throttle]",
        Limited::Letters => "`mail` and `recipient` of [auth.throttle]",
        Limited::Keys => "`keys` of [auth.throttle]",
    }
}
