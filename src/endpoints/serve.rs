//! The way of a call: each step in its turn, and its end in a reply.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;
use serde_json::Value;

use super::about::Switched;
use super::call::{Call, Reply};
use super::error::EndpointError;
use super::fields::{Form, Values};
use super::reply::Outcome;
use super::resource::Resource;
use super::throttle::{Limited, Shared, Throttles};
use super::{
    Caller, EndpointSettings, Registration, Row, Served, device, jwks, negotiate, openapi, options,
    parse, profile, reply,
};
use crate::audit::{Origin, asked_by};
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::policy::Routes;
use crate::session::{Accounts, Authenticated, Client, Sessions};
use crate::web::{MessageLimits, below};

/// Where the public keys are, whatever the prefix (RFC 8615).
pub(super) const JWKS_PATH: &str = "/.well-known/jwks.json";

/// The auth endpoints, ready to answer.
#[derive(Debug)]
pub struct Endpoints {
    pub(super) settings: EndpointSettings,
    pub(super) sessions: Arc<Sessions>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) routes: Arc<Routes>,
    messages: MessageLimits,
    pub(super) throttles: Throttles,
    /// What `openapi.json` says.
    pub(super) description: Value,
}

/// A call that has come as far as its handler.
pub(super) struct Request {
    /// What called, in its own words.
    pub(super) client: Client,
    /// Where it came from.
    pub(super) from: IpAddr,
    sent: parse::Sent,
    row: &'static Row,
    /// Who calls, where the endpoint asks.
    pub(super) caller: Option<Arc<Authenticated>>,
    /// Why nobody calls, where the header is not the only place to say it.
    pub(super) shut_out: Option<EndpointError>,
    /// Tokens of devices in the cookies.
    devices: Vec<String>,
    /// What stands in the place of the path's `{id}`; empty if it has none.
    pub(super) id: String,
    /// The host that was called.
    pub(super) host: String,
}

impl Endpoints {
    /// Endpoints on these foundations. The limiters begin empty.
    pub fn new(
        settings: EndpointSettings,
        sessions: Arc<Sessions>,
        accounts: Arc<Accounts>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        routes: Arc<Routes>,
        messages: MessageLimits,
    ) -> Self {
        let shared = Shared::of(&accounts, &keys);
        let throttles = Throttles::new(&settings, shared.as_ref());
        let description = openapi::document(&settings, &sessions, accounts.passwords().longest());
        Self { settings, sessions, accounts, keys, clock, routes, messages, throttles, description }
    }

    /// The same with what `before` has counted, where as much is allowed as there.
    #[must_use]
    pub fn inherit(self, before: &Self) -> Self {
        Self { throttles: self.throttles.inherit(&before.throttles), ..self }
    }

    /// Whether a canonical path is answered here: the prefix, all below it, and the key set.
    /// What is ours and unknown is 404, and never an upstream's.
    pub fn owns(&self, path: &str) -> bool {
        path == JWKS_PATH || self.below(path).is_some()
    }

    /// Answers a call whose path is [owned](Self::owns). Every outcome is a reply.
    ///
    /// A call that is dropped may have had its effect: an account made, a token rotated.
    pub async fn answer(&self, call: Call<'_>) -> Reply {
        if call.path == JWKS_PATH {
            let reply = jwks::answer(self, call.method);
            return Reply { endpoint: Some(JWKS_PATH), ..reply };
        }
        let Some((resource, id)) = self.resource(call.path) else {
            return reply::refused(EndpointError::NotFound, None);
        };
        let id = id.unwrap_or_default().to_owned();
        let mut caller = None;
        let reply = match self.serve(resource, id, call, &mut caller).await {
            Ok(outcome) => reply::done(outcome, resource.allow()),
            Err(error) => reply::refused(error, Some(resource.allow())),
        };
        let user = || caller.as_ref().map(|caller| caller.identity.user_id.clone());
        Reply {
            endpoint: Some(resource.first.path),
            user: reply.user.or_else(user),
            key: caller.as_ref().and_then(|caller| caller.user_key()),
            ..reply
        }
    }

    /// The path of an endpoint, of which that is the part below the prefix.
    pub fn path_of(&self, below: &str) -> String {
        format!("{}/{below}/", self.settings.prefix)
    }

    /// The endpoints that there are: what each is called, and its path as clients write it.
    pub fn paths(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = Resource::all().filter(|resource| resource.first.served.is_there(&self.sessions));
        let ours = all.map(|all| (all.first.path, self.path_of(all.first.path)));
        ours.chain([(JWKS_PATH, JWKS_PATH.to_owned())])
    }

