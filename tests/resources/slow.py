"""Clients that trickle, and clients that read nothing."""

import contextlib
import struct
import time

from clients import LARGE, connect, handshake, when_closed
from http2 import CONTINUATION, DATA, HEADERS, RESET, SETTINGS, WINDOW, begin, frame, head
from world import LONG, MARGIN, Gateway, comes_back, step


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
            # What is left of one kind is not to be counted with the next.
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
