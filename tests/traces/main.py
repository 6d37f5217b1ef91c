"""One trace through a client, a gateway and a server, as a real collector passes it on: `main.py PORTCULLIS`."""

import http.client
import http.server
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import rotel
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from sink import Sink
from waiting import free_port, until

LIMIT = 60
POLICY = """
listen = ["127.0.0.1:{port}"]
{trust}
[upstreams]
shop = {{ to = "http://127.0.0.1:{upstream}" }}
[routes]
"/shop/*" = {{ to = "shop", allow = "anyone" }}
[admin]
listen = "127.0.0.1:{admin}"
token = {{ file = "admin.token" }}
[log]
format = "json"
[otlp]
endpoint = "{endpoint}"
service = "gate"
{more}
"""
TRUST = 'trust = ["127.0.0.1"]'


def ask(port, path, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def tracer(service, collector):
    """A tracer of the SDK, as a program has it."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{collector}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer(service)


class Shop(http.server.BaseHTTPRequestHandler):
    """An upstream that follows the trace it is told."""

    def do_GET(self):
        carried = propagate.extract({name.lower(): value for name, value in self.headers.items()})
        kind = trace.SpanKind.SERVER
        with self.server.tracer.start_as_current_span("sell", context=carried, kind=kind):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_):
        pass


class Collector:
    """Rotel, which passes on what it takes."""

    def __init__(self, to):
        self.port, self.to, self.running = free_port(), to, None

    def start(self):
        agent = os.path.join(os.path.dirname(rotel.__file__), "rotel-agent")
        self.running = subprocess.Popen(
            [agent, "start", "--otlp-http-endpoint", f"127.0.0.1:{self.port}",
             "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}",
             "--exporter", "otlp", "--otlp-exporter-protocol", "http",
             "--otlp-exporter-endpoint", f"http://127.0.0.1:{self.to}", "--batch-timeout", "200ms"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("the collector", lambda: socket.create_connection(("127.0.0.1", self.port), LIMIT).close() or True)

    def stop(self):
        self.running.terminate()
        self.running.wait(LIMIT)


class Gateway:
    def __init__(self, binary, folder, **policy):
        self.port, self.admin = free_port(), free_port()
        self.log = os.path.join(folder, "log")
        with open(os.path.join(folder, "admin.token"), "w") as file:
            file.write("x" * 32)
        with open(os.path.join(folder, "portcullis.toml"), "w") as file:
            file.write(POLICY.format(port=self.port, admin=self.admin, **policy))
        with open(self.log, "w") as log:
            self.running = subprocess.Popen([binary], cwd=folder, stdout=log, stderr=log)
        until("the gateway", lambda: ask(self.admin, "/readyz")[0] == 200)

    def count(self, name):
        _, text = ask(self.admin, "/metrics", {"Authorization": "Bearer " + "x" * 32})
        return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))

    def said(self):
        with open(self.log) as log:
            return log.read()

    def stop(self):
        self.running.terminate()
        assert self.running.wait(LIMIT) == 0, self.said()


def one_tree(gateway, client, sink):
    """The SDK's client asks, and the SDK's server answers."""
    with client.start_as_current_span("buy", kind=trace.SpanKind.CLIENT) as span:
        headers = {}
        propagate.inject(headers)
        assert ask(gateway.port, "/shop/tea?card=1234", headers)[0] == 200
        trace_id = span.get_span_context().trace_id.to_bytes(16, "big")
    of = lambda: [taken for taken in sink.spans() if taken[1].trace_id == trace_id]
    spans = until("four spans", lambda: len(of()) == 4 and of())
    by_name = {(service, span.name): (span, words) for service, span, words in spans}
    chain = [("client", "buy"), ("gate", "GET /shop/*"), ("gate", "GET"), ("shop", "sell")]
    for above, below in zip(chain, chain[1:]):
        (parent, _), (child, _) = by_name[above], by_name[below]
        assert child.parent_span_id == parent.span_id, (above, below, spans)
        assert parent.start_time_unix_nano <= child.start_time_unix_nano, (above, below, spans)
        # Between processes an answer may be there before its sender has ended its span.
        if above[0] == below[0]:
            assert child.end_time_unix_nano <= parent.end_time_unix_nano, (above, below, spans)
    span, words = by_name["gate", "GET /shop/*"]
    assert span.kind == 2 and span.status.code == 0, span
    assert words["url.path"] == "/shop/tea" and words["http.route"] == "/shop/*", words
    assert words["http.response.status_code"] == 200, words
    assert "1234" not in str(spans), spans
    assert f'"trace":"{trace_id.hex()}"' in gateway.said(), gateway.said()
    print("one tree: " + " > ".join(" ".join(name) for name in chain))


def comes_back(gateway, collector, sink):
    """The collector is away for a while: nobody waits for it, and nothing is lost that has room."""
    before = len(sink.spans())
    collector.stop()
    for _ in range(10):
        began = time.monotonic()
        assert ask(gateway.port, "/nowhere")[0] == 404
        assert time.monotonic() - began < 1
    until("a failure", lambda: gateway.count("portcullis_span_exports_failed_total") > 0)
    collector.start()
    until("the spans", lambda: len(sink.spans()) >= before + 10)
    until("the count", lambda: gateway.count("portcullis_spans_exported_total") >= 12)
    assert gateway.count("portcullis_spans_dropped_total") == 0
    for words in ["the collector does not take spans", "the collector takes spans again"]:
        assert gateway.said().count(words) == 1, gateway.said()
    print("a collector that was away had all the spans when it came back")


def strangers(binary, root, upstream):
    """Without trust, over TLS, with a header; and what is left goes out at the end."""
    folder = tempfile.mkdtemp(dir=root)
    certificate = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-addext",
         "basicConstraints=critical,CA:FALSE", "-out", certificate[0], "-keyout", certificate[1]],
        check=True, stderr=subprocess.DEVNULL)
    sink = Sink(certificate)
    with open(os.path.join(folder, "token"), "w") as file:
        file.write("Bearer sesame")
    more = 'ca = "cert.pem"\nheaders = { authorization = { file = "token" } }'
    gateway = Gateway(binary, folder, trust="", upstream=upstream, endpoint=f"https://localhost:{sink.port}", more=more)
    theirs = bytes(range(1, 17))
    assert ask(gateway.port, "/shop/tea", {"traceparent": f"00-{theirs.hex()}-00f067aa0ba902b7-01"})[0] == 200
    gateway.stop()
    spans = sink.spans()
    assert len(spans) == 2 and all(span.trace_id != theirs for _, span, _ in spans), spans
    assert [link.trace_id for _, span, _ in spans for link in span.links] == [theirs], spans
    assert sink.heads[0]["authorization"] == "Bearer sesame", sink.heads
    assert "sesame" not in gateway.said()
    print("a stranger's trace is linked; over TLS, at the end")


def main(binary):
    sink = Sink()
    collector = Collector(sink.port)
    collector.start()
    shop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    shop.tracer = tracer("shop", collector.port)
    threading.Thread(target=shop.serve_forever, daemon=True).start()
    upstream = shop.server_address[1]
    with tempfile.TemporaryDirectory() as root:
        folder = tempfile.mkdtemp(dir=root)
        endpoint = f"http://127.0.0.1:{collector.port}"
        gateway = Gateway(binary, folder, trust=TRUST, upstream=upstream, endpoint=endpoint, more="sample = 1")
        try:
            one_tree(gateway, tracer("client", collector.port), sink)
            comes_back(gateway, collector, sink)
            gateway.stop()
            strangers(binary, root, upstream)
        finally:
            gateway.running.kill()
            collector.stop()
    print("a collector reads it")


if __name__ == "__main__":
    main(sys.argv[1])
