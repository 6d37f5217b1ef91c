//! A gRPC service of tonic behind the policy: a collector of traces (OTLP) that takes spans from who
//! may send some. `cargo run --example tonic_layer`, then register and log in as with the other
//! examples, and export with `OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:3000` and
//! `OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20..."`.

#![expect(clippy::print_stdout, reason = "what is taken is shown")]

use std::path::Path;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use portcullis::Peer;
use portcullis::{Config, Gateway, Identity};
use tonic::transport::Server;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Response, Status};
use tower::util::MapRequestLayer;

// A call is a POST to `/package.Service/Method`. Who is not let in gets the status of gRPC,
// `UNAUTHENTICATED` or `PERMISSION_DENIED`.
const POLICY: &str = r#"
    [upstreams]
    collector = { inner = true }

    [routes]
    "POST /opentelemetry.proto.collector.trace.v1.TraceService/Export" = { to = "collector" }
"#;

struct Collector;

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let caller = Identity::of(request.extensions())
            .ok_or_else(|| Status::unauthenticated("nobody is known"))?;
        let scopes = request.get_ref().resource_spans.iter().flat_map(|it| &it.scope_spans);
        for span in scopes.flat_map(|it| &it.spans) {
            println!("{} has done {}", caller.username, span.name);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Says who is at the other end, for limits by address.
fn introduce<B>(mut request: http::Request<B>) -> http::Request<B> {
    let at = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::remote_addr);
    if let Some(addr) = at {
        request.extensions_mut().insert(Peer::tcp(addr, None));
    }
    request
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::parse("policy", POLICY, Path::new("."))?.config;
    let gateway = Gateway::builder(config).build()?;

    let server = Server::builder()
        .accept_http1(true) // for registration and login by other clients than gRPC's
        .layer(MapRequestLayer::new(introduce))
        .layer(gateway.layer())
        .add_service(TraceServiceServer::new(Collector));
    tokio::select! {
        end = server.serve("127.0.0.1:3000".parse()?) => end?,
        () = gateway.keep() => {}
    }
    Ok(())
}
