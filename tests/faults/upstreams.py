"""Servers that break off, stall, answer too early, twice, or something that is no answer, all at once and with good
ones between them: everybody gets an answer of his own or a refusal that says why, and no request is doubled."""

import contextlib
import http.client
import random
import re
import socket
import struct
import threading
from collections import Counter

from waiting import until
from world import PATIENCE, same, stage

CLIENTS = 12
REQUESTS = 50
POLICY = """
workers = 2
[upstreams]
odd = {{ to = "http://127.0.0.1:{port}", timeout = "400ms" }}
[routes]
"/*" = {{ to = "odd", allow = "anyone", idle = "400ms" }}
[log]
access = false
filter = "error"
"""
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def answer(nonce, said=0, first=b"HTTP/1.1 200 OK\r\n"):
    """The right one; with another length than it has, if `said`."""
    return b"%sContent-Length: %d\r\n\r\n%s" % (first, said or len(nonce), nonce)


class Hang(Exception):
    """Nothing more is said on this connection."""


class Odd(threading.Thread):
    """Does with each request what its path says: `/KIND/NONCE`."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.arrived = Counter()
        self.answered, self.poisoned = threading.Event(), threading.Event()
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            reader = connection.makefile("rb")
            while line := reader.readline():
                kind, nonce = line.split()[1][1:].split(b"/")
                length = 0
                while (field := reader.readline()) != b"\r\n":
                    if found := re.match(rb"(?i)content-length: (\d+)", field):
                        length = int(found[1])
                self.arrived[nonce] += 1
                kind = kind.decode()
                if not kind.startswith("early"):
                    reader.read(length)
                try:
                    getattr(self, kind)(connection, nonce)
                except Hang:
                    reader.read()  # until the gateway has enough
                    return
                if kind == "early":
                    reader.read(length)

    # What may be sent instead of a good answer.

    def good(self, connection, nonce):
        connection.sendall(answer(nonce))

    def reset(self, connection, _nonce):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
        raise OSError

    def closed(self, _connection, _nonce):
        raise OSError

    def half_a_head(self, connection, nonce):
        connection.sendall(answer(nonce)[:25])
        raise OSError

    def silent(self, _connection, _nonce):
        raise Hang

    def half_a_body(self, connection, nonce):
        connection.sendall(answer(nonce, 500))
        self.reset(connection, nonce)

    def short(self, connection, nonce):
        connection.sendall(answer(nonce, 500))
        raise OSError

    def silent_in_a_body(self, connection, nonce):
        connection.sendall(answer(nonce, 500))
        raise Hang

    def garbage(self, connection, nonce):
        connection.sendall(b"\x16\x03\x01" + nonce + b"\r\n\r\n")

    def twice(self, connection, nonce):
        connection.sendall(answer(nonce) + POISON)

    def again_at_rest(self, connection, nonce):
        """A second answer, when the first one has been taken and nothing else is asked."""
        connection.sendall(answer(nonce))
        self.answered.wait(PATIENCE)
        connection.sendall(POISON)
        self.poisoned.set()
        raise Hang

    def hints(self, connection, nonce):
        connection.sendall(HINT * 3)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(nonce))

    def hints_alone(self, connection, _nonce):
        connection.sendall(HINT)
        raise OSError

    def two_lengths(self, connection, nonce):
        connection.sendall(answer(nonce, first=b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"))

    def long(self, connection, nonce):
        connection.sendall(answer(nonce, len(nonce)) + b"and more")

    def early(self, connection, nonce):
        connection.sendall(answer(nonce))

    def early_and_gone(self, connection, nonce):
        connection.sendall(answer(nonce, first=b"HTTP/1.1 200 OK\r\nConnection: close\r\n"))
        self.reset(connection, nonce)

    def switched(self, connection, _nonce):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")

    def old(self, connection, nonce):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + nonce)
        raise OSError


MINE, BROKEN = (200, True), (200, False)
FAILED, LATE = (502, "upstream_failed"), (504, "upstream_timeout")
# What a client may see of each.
OUTCOMES = {
    "good": {MINE}, "reset": {FAILED}, "closed": {FAILED}, "half_a_head": {FAILED}, "silent": {LATE},
    "half_a_body": {BROKEN, FAILED}, "short": {BROKEN}, "silent_in_a_body": {BROKEN}, "garbage": {FAILED},
    "twice": {MINE}, "hints": {MINE}, "hints_alone": {FAILED}, "two_lengths": {FAILED},
    "long": {MINE}, "early": {MINE}, "switched": {FAILED}, "old": {MINE},
    # Whoever is still sending may hear of the end before the answer.
    "early_and_gone": {MINE, FAILED},
}
# A kept connection may have ended by itself before one of these: a GET is sent again, once.
LIKE_AN_END = {"reset", "closed", "hints_alone"}


class Client(threading.Thread):
    def __init__(self, gateway, number, seen):
        super().__init__()
        self.gateway, self.number, self.seen = gateway, number, seen
        self.dice, self.failure = random.Random(number), None

    def run(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)
        try:
            for count in range(REQUESTS):
                kind = self.dice.choice([*OUTCOMES, "good", "good"])
                self.one(kind, f"mine-{self.number}-{count}", self.dice.choice(["GET", "POST"]))
        except Exception as error:  # told where the threads are joined
            self.failure = error
        self.connection.close()

    def one(self, kind, nonce, method):
        body = self.dice.randbytes(200_000 if kind.startswith("early") else 2000) if method == "POST" else None
        got = self.gateway.ask(method, f"/{kind}/{nonce}", body=body, connection=self.connection)
        # Nobody takes the rest of a request whose server is gone, so that nothing can come after it.
        if got.fields.get("connection") == "close" or not got.whole or kind == "early_and_gone":
            self.connection.close()
        if got.status == 200:
            outcome = (200, got.whole)
            same(f"{method} {kind}", got.body, nonce.encode())
        else:
            outcome = (got.status, got.code)
        assert outcome in OUTCOMES[kind], f"{method} {kind}: {got}"
        self.seen[kind, method, nonce] = outcome


def unasked(gateway, odd):
    """What a kept connection says by itself answers nobody.

    While somebody waits on it for an answer of his own, nobody can tell the two apart.
    """
    for number in range(10):
        odd.answered.clear(), odd.poisoned.clear()
        same("the first answer", gateway.ask("GET", f"/again_at_rest/first{number}").body, b"first%d" % number)
        odd.answered.set()
        assert odd.poisoned.wait(PATIENCE)
        for count in range(3):
            nonce = f"next-{number}-{count}"
            same("the next one", gateway.ask("GET", f"/good/{nonce}").body, nonce.encode())


def upstreams(binary, folder):
    odd = Odd()
    with stage(binary, POLICY.format(port=odd.port), folder) as gateway:
        unasked(gateway, odd)
        seen = {}
        clients = [Client(gateway, number, seen) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        for failure in filter(None, (client.failure for client in clients)):
            raise failure
        took = gateway.well("a good answer", lambda: gateway.ask("GET", "/good/last").body == b"last")
        for kind, method, nonce in seen:
            most = 2 if method == "GET" and kind in LIKE_AN_END else 1
            assert 1 <= odd.arrived[nonce.encode()] <= most, f"{method} {kind} came {odd.arrived[nonce.encode()]} times"
        until("no place is kept", lambda: not in_flight(gateway), 5)
    print(f"upstreams: {len(seen)} requests to servers of {len(OUTCOMES)} kinds, each with an answer of its own or "
          f"a refusal, none doubled; a good one {took * 1000:.0f} ms later")


def in_flight(gateway):
    return sum(value for name, value in gateway.metrics().items() if name.startswith("portcullis_upstream_in_flight{"))
