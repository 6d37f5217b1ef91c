//! What clients are shown and asked at the moment: all of it is replaced together.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::SingleCertAndKey;

use super::authorities::{Authorities, Judge};
use super::files::Pair;
use super::holder::{Bench, ClientCertificate};
use super::leaf::Leaf;
use super::settings::{ClientAuth, MinVersion};
use super::{TlsError, provider};

/// The certificate that a client is shown, with everything else of its handshake.
#[derive(Debug)]
pub struct Shown {
    config: Arc<ServerConfig>,
    leaf: Arc<Leaf>,
    /// Who judges what the client shows; nobody where it is not asked.
    judge: Option<Arc<Judge>>,
    bench: Arc<Bench>,
}

impl Shown {
    /// As rustls takes it.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What the certificate says.
    pub const fn leaf(&self) -> &Arc<Leaf> {
        &self.leaf
    }

    /// Who has shown that chain in this handshake, which found it good.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unreadable`], and [`TlsError::NoAuthorities`] if nobody was asked: do not serve
    /// its client.
    pub fn holder(&self, chain: &[CertificateDer<'_>]) -> Result<ClientCertificate, TlsError> {
        let judge = self.judge.as_ref().ok_or(TlsError::NoAuthorities)?;
        ClientCertificate::shown(chain, judge, &self.bench)
    }
}

/// What does not change with the files.
pub(super) struct Fixed {
    pub(super) min: MinVersion,
    pub(super) strict_sni: bool,
    /// One for all certificates and workers: whichever a client meets again, it is known.
    pub(super) ticketer: Arc<dyn ProducesTickets>,
    /// Where certificates that were shown find who judges them now.
    pub(super) bench: Arc<Bench>,
}

/// Everything that a client can be shown, by the name that it asks for.
#[derive(Debug)]
pub(super) struct Terms {
    names: HashMap<String, usize>,
    /// By what follows their `*.`.
    wildcards: HashMap<String, usize>,
    strict_sni: bool,
    /// Who judges the certificates of clients; nobody where nobody's word would count.
    judge: Option<Arc<Judge>>,
    /// Whether the first is for clients that name no host.
    has_default: bool,
    off: Vec<Arc<Shown>>,
    /// Both empty where nobody's word would count.
    optional: Vec<Arc<Shown>>,
    required: Vec<Arc<Shown>>,
}

/// A host that two certificates are for.
#[derive(Debug)]
pub struct Twice {
    /// The host.
    pub name: String,
    /// The place of the one that is not shown.
    pub hidden: usize,
}

impl Terms {
    pub(super) fn new(
        fixed: &Fixed,
        pairs: &[Pair],
        has_default: bool,
        authorities: Option<&Authorities>,
    ) -> Result<Self, TlsError> {
        let (names, wildcards, _) = by_name(pairs);
        let judge = authorities.map(Authorities::judge).transpose()?.map(Arc::new);
        let of = |auth| shown(fixed, pairs, auth, authorities.zip(judge.as_ref()));
        let mut terms = Self {
            names,
            wildcards,
            strict_sni: fixed.strict_sni,
            has_default,
            off: of(ClientAuth::Off)?,
            optional: Vec::new(),
            required: Vec::new(),
            judge: None,
        };
        if authorities.is_some() {
            terms.optional = of(ClientAuth::Optional)?;
            terms.required = of(ClientAuth::Required)?;
        }
        terms.judge = judge;
        Ok(terms)
    }

    /// Who judges the certificates of clients under these terms.
    pub(super) fn judge(&self) -> Option<Arc<Judge>> {
        self.judge.clone()
    }

    /// What a client is shown that asks for that name; `None` if it is to be refused.
    pub(super) fn choose(&self, auth: ClientAuth, asked: Option<&str>) -> Option<Arc<Shown>> {
        let shown = match auth {
            ClientAuth::Off => &self.off,
            ClientAuth::Optional => &self.optional,
            ClientAuth::Required => &self.required,
        };
        let known = asked.map(|name| self.find(name));
        let place = match known {
            Some(None) if self.strict_sni => return None,
            Some(Some(found)) => found,
            Some(None) | None if self.has_default => 0,
            Some(None) | None => return None,
        };
        shown.get(place).cloned()
    }

    /// The most specific: a name before a wildcard.
    fn find(&self, name: &str) -> Option<usize> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let wildcard = || {
            let (label, rest) = name.split_once('.')?;
            if label.is_empty() { None } else { self.wildcards.get(rest) }
        };
        self.names.get(&name).or_else(wildcard).copied()
    }
}

type ByName = HashMap<String, usize>;

/// The place of the certificate for each name and each wildcard. Of two for the same the first is
/// shown.
fn by_name(pairs: &[Pair]) -> (ByName, ByName, Vec<Twice>) {
    let (mut names, mut wildcards, mut twice) = (ByName::new(), ByName::new(), Vec::new());
    for (place, pair) in pairs.iter().enumerate() {
        for name in pair.leaf().names() {
            let (map, key) = match name.strip_prefix("*.") {
                Some(rest) => (&mut wildcards, rest.to_owned()),
                None => (&mut names, name.clone()),
            };
            if *map.entry(key).or_insert(place) != place {
                twice.push(Twice { name, hidden: place });
            }
        }
    }
    twice.sort_by(|one, other| (one.hidden, &one.name).cmp(&(other.hidden, &other.name)));
    (names, wildcards, twice)
}

/// The names for which one of these certificates is never shown, since another is before it.
pub fn twice(pairs: &[Pair]) -> Vec<Twice> {
    by_name(pairs).2
}

fn shown(
    fixed: &Fixed,
    pairs: &[Pair],
    auth: ClientAuth,
    clients: Option<(&Authorities, &Arc<Judge>)>,
) -> Result<Vec<Arc<Shown>>, TlsError> {
    let clients = clients.filter(|_| auth != ClientAuth::Off);
    let judge = clients.map(|(_, judge)| judge);
    let of = |pair: &Pair| {
        let config = Arc::new(config(fixed, pair, auth, clients.map(|(theirs, _)| theirs))?);
        let (judge, bench) = (judge.cloned(), Arc::clone(&fixed.bench));
        Ok(Arc::new(Shown { config, leaf: Arc::clone(pair.leaf()), judge, bench }))
    };
    pairs.iter().map(of).collect()
}

/// HTTP/2 is preferred to HTTP/1.1. There is no early data: it could be sent again by others.
fn config(
    fixed: &Fixed,
    pair: &Pair,
    auth: ClientAuth,
    authorities: Option<&Authorities>,
) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(fixed.min.versions())?;
    let builder = if auth == ClientAuth::Off {
        builder.with_no_client_auth()
    } else {
        let authorities = authorities.ok_or(TlsError::NoAuthorities)?;
        builder.with_client_cert_verifier(authorities.verifier(auth)?)
    };
    let identity = SingleCertAndKey::from(pair.certified().certified_key());
    let mut config = builder.with_cert_resolver(Arc::new(identity));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // What a client can keep itself costs us no memory, and no lock that all workers share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if auth == ClientAuth::Off {
        config.ticketer = Arc::clone(&fixed.ticketer);
        // One replaces the one that was used. rustls makes two, at the price of a handshake each.
        config.send_tls13_tickets = 1;
    } else {
        // A ticket would carry the client's certificate past its end and past the authority that
        // vouched for it: rustls does not ask again.
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}
