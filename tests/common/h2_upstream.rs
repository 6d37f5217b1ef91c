//! A server in HTTP/2 that hands every request to the test, and a client in HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use portcullis::GatewayService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::soon;

/// A server, whose requests wait for [`H2Server::next`].
pub(crate) struct H2Server {
    pub(crate) addr: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
    connections: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    leave: watch::Sender<usize>,
    cut: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

/// A request as it came.
pub(crate) struct Asked {
    /// The connection it came on, counted from 0.
    pub(crate) connection: usize,
    pub(crate) head: http::request::Parts,
    pub(crate) body: RecvStream,
    pub(crate) respond: SendResponse<Bytes>,
}

impl H2Server {
    pub(crate) async fn start() -> Self {
        Self::limited(100, None).await
    }

    pub(crate) async fn over_tls(tls: TlsAcceptor) -> Self {
        Self::limited(100, Some(tls)).await
    }

    /// So many requests at once on each connection.
    pub(crate) async fn limited(streams: u32, tls: Option<TlsAcceptor>) -> Self {
        let mut settings = h2::server::Builder::new();
        settings.max_concurrent_streams(streams).initial_window_size(1 << 20);
        Self::with(settings, tls).await
    }

    /// Streams may become tunnels (RFC 8441 section 3).
    pub(crate) async fn with_tunnels() -> Self {
        let mut settings = h2::server::Builder::new();
        Self::with(settings.enable_connect_protocol().clone(), None).await
    }

    async fn with(settings: h2::server::Builder, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no port");
        let addr = listener.local_addr().expect("no address");
        let (tell, asked) = mpsc::unbounded_channel();
        let (leave, left) = watch::channel(0);
        let (cut, broken) = watch::channel(0);
        let (connections, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (made, alive) = (Arc::clone(&connections), Arc::clone(&open));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("no TCP_NODELAY");
                let number = made.fetch_add(1, Ordering::SeqCst);
                let (tell, left, alive) = (tell.clone(), left.clone(), Arc::clone(&alive));
                let (tls, mut broken) = (tls.clone(), broken.clone());
                let settings = settings.clone();
                alive.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let serving = async {
                        match tls {
                            None => serve(stream, number, settings, tell, left).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    serve(stream, number, settings, tell, left).await;
                                }
                            }
                        }
                    };
                    tokio::select! {
                        () = serving => {}
                        _ = broken.wait_for(|upto| number < *upto) => {}
                    }
                    alive.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { addr, asked, connections, open, leave, cut, accepting }
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Asked {
        soon("a request", self.asked.recv()).await.expect("the server ended")
    }

    /// Whether no request waits.
    pub(crate) fn has_nothing(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Sends a GOAWAY on every connection there is.
    pub(crate) fn leave(&self) {
        self.leave.send_replace(self.connections());
    }

    /// Ends every connection there is, without a word.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(self.connections());
    }
}

impl Drop for H2Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    settings: h2::server::Builder,
    tell: mpsc::UnboundedSender<Asked>,
    mut left: watch::Receiver<usize>,
) {
    let Ok(mut connection) = settings.handshake(stream).await else { return };
    let mut leaving = false;
    loop {
        tokio::select! {
            told = left.wait_for(|upto| number < *upto), if !leaving => {
                if told.is_err() {
                    return;
                }
                drop(told);
                leaving = true;
                connection.graceful_shutdown();
            }
            request = connection.accept() => {
                let Some(Ok((request, respond))) = request else { return };
                let (head, body) = request.into_parts();
                tell.send(Asked { connection: number, head, body, respond }).ok();
            }
        }
    }
}

impl Asked {
    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.head.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("text")).collect()
    }

    /// The whole body.
    pub(crate) async fn read(&mut self) -> Vec<u8> {
        read(&mut self.body).await
    }

    /// Answers 200 with that body.
    pub(crate) fn ok(self, body: &str) {
        let response = Response::builder().header("x-up-connection", self.connection);
        let mut stream = self.answer(response.body(()).expect("a response"));
        stream.send_data(Bytes::from(body.to_owned()), true).expect("not sent");
    }

    /// Answers with that head; a body is to follow.
    pub(crate) fn answer(mut self, head: Response<()>) -> SendStream<Bytes> {
        self.respond.send_response(head, false).expect("not sent")
    }
}

/// The rest of a body; what is missing of it panics.
pub(crate) async fn read(body: &mut RecvStream) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(data) = soon("a piece", body.data()).await {
        let data = data.expect("a broken body");
        body.flow_control().release_capacity(data.len()).expect("no capacity");
        whole.extend_from_slice(&data);
    }
    whole
}

/// A connection in HTTP/2 to a gateway that is mounted as a service.
pub(crate) async fn client(service: GatewayService) -> h2::client::SendRequest<Bytes> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let service = TowerToHyperService::new(service);
        builder.serve_connection(TokioIo::new(far), service).await.ok();
    });
    let (sender, connection) = h2::client::handshake(near).await.expect("no HTTP/2");
    tokio::spawn(async move {
        connection.await.ok();
    });
    sender
}

/// A call to a path, with a bearer token if there is one, and more fields.
pub(crate) fn call(path: &str, token: Option<&str>, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://a.test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

/// The trailers after a body that has been read.
pub(crate) async fn trailers(body: &mut RecvStream) -> Option<HeaderMap> {
    soon("trailers", body.trailers()).await.expect("a broken end")
}
