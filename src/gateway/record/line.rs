//! What is gathered of a request for its line in the access log, and for whoever asks why.

use std::net::IpAddr;
use std::sync::Arc;

use http::Method;

use crate::session::Authenticated;
use crate::tls::ClientCertificate;
use crate::trace::TraceId;

/// What its line says beside the outcome, and what is remembered beside that.
#[derive(Debug)]
pub(in crate::gateway) struct Line {
    pub(in crate::gateway) client: IpAddr,
    pub(in crate::gateway) method: Method,
    /// Without the query, which may hold secrets.
    pub(in crate::gateway) path: String,
    pub(in crate::gateway) host: String,
    pub(in crate::gateway) judged: Judged,
    pub(in crate::gateway) caller: Caller,
    pub(in crate::gateway) would: Option<&'static str>,
    pub(in crate::gateway) certificate: Option<ClientCertificate>,
    /// Where there are traces.
    pub(in crate::gateway) trace: Option<TraceId>,
    /// Why it was refused, with all its causes.
    pub(in crate::gateway) cause: Option<String>,
}

/// The path that a request was judged by.
#[derive(Debug)]
pub(in crate::gateway) enum Judged {
    /// It was refused before.
    Not,
    AsWritten,
    As(String),
}

/// Who asked.
#[derive(Debug)]
pub(in crate::gateway) enum Caller {
    Nobody,
    /// Of a route.
    Known(Arc<Authenticated>),
    /// Of an endpoint, which looked for itself: the id, and the number of the key that was shown.
    Named(String, Option<u64>),
}

impl Line {
    /// Of a request that was not looked at yet.
    pub(in crate::gateway) fn new(client: IpAddr, method: Method, path: &str, host: &str) -> Self {
        Self {
            client,
            method,
            path: path.to_owned(),
            host: host.to_owned(),
            judged: Judged::Not,
            caller: Caller::Nobody,
            would: None,
            certificate: None,
            trace: None,
            cause: None,
        }
    }
}

impl Caller {
    /// All that is known, where a route was asked for.
    pub(in crate::gateway) const fn known(&self) -> Option<&Arc<Authenticated>> {
        match self {
            Self::Known(caller) => Some(caller),
            Self::Nobody | Self::Named(..) => None,
        }
    }

    /// The id.
    pub(in crate::gateway) fn user(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::Known(caller) => Some(&caller.identity.user_id),
            Self::Named(user, _) => Some(user),
        }
    }

    /// The number of the key that was shown, if it was one that a user made.
    pub(in crate::gateway) fn key(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Known(caller) => caller.user_key(),
            Self::Named(_, key) => *key,
        }
    }
}
