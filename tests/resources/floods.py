"""Requests and frames that are too large, too many, or for nothing."""

import contextlib
import threading
import time

from clients import GET, connect, status_of
from http2 import CONTINUATION, HEADERS, PING, PRIORITY, RESET, SETTINGS, begin, frame, head
from world import LONG, MIB, Gateway, comes_back, step


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
