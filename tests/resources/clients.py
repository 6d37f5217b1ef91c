"""Connections of clients in HTTP/1.1, in clear and over TLS."""

import contextlib
import re
import socket
import ssl
import time

GET = b"GET /small HTTP/1.1\r\nHost: a.test\r\n\r\n"
LARGE = GET.replace(b"small", b"large")


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
