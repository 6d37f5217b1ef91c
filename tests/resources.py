#!/usr/bin/env python3
"""Clients and upstreams that hold on, flood or never read, against the release binary: others are
served meanwhile, memory stays within bounds, and comes back. LONG=1 does more of everything.
Usage: resources.py BINARY [STEP ...]"""
import contextlib
import multiprocessing
import os
import pathlib
import re
import resource
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

BINARY = sys.argv[1]
LONG = os.environ.get("LONG", "") not in ("", "0")
MIB = 1 << 20
# Most that one idle connection may cost, in KiB.
IDLE_KIB = 20
# How late a deadline may be kept, in seconds, on a machine that is busy with this very test.
MARGIN = 5
# How long anybody else may wait for an answer meanwhile.
PATIENCE = 2
GET = b"GET /small HTTP/1.1\r\nHost: a.test\r\n\r\n"
LARGE = GET.replace(b"small", b"large")

CONFIG = """
listen = [
  "127.0.0.1:0",
  {{ addr = "127.0.0.1:0", tls = true }},
  {{ addr = "127.0.0.1:0", proxy_protocol = true }},
]
trust = ["127.0.0.0/8"]
[upstreams]
up = {{ to = "http://127.0.0.1:{port}", timeout = "60s", in_flight = 10000 }}
quick = {{ to = "http://127.0.0.1:{quick}" }}
who = {{ whoami = true }}
[routes]
"/small" = {{ to = "quick", allow = "anyone" }}
"/*" = {{ to = "up", allow = "anyone", body = "100MB" }}
"/rated/*" = {{ to = "who", allow = "anyone", rate = "1/h per ip" }}
# A hash of the usual size would hide what is looked for here.
[auth.password]
memory = "8KiB"
passes = 1
[tls]
cert = "cert.pem"
key = "key.pem"
[limits]
{limits}
[log]
access = false
filter = "error"
"""


class Upstream(threading.Thread):
    """Answers every request with `ok`, /large with more than anybody has room for; counts."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self.listener.getsockname()[1]
        self.quick = answer_in_a_process_of_its_own()
        self.large = 0  # bytes of large responses that were taken
        self.bodies = []  # lengths of the request bodies that came whole
        self.targets = set()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    got = connection.recv(65536)
                    if not got:
                        return
                    buffer += got
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                self.targets.add(head.split(b" ")[1])
                if b"chunked" in head:
                    buffer = self.take_chunked(connection, buffer)
                elif length := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
                    while len(buffer) < int(length[1]):
                        got = connection.recv(65536)
                        if not got:
                            return
                        buffer += got
                    self.bodies.append(int(length[1]))
                    buffer = b""
                if b" /large" in head:
                    return self.answer_without_end(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def take_chunked(self, connection, buffer):
        """Bodies here are of the letter x alone, so that the last chunk is easy to find."""
        letters = 0
        while not buffer.endswith(b"0\r\n\r\n") or buffer[-6:-5] not in (b"", b"\n"):
            got = connection.recv(1 << 18)
            if not got:
                raise ConnectionError("half a body")
            letters += buffer[:-8].count(b"x")
            buffer = buffer[-8:] + got
        self.bodies.append(letters + buffer.count(b"x"))
        return b""

    def answer_without_end(self, connection):
        piece = b"x" * (256 << 10)
        length = 1 << 40
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        while True:
            connection.sendall(piece)
            self.large += len(piece)


def answer_in_a_process_of_its_own():
    """What others ask for does not wait for what floods this process; the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)

    def serve():
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        selector.register(listener.accept()[0], selectors.EVENT_READ)
                    elif key.fileobj.recv(65536):
                        key.fileobj.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    else:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    listener.close()
    return port


class Gateway:
    """The binary with a policy of its own."""

    def __init__(self, upstream, limits="", files=None):
        ports = {"port": upstream.port, "quick": upstream.quick}
        self.policy = CONFIG.format(**ports, limits=limits)
        self.files = files

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        make_certificate(self.folder.name)
        config = pathlib.Path(self.folder.name, "portcullis.toml")
        config.write_text(self.policy)

        def limit():
            if self.files:
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, hard))

        self.process = subprocess.Popen(
            [BINARY, "--config", config], stdout=subprocess.PIPE, text=True, preexec_fn=limit
        )
        ports = []
        while len(ports) < 3:
            line = self.process.stdout.readline()
            assert line, "the gateway ended"
            ports += map(int, re.findall(r"listening on https?://127\.0\.0\.1:(\d+)", line))
        self.port, self.tls, self.proxied = ports
        for _ in range(200):  # what it needs to serve anybody is not what a flood costs
            ask(self.port)
        handshake(self.tls).close()
        self.start = self.resident()
        return self

    def __exit__(self, failed, *_):
        try:
            if not failed:
                self.process.send_signal(signal.SIGTERM)
                assert self.process.wait(40) == 0, "no clean end"
        finally:
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()

    def resident(self, field="RssAnon"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) << 10

    def grown(self):
        return self.resident() - self.start


