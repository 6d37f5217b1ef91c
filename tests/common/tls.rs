//! Certificates of the moment, and a client that believes them.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
    generate_simple_self_signed,
};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::soon;

/// A certificate for these names, with its key.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Pair {
    pub(crate) fn new(names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = generate_simple_self_signed(names).expect("no certificate");
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    /// A client that believes this certificate alone and offers these protocols.
    pub(crate) fn client(&self, alpn: &[&str]) -> ClientConfig {
        self.client_of(alpn, rustls::ALL_VERSIONS)
    }

    /// The same in some versions of TLS.
    pub(crate) fn client_of(
        &self,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut config = trusting(&[self], versions).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    /// A client that shows the certificate of `holder`.
    pub(crate) fn client_as(&self, holder: &Self, alpn: &[&str]) -> ClientConfig {
        self.client_as_of(holder, alpn, rustls::ALL_VERSIONS)
    }

    /// The same in some versions of TLS.
    pub(crate) fn client_as_of(
        &self,
        holder: &Self,
        alpn: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ClientConfig {
        let key = PrivateKeyDer::from_pem_slice(holder.key.as_bytes()).expect("no PEM");
        let builder = trusting(&[self], versions);
        let config = builder.with_client_auth_cert(vec![holder.der()], key);
        let mut config = config.expect("no client certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("no PEM")
    }
}

/// The beginning of a client that believes these certificates and no other.
pub(crate) fn trusting(
    pairs: &[&Pair],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.der()).expect("no certificate");
    }
    ClientConfig::builder_with_provider(portcullis::rooms::tls::provider())
        .with_protocol_versions(versions)
        .expect("no such version")
        .with_root_certificates(roots)
}

/// Somebody whose word is believed about others.
pub(crate) struct Authority {
    /// Its own certificate.
    pub(crate) cert: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::called("Authority of a test")
    }

    pub(crate) fn called(name: &str) -> Self {
        let key = KeyPair::generate().expect("no key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let cert = params.self_signed(&key).expect("no certificate").pem();
        Self { cert, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a client: the common name of its subject, and other names.
    pub(crate) fn issue(&self, common: &str, names: Vec<SanType>) -> Pair {
        self.issue_until(common, names, 4000)
    }

    /// The same that ends with a year's beginning.
    pub(crate) fn issue_until(&self, common: &str, names: Vec<SanType>, year: i32) -> Pair {
        let key = KeyPair::generate().expect("no key");
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(year, 1, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        params.distinguished_name.push(DnType::CommonName, common);
        params.subject_alt_names = names;
        let cert = params.signed_by(&key, &self.issuer).expect("no certificate").pem();
        Pair { cert, key: key.serialize_pem() }
    }

    /// A list of what it takes back, in PEM, to be followed by another one at a year's beginning.
    pub(crate) fn list(&self, taken_back: &[&Pair], year: i32) -> String {
        let revoked = taken_back.iter().map(|pair| {
            let der = pair.der();
            let (_, read) = X509Certificate::from_der(&der).expect("no certificate");
            RevokedCertParams {
                serial_number: SerialNumber::from_slice(read.raw_serial()),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("no list").pem().expect("no PEM")
    }
}

/// A client that looks at any certificate, and believes it.
pub(crate) fn curious(
    alpn: &[&str],
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(portcullis::rooms::tls::provider())
        .with_protocol_versions(&[version])
        .expect("no such version");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Curious))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[derive(Debug)]
struct Curious;

impl ServerCertVerifier for Curious {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        portcullis::rooms::tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A connection over TLS to a server of that name.
pub(crate) async fn connect(
    addr: SocketAddr,
    name: &str,
    config: impl Into<Arc<ClientConfig>>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await.expect("nobody listens");
    let name = ServerName::try_from(name.to_owned()).expect("no name");
    soon("a handshake", TlsConnector::from(config.into()).connect(name, stream)).await
}
