#!/usr/bin/env python3
"""Sends a request body of 10 GB through the release binary, and takes a response that never
ends; the gateway's memory must stay flat. Usage: large_bodies.py BINARY [GIGABYTES]"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading

BINARY = sys.argv[1]
GIGABYTES = int(sys.argv[2]) if len(sys.argv) > 2 else 10
PIECE = b"x" * (1 << 20)
# What a gateway that holds nothing back may need: buffers of two connections and then some.
ALLOWED = 32 << 20

CONFIG = """
listen = ["127.0.0.1:0"]
[upstreams]
sink = {{ to = "http://127.0.0.1:{port}", timeout = "60s" }}
[routes]
"/*" = {{ to = "sink", allow = "anyone", body = "11GB" }}
[log]
filter = "warn"
"""


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        got = connection.recv(65536)
        if not got:
            return head, b""
        head += got
    head, _, rest = head.partition(b"\r\n\r\n")
    return head, rest


class Upstream(threading.Thread):
    """Counts what comes; answers /endless until the other side goes away."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.cut = threading.Event()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            self.answer(connection)

    def answer(self, connection):
        """One request a connection: it is closed afterwards, so that it is not used again."""
        head, rest = read_head(connection)
        if head.startswith(b"GET /endless"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
            try:
                while True:
                    connection.sendall(chunk)
            except OSError:
                self.cut.set()
            return
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])
        seen, buffer = len(rest), bytearray(1 << 20)
        while seen < length:
            count = connection.recv_into(buffer)
            if not count:
                return
            seen += count
        body = str(seen).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body)


def resident(pid, field="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) << 10


def upload(port, pid):
    total = GIGABYTES * 10**9
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST /sink HTTP/1.1\r\nHost: a.test\r\nContent-Length: {total}\r\n\r\n"
        client.sendall(head.encode())
        left = total
        while left:
            piece = PIECE if left >= len(PIECE) else PIECE[:left]
            client.sendall(piece)
            left -= len(piece)
        head, body = read_head(client)
        assert head.startswith(b"HTTP/1.1 200"), head
        while len(body) < len(str(total)):
            body += client.recv(100)
        assert body == str(total).encode(), body
    return resident(pid, "VmHWM")


def endless(port, pid, upstream):
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n")
        buffer, seen = bytearray(1 << 20), 0
        while seen < 2 * 10**9:
            count = client.recv_into(buffer)
            assert count, "the endless response ended"
            seen += count
    assert upstream.cut.wait(5), "the client went away and the upstream went on"
    return resident(pid, "VmHWM")


def main():
    upstream = Upstream()
    upstream.start()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "portcullis.toml")
        config.write_text(CONFIG.format(port=upstream.port))
        gateway = subprocess.Popen([BINARY, "--config", config], stdout=subprocess.PIPE, text=True)
        try:
            port = None
            while port is None:
                line = gateway.stdout.readline()
                assert line, "the gateway ended"
                found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
                port = int(found[1]) if found else None
            before = resident(gateway.pid)
            for name, peak in (
                (f"a request body of {GIGABYTES} GB", upload(port, gateway.pid)),
                ("2 GB of a response without end", endless(port, gateway.pid, upstream)),
            ):
                print(f"{name}: {before >> 20} MiB before, {peak >> 20} MiB at most")
                assert peak - before < ALLOWED, "memory grows with the body"
            gateway.send_signal(signal.SIGTERM)
            assert gateway.wait(30) == 0
        finally:
            gateway.kill()


if __name__ == "__main__":
    sys.exit(main())