class Others(threading.Thread):
    """Asks for something small all the time, on connections of its own, and watches memory."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.over = threading.Event()
        self.failure = None
        self.answered = 0
        self.slowest = 0.0
        self.peak = 0

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.gateway.grown())
            since = time.monotonic()
            try:
                ask(self.gateway.port)
            except (OSError, AssertionError) as error:
                self.failure = error
                return
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - since)


@contextlib.contextmanager
def step(gateway, name, bound):
    """Others must be served all the while, and memory must not grow by more than `bound`."""
    others = Others(gateway)
    others.start()
    since = time.monotonic()
    yield
    took = time.monotonic() - since
    while others.answered < 5 and others.is_alive():
        time.sleep(0.01)
    others.over.set()
    others.join()
    peak = max(others.peak, gateway.grown())
    print(
        f"{name}: {took:.1f} s, {peak / MIB:+.1f} MiB at most, others answered {others.answered}"
        f" times, within {others.slowest * 1000:.0f} ms",
        flush=True,
    )
    assert others.failure is None, f"others were not served: {others.failure!r}"
    assert others.slowest < PATIENCE, "others had to wait"
    assert peak < bound * MIB, f"memory grew by more than {bound} MiB"


def make_certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "1"]
        + ["-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test"],
        cwd=folder, check=True, capture_output=True,
    )


def connect(port, small=False):
    client = socket.socket()
    if small:  # so that the kernel holds little of what nobody reads
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def handshake(port, alpn=None, small=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(connect(port, small), server_hostname="a.test")


def status_of(client):
    """The status of the next response, whose body is read too; 0 if it is closed instead."""
    reply = b""
    with contextlib.suppress(ConnectionError):
        while b"\r\n\r\n" not in reply:
            got = client.recv(65536)
            if not got:
                return 0
            reply += got
        head, _, body = reply.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
        while len(body) < length:
            body += client.recv(65536)
        return int(head.split(b" ")[1])
    return 0


def ask(port, request=GET, expected=200):
    with connect(port) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(request)
        status = status_of(client)
        assert status == expected, f"{status} for {request[:60]}"


def when_closed(clients, trickle, latest):
    """Sends `trickle` on each connection ten times a second until all are closed by the gateway;
    the longest that one was open."""
    since = time.monotonic()
    open_ones = dict.fromkeys(clients)
    while open_ones:
        assert time.monotonic() - since < latest, f"{len(open_ones)} are still open"
        for client in list(open_ones):
            try:
                if trickle:
                    client.send(trickle)
                client.setblocking(False)
                if not client.recv(4096):
                    del open_ones[client]
            except BlockingIOError:
                pass
            except OSError:
                del open_ones[client]
            finally:
                client.setblocking(True)
        time.sleep(0.1)
    for client in clients:
        client.close()
    return time.monotonic() - since


# ---- HTTP/2 by hand ------------------------------------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path, method=b"GET"):
    fields = ((b":method", method), (b":scheme", b"http"), (b":authority", b"a.test"))
    return b"".join(literal(*field) for field in fields + ((b":path", path),))


def begin(window):
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))


# ---- Steps ---------------------------------------------------------------------------------


def slow_heads(upstream):
    with Gateway(upstream, 'head_timeout = "2s"\ntls_timeout = "2s"') as gateway:
        number = 500 if LONG else 100
        with step(gateway, f"{number} heads that trickle", 64):
            clients = [connect(gateway.port) for _ in range(number)]
            for client in clients:
                client.sendall(b"GET /slow HTTP/1.1\r\nHost: a.test\r\nX: ")
            print(f"  closed within {when_closed(clients, b'x', 2 + MARGIN):.1f} s")
        with step(gateway, f"{number} connections that say nothing", 64):
            clients = [connect(gateway.port) for _ in range(number)]
            print(f"  closed within {when_closed(clients, b'', 2 + MARGIN):.1f} s")
        with step(gateway, "200 connections without a ClientHello, and 50 with half of one", 64):
            clients = [connect(gateway.tls) for _ in range(250)]
            for client in clients[200:]:
                client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            handshake(gateway.tls).close()
            print(f"  closed within {when_closed(clients, b'', 2 + MARGIN):.1f} s")
        with step(gateway, f"{number} PROXY headers that trickle", 64):
            clients = [connect(gateway.proxied) for _ in range(number)]
            for client in clients:
                client.sendall(b"PROXY TCP4 ")
            print(f"  closed within {when_closed(clients, b'1', 2 + MARGIN):.1f} s")
        with step(gateway, f"{number} HTTP/2 heads that do not end", 64):
            clients = [connect(gateway.port) for _ in range(number)]
            for client in clients:
                client.sendall(begin(65535) + frame(HEADERS, 0, 1, head(b"/slow")))
            empty = frame(CONTINUATION, 0, 1)
            print(f"  closed within {when_closed(clients, empty, 2 + MARGIN):.1f} s")
        assert b"/slow" not in upstream.targets, "half a request was forwarded"


def slow_bodies(upstream):
    limits = 'body_timeout = "2s"\nbody_rate = "100B/s"'
    with Gateway(upstream, limits) as gateway:
        with step(gateway, "100 bodies that trickle", 64):
            clients = [connect(gateway.port) for _ in range(100)]
            for number, client in enumerate(clients):
                framing = b"Content-Length: 90000" if number % 2 else b"Transfer-Encoding: chunked"
                request = b"POST /slow-body HTTP/1.1\r\nHost: a.test\r\n%s\r\n\r\n" % framing
                client.sendall(request)
            # Of a chunked body it is part of a chunk's size, of the other a byte of it.
            print(f"  closed within {when_closed(clients, b'0', 2 * 2 + 2 + MARGIN):.1f} s")
        with step(gateway, "50 bodies over HTTP/2 that trickle", 64):
            clients = [connect(gateway.port) for _ in range(50)]
            for client in clients:
                client.sendall(begin(65535) + frame(SETTINGS, 1, 0))
                client.sendall(frame(HEADERS, 4, 1, head(b"/slow-body", b"POST")))
            since = time.monotonic()
            for client in clients:
                client.setblocking(False)
            waiting = set(clients)
            while waiting:
                assert time.monotonic() - since < 2 * 2 + 2 + MARGIN, f"{len(waiting)} go on"
                for client in list(waiting):
                    with contextlib.suppress(BlockingIOError):
                        client.send(frame(DATA, 0, 1, b"x"))
                        reply = client.recv(4096)
                        # The head of an answer, 408, or the end of the stream.
                        if not reply or any(kind in (HEADERS, RESET) for kind in kinds(reply)):
                            waiting.discard(client)
                time.sleep(0.1)
            print(f"  refused within {time.monotonic() - since:.1f} s")
            for client in clients:
                client.close()


def kinds(frames):
    while len(frames) >= 9:
        yield frames[3]
        frames = frames[9 + int.from_bytes(frames[:3], "big"):]


def slow_readers(upstream):
    with Gateway(upstream) as gateway:
        readers = 100 if LONG else 20
        for name, open_one in (
            ("in clear", lambda: connect(gateway.port, small=True)),
            ("over TLS", lambda: handshake(gateway.tls, small=True)),
        ):
            with step(gateway, f"{readers} large responses {name} that nobody reads", 128):
                clients = [open_one() for _ in range(readers)]
                for client in clients:
                    client.sendall(LARGE)
                paused(upstream)
            for client in clients:
                client.close()
        for name, window, open_one in (
            ("without a window", 0, lambda: connect(gateway.port, small=True)),
            ("that nobody reads", 2**31 - 1, lambda: connect(gateway.port, small=True)),
            ("over TLS that nobody reads", 2**31 - 1,
             lambda: handshake(gateway.tls, "h2", small=True)),
        ):
            streams = readers * 20
            # What one stream may hold: a piece that was read, and the next one.
            bound = 64 + streams * 0.25
            with step(gateway, f"{streams} streams of HTTP/2 {name}", bound):
                clients = [open_one() for _ in range(readers)]
                for client in clients:
                    client.sendall(begin(window))
                    if window:
                        more = struct.pack(">I", 2**31 - 1 - 65535)
                        client.sendall(frame(WINDOW, 0, 0, more))
                    for stream in range(1, 41, 2):
                        client.sendall(frame(HEADERS, 5, stream, head(b"/large")))
                paused(upstream)
            for client in clients:
                client.close()
        comes_back(gateway)


def paused(upstream):
    """Waits until nothing of the large responses is taken any more."""
    deadline = time.monotonic() + 20
    taken, since = -1, time.monotonic()
    while time.monotonic() - since < 1:
        assert time.monotonic() < deadline, "the upstream was not paused"
        if upstream.large != taken:
            taken, since = upstream.large, time.monotonic()
        time.sleep(0.05)


def comes_back(gateway):
    deadline = time.monotonic() + 30
    # The allocator gives pages back when it is used.
    while gateway.grown() > 32 * MIB and time.monotonic() < deadline:
        ask(gateway.port)
    print(f"  and afterwards {gateway.grown() / MIB:+.1f} MiB", flush=True)
    assert gateway.grown() < 32 * MIB, "memory does not come back"
    ask(gateway.port)


def floods(upstream):
    with Gateway(upstream) as gateway:
        start = b"GET /flood HTTP/1.1\r\nHost: a.test\r\n"
        for name, request, expected in (
            ("1,000 fields", start + b"X: y\r\n" * 1000 + b"\r\n", 431),
            ("a field of 1 MB", start + b"X: " + b"y" * MIB + b"\r\n\r\n", 431),
            ("a cookie of 80 kB", start + b"Cookie: " + b"y" * 80_000 + b"\r\n\r\n", 431),
            ("a field name of 1 MB", start + b"y" * MIB + b": x\r\n\r\n", 431),
            ("a target of 1 MB", GET.replace(b"/small", b"/flood" + b"y" * MIB), 431),
            ("a target of 10 kB", GET.replace(b"/small", b"/flood" + b"y" * 10_000), 414),
            ("a method of 1 MB", b"G" * MIB + GET, 431),
        ):
            with step(gateway, name, 64):
                for _ in range(200 if LONG else 20):
                    ask_large(gateway.port, request, expected)
        assert not any(target.startswith(b"/flood") for target in upstream.targets)
        pipelined(gateway, 500_000 if LONG else 100_000)
        chunks(gateway, upstream, 3_000_000 if LONG else 1_000_000)
        for name, flood in (
            ("empty CONTINUATION frames", frame(HEADERS, 0, 1, head(b"/flood"))
             + frame(CONTINUATION, 0, 1) * 20_000),
            ("PRIORITY frames", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10") * 20_000),
            ("frames of an unknown type", frame(0x7e, 0, 0, b"x" * 8) * 20_000),
            ("PING frames", frame(PING, 0, 0, b"x" * 8) * 20_000),
            ("SETTINGS frames", frame(SETTINGS, 0, 0) * 20_000),
            ("streams opened and reset", b"".join(
                frame(HEADERS, 5, stream, head(b"/small"))
                + frame(RESET, 0, stream, b"\0\0\0\x08") for stream in range(1, 40_001, 2))),
            ("heads that grow", bombs()),
        ):
            with step(gateway, f"20 x 20,000 {name}", 64):
                for _ in range(20):
                    with connect(gateway.port) as client, contextlib.suppress(OSError):
                        client.sendall(begin(65535))
                        client.sendall(flood)
        comes_back(gateway)


def bombs():
    """One field of 4,000 bytes is noted in the table and then referred to (RFC 7541)."""
    name, value = b"x", b"y" * 3900
    length = b"\x7f" + bytes([(3900 - 127) % 128 | 128, (3900 - 127) // 128])
    bomb = head(b"/flood") + b"\x40" + bytes([len(name)]) + name + length + value + b"\xbe" * 3000
    return b"".join(frame(HEADERS, 5, stream, bomb) for stream in range(1, 200, 2))


def ask_large(port, request, expected):
    """The answer comes while the request is on its way: nobody reads the rest."""
    with connect(port) as client:
        def send():
            with contextlib.suppress(OSError):
                client.sendall(request)

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        status = status_of(client)
        assert status == expected, f"{status}, not {expected}"


def pipelined(gateway, number):
    with step(gateway, f"{number:,} pipelined requests, read late", 64):
        request = GET.replace(b"/small", b"/%2f..")  # answered here: 400, and kept open
        with connect(gateway.port, small=True) as client:
            def send():
                client.sendall(request * number)

            sending = threading.Thread(target=send, daemon=True)
            sending.start()
            time.sleep(1)
            seen, tail = 0, b""
            while seen < number:
                got = client.recv(1 << 18)
                assert got, f"closed after {seen}"
                tail += got
                seen += tail.count(b"HTTP/1.1 400")
                tail = tail[-11:] if not tail.endswith(b"HTTP/1.1 400") else b""
            sending.join()


def chunks(gateway, upstream, number):
    with step(gateway, f"{number:,} chunks of one byte", 64):
        with connect(gateway.port) as client:
            client.sendall(b"POST /chunks HTTP/1.1\r\nHost: a.test\r\n")
            client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(number // 10_000):
                client.sendall(b"1\r\nx\r\n" * 10_000)
            client.sendall(b"0\r\n\r\n")
            assert status_of(client) == 200
        assert upstream.bodies[-1] == number, upstream.bodies
    with step(gateway, "a chunk extension without end", 64):
        with connect(gateway.port) as client, contextlib.suppress(ConnectionError):
            client.sendall(b"POST /chunks HTTP/1.1\r\nHost: a.test\r\n")
            client.sendall(b"Transfer-Encoding: chunked\r\n\r\n1;")
            for _ in range(100):
                client.sendall(b"x" * (64 << 10))


def idle(upstream):
    number = 10_000
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert files > number + 500, f"{files} open files are too few for this test"
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # As most systems start a server: it has to take the rest of what it may have by itself.
    limits = f'head_timeout = "5m"\nidle_timeout = "5m"\nconnections = {number + 200}'
    for name, request in (("without a request", None), ("after one request", GET)):
        with Gateway(upstream, limits, files=1024) as gateway:
            others = Others(gateway)
            clients = []
            for _ in range(number):
                clients.append(connect(gateway.port))
                if request:
                    clients[-1].sendall(request)
                    assert status_of(clients[-1]) == 200
            # In the kernel's queue it would cost nothing.
            others.start()
            time.sleep(1)
            cost = gateway.grown() / number / 1024
            others.over.set()
            others.join()
            assert others.failure is None, others.failure
            print(f"{number:,} idle connections {name}: {cost:.2f} KiB each", flush=True)
            assert cost < IDLE_KIB, f"more than {IDLE_KIB} KiB each"
            for client in clients:
                client.close()
            comes_back(gateway)


def crowd(upstream):
    with Gateway(upstream, "connections = 50") as gateway:
        first = [connect(gateway.port) for _ in range(50)]
        for client in first:
            client.sendall(GET)
            assert status_of(client) == 200
        late = [connect(gateway.port) for _ in range(100)]
        for client in late:
            client.sendall(GET)
        late[0].settimeout(1)
        try:
            late[0].recv(1)
            raise AssertionError("a connection over the limit was served")
        except TimeoutError:
            late[0].settimeout(30)
        for client in first:
            client.close()
        for client in late:
            assert status_of(client) == 200
            client.close()
        print("100 connections over the limit waited, and were served")


def rates(upstream):
    number = 1_000_000 if LONG else 100_000

    def ask(key):
        address = b"11.%d.%d.%d" % (key >> 16, key >> 8 & 255, key & 255)
        return b"GET /rated/x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: " + address + b"\r\n\r\n"

    with Gateway(upstream) as gateway:
        with step(gateway, f"{number:,} addresses, each with a rate of its own", 64):
            with connect(gateway.port) as client:
                def send():
                    for at in range(0, number, 1000):
                        client.sendall(b"".join(map(ask, range(at, at + 1000))))
                    # The last one has had its one request of the hour.
                    client.sendall(ask(number - 1))

                sending = threading.Thread(target=send, daemon=True)
                sending.start()
                let_in = refused = 0
                tail = b""
                while let_in + refused <= number:
                    got = client.recv(1 << 18)
                    assert got, f"closed after {let_in + refused}"
                    tail += got
                    let_in += tail.count(b"HTTP/1.1 200")
                    refused += tail.count(b"HTTP/1.1 429")
                    tail = tail[-11:]
                sending.join()
                assert (let_in, refused) == (number, 1), (let_in, refused)


STEPS = {
    step.__name__: step
    for step in (slow_heads, slow_bodies, slow_readers, floods, crowd, rates, idle)
}


def main():
    upstream = Upstream()
    upstream.start()
    for name in sys.argv[2:] or STEPS:
        STEPS[name](upstream)


if __name__ == "__main__":
    sys.exit(main())