    /// The steps before the method; what they took of a limit is given back where it did not
    /// count after all.
    async fn serve(
        &self,
        resource: Resource,
        id: String,
        call: Call<'_>,
        caller: &mut Option<Arc<Authenticated>>,
    ) -> Result<Outcome, EndpointError> {
        negotiate::accepts_json(call.headers)?;
        let asked = resource.row(call.method);
        let row = asked.unwrap_or(resource.first);
        let mut shut_out = None;
        match row.caller {
            Caller::Anybody => {}
            Caller::User => {
                *caller = Some(profile::caller(&self.sessions, call.credential()).await?);
            }
            Caller::Person => {
                let person =
                    caller.insert(profile::caller(&self.sessions, call.credential()).await?);
                if person.user_key().is_some() {
                    return Err(EndpointError::KeyMayNot);
                }
            }
            Caller::Known => {
                *caller = Some(profile::known(&self.sessions, call.credential()).await?);
            }
            Caller::Either => match profile::caller(&self.sessions, call.credential()).await {
                Ok(user) => *caller = Some(user),
                Err(error) => shut_out = Some(error),
            },
        }
        if matches!(row.served, Served::WhileRegistrationIsOpen)
            && self.settings.register == Registration::Closed
        {
            return Err(EndpointError::Closed);
        }
        asked.map_or(Ok(()), |row| self.is_set_up_for(row.served))?;
        let client = call.client;
        let limited = asked.map_or(Limited::ByNothing, |row| row.limited);
        let (audit, now) = (self.accounts.audit(), self.clock.steady());
        self.throttles.take_by_address(audit, limited, client, now).await?;
        let result = match asked {
            Some(row) => match caller.as_ref().and_then(|caller| caller.user) {
                Some(user) => {
                    let run = self.run(row, id, call, caller.clone(), shut_out);
                    asked_by(Origin::of_user(user), run).await
                }
                None => self.run(row, id, call, caller.clone(), shut_out).await,
            },
            None if *call.method == Method::OPTIONS => {
                let invites = self.settings.register == Registration::Invite;
                Ok(options::describe(resource, self.accounts.passwords().longest(), invites))
            }
            None => Err(EndpointError::Method(call.method.clone())),
        };
        if !limited.counts(&result) {
            self.throttles.give_back_by_address(limited, client).await;
        }
        result
    }

    /// Whether there is what it takes.
    fn is_set_up_for(&self, served: Served) -> Result<(), EndpointError> {
        if matches!(served, Served::WithMail) && self.accounts.mailer().is_none() {
            return Err(EndpointError::NoMail);
        }
        if served.needs_relying_party() && self.sessions.relying_party().is_none() {
            return Err(EndpointError::NoRelyingParty);
        }
        Ok(())
    }

    async fn run(
        &self,
        row: &'static Row,
        id: String,
        call: Call<'_>,
        caller: Option<Arc<Authenticated>>,
        shut_out: Option<EndpointError>,
    ) -> Result<Outcome, EndpointError> {
        let Call { host, headers, client: from, body, .. } = call;
        let sent = if row.takes_body() {
            parse::read(headers, body, self.messages.auth_body, row.fields).await?
        } else {
            parse::Sent::default()
        };
        let device = headers.get(http::header::USER_AGENT);
        let device = device.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
        let client =
            Client { device: device.unwrap_or_default(), address: from.to_canonical().to_string() };
        let devices = match row.limited {
            Limited::FailedLogins => device::presented(headers),
            Limited::ByNothing | Limited::Registrations | Limited::Letters | Limited::Keys => {
                Vec::new()
            }
        };
        let host = host.to_owned();
        let request = Request { client, from, sent, row, caller, shut_out, devices, id, host };
        (row.handler)(self, request).await
    }

    /// The endpoint of a path, with or without one slash at its end.
    fn resource<'p>(&self, path: &'p str) -> Option<(Resource, Option<&'p str>)> {
        let below = self.below(path)?.strip_prefix('/')?;
        let below = below.strip_suffix('/').unwrap_or(below);
        let is_there = |resource: &Resource| resource.first.served.is_there(&self.sessions);
        Resource::find(below).filter(|(resource, _)| is_there(resource))
    }

    /// What follows the prefix, if the path is below it at a segment boundary.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        below(&self.settings.prefix, path)
    }
}

impl Served {
    /// Whether the endpoint is there at all.
    pub(super) const fn is_there(self, sessions: &Sessions) -> bool {
        let (sliding, user_keys) = (sessions.sliding(), sessions.user_keys().is_some());
        let factors = sessions.factor_settings();
        let (enrol, passkeys) = (factors.enrol, factors.passkeys);
        let (mail, relying_party) = (true, true);
        self.is_on(Switched { sliding, user_keys, enrol, passkeys, mail, relying_party })
    }

    /// The same, by the settings. Where there is no mail, or no name, it says so.
    pub(super) const fn is_on(self, switched: Switched) -> bool {
        match self {
            Self::WithSlidingTokens => switched.sliding,
            Self::WithUserKeys => switched.user_keys,
            Self::WhileUsersEnrol => switched.enrol,
            Self::WithPasskeys => switched.passkeys,
            Self::WhileUsersAddPasskeys => switched.passkeys && switched.enrol,
            Self::Always | Self::WhileRegistrationIsOpen | Self::WithMail => true,
        }
    }

    /// Whether it is nothing without a name that browsers have passkeys for.
    pub(super) const fn needs_relying_party(self) -> bool {
        matches!(self, Self::WithPasskeys | Self::WhileUsersAddPasskeys)
    }
}

impl Request {
    /// Takes the tokens of devices out.
    pub(super) fn devices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.devices)
    }

    /// Each field, checked on its own.
    pub(super) fn into_form(self, cx: &Endpoints) -> Form {
        Form::read(self.row, self.sent, cx.accounts.passwords().longest())
    }

    /// All fields, and who sent them.
    pub(super) fn into_values(self, cx: &Endpoints) -> Result<(Values, Client), EndpointError> {
        let client = self.client.clone();
        Ok((self.into_form(cx).finish()?, client))
    }
}
