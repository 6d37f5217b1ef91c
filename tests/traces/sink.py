"""Where spans end: an HTTP server that reads them by the messages of the `opentelemetry-proto` package."""

import gzip
import http.server
import ssl
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Sink(http.server.ThreadingHTTPServer):
    """Listens at a port of its own; over TLS where it is given the files of a certificate."""

    def __init__(self, certificate=None):
        super().__init__(("127.0.0.1", 0), Taker)
        self.port = self.server_address[1]
        self.lock = threading.Lock()
        self.taken = []
        self.heads = []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self):
        """Those so far: service, span and attributes."""
        with self.lock:
            return list(self.taken)


class Taker(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces", self.path
        assert self.headers["Content-Type"] == "application/x-protobuf", self.headers
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        with self.server.lock:
            self.server.heads.append(dict(self.headers.items()))
            for resource in request.resource_spans:
                service = words(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self.server.taken += [(service, span, words(span.attributes)) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def words(attributes):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
