//! An identity provider behind real TLS, which answers as it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a path answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status line, fields and body, to the byte.
    Raw(Vec<u8>),
    /// 200 and a head, and then a byte now and then.
    Trickle,
    /// The connection is closed without a word.
    Nothing,
}

impl Answer {
    /// 200 with this.
    pub(crate) fn json(body: &Value) -> Self {
        Self::with("200 OK", "", body.to_string().as_bytes())
    }

    /// A status, field lines that each end in CR LF, and a body.
    pub(crate) fn with(status: &str, fields: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
        Self::Raw([head.as_bytes(), body].concat())
    }
}

#[derive(Debug, Default)]
struct Script {
    answers: BTreeMap<String, Answer>,
    heads: Vec<String>,
    /// The path of each, with its body.
    bodies: Vec<(String, Vec<u8>)>,
}

/// It listens at an address of this machine, under a certificate of its own authority.
pub(crate) struct Provider {
    pub(crate) addr: SocketAddr,
    /// The certificate of the authority, in PEM.
    pub(crate) ca: String,
    script: Arc<Mutex<Script>>,
    open: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Provider {
    /// With a discovery document that names its key set, and no keys yet.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no port");
        let addr = listener.local_addr().expect("no address");
        let (ca, acceptor) = certified();
        let script = Arc::<Mutex<Script>>::default();
        let (open, opened) = watch::channel(true);
        let scripted = Arc::clone(&script);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("no connection");
                let (acceptor, script, opened) =
                    (acceptor.clone(), Arc::clone(&scripted), opened.clone());
                tokio::spawn(async move {
                    // A client that does not like the certificate goes away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, &script, opened).await;
                    }
                });
            }
        });
        let provider = Self { addr, ca, script, open, serving };
        let jwks_uri = format!("{}/keys", provider.issuer());
        let document = json!({ "issuer": provider.issuer(), "jwks_uri": jwks_uri });
        provider.answer(Self::DISCOVERY, Answer::json(&document));
        provider
    }

    pub(crate) const DISCOVERY: &str = "/.well-known/openid-configuration";

    /// Its `iss`.
    pub(crate) fn issuer(&self) -> String {
        format!("https://{}", self.addr)
    }

    /// What a path answers from now on.
    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.script.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// The keys from now on.
    pub(crate) fn keys(&self, keys: &[Value]) {
        self.answer("/keys", Answer::json(&json!({ "keys": keys })));
    }

    /// Requests are read and not answered, until it is opened again.
    pub(crate) fn hold(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }

    /// The request heads that came for a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let start = format!("GET {path} HTTP/1.1\r\n");
        let heads = &self.script.lock().unwrap().heads;
        heads.iter().filter(|head| head.starts_with(&start)).cloned().collect()
    }

    /// The bodies that came for a path.
    pub(crate) fn posted(&self, path: &str) -> Vec<Value> {
        let bodies = &self.script.lock().unwrap().bodies;
        let of_path = bodies.iter().filter(|(to, _)| to == path);
        of_path.map(|(_, body)| serde_json::from_slice(body).expect("JSON")).collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An authority, and a server that shows a certificate of it.
fn certified() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).expect("no parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("no key");
    let ca = params.self_signed(&key).expect("no certificate").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("no key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("no parameters");
    let certificate = params.signed_by(&key, &issuer).expect("no certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("no key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("no versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("no configuration");
    (ca, TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    mut stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    script: &Mutex<Script>,
    mut open: watch::Receiver<bool>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_gone) => return,
        }
    }
    let head = String::from_utf8(head).expect("text");
    let path = head.split(' ').nth(1).expect("a target").to_owned();
    let length =
        |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok();
    let mut body = vec![0; head.lines().find_map(length).unwrap_or_default()];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    script.lock().unwrap().heads.push(head);
    script.lock().unwrap().bodies.push((path.clone(), body));
    drop(open.wait_for(|open| *open).await);
    let answer = script.lock().unwrap().answers.get(&path).cloned().unwrap_or(Answer::Nothing);
    // The other side may have had enough.
    let told = match answer {
        Answer::Raw(bytes) => stream.write_all(&bytes).await,
        Answer::Trickle => trickle(&mut stream).await,
        Answer::Nothing => return,
    };
    drop(told);
    drop(stream.shutdown().await);
}

async fn trickle(
    stream: &mut tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n").await?;
    loop {
        stream.write_all(b" ").await?;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
