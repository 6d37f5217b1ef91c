"""People who use the gateway as well as they can, and some who do not; each knows what every answer has to be."""

import base64
import hashlib
import http.client
import json
import socket
import struct
import threading
import time

import wires
from upstream import content
from websockets.exceptions import ConnectionClosed, InvalidStatus
from world import ACCESS, GRACE, PASSWORD, Wrong, expect

# Mean seconds from one thing that somebody does to the next: load, not patience.
THINKING = 0.15
# Seconds that an access token has to live on for what is begun with it.
ENOUGH = 9
# What a clock that counts in whole seconds may add to a life.
ROUNDED = 2
BROKEN = (OSError, http.client.HTTPException, ConnectionClosed)


class Excused(Exception):
    """It came to nothing, and may: a server was killed under it."""


class Session:
    def __init__(self, tokens):
        self.spent = []  # refresh tokens, and since when
        self.take(tokens)

    def take(self, tokens):
        self.access, self.refresh = tokens["access"], tokens["refresh"]
        self.ends = time.monotonic() + ACCESS

    def has_enough(self):
        return self.ends - time.monotonic() > ENOUGH


class Person(threading.Thread):
    def __init__(self, world, name, dice):
        super().__init__(daemon=True)
        self.world, self.name, self.dice = world, name, dice
        self.rest = threading.Event()
        self.moves = 0
        self.begin_anew()

    def begin_anew(self):
        """As somebody of whom nothing is known yet, not even here."""
        self.moves += 1
        self.user, self.is_in = f"{self.name}n{self.moves}", False
        self.wire, self.sessions, self.dead = wires.Http1(self.world.port), [], []

    def run(self):
        does = {
            self.look: 30, self.look_anew: 8, self.post: 15, self.beside_one_another: 8, self.see_profile: 6,
            self.refresh: 4, self.reuse: 1, self.log_out: 2, self.misbehave: 10, self.talk: 3, self.listen: 3,
            self.download: 4, self.walk_away: 4,
        }
        actions, weights = list(does), list(does.values())
        while not self.rest.wait(self.dice.expovariate(1 / THINKING)) and not self.world.over.is_set():
            self.attempt(self.dice.choices(actions, weights)[0])
        self.wire.close()

    def attempt(self, action):
        self.begun = time.monotonic()
        try:
            action()
            self.world.count(action.__name__)
        except Excused:
            self.world.count("broken by a kill")
        except Exception as error:  # It is told in the end, by whoever waits for it.
            if self.world.stood_still(self.begun):
                self.wire.close()
                self.begin_anew()
            else:
                self.world.fail(f"{self.name} in {action.__name__}", error)

    # What is asked, and what comes.

    def ask(self, method, path, token=None, body=None, wire=None, **fields):
        fields |= {"Authorization": f"Bearer {token}"} if token else {}
        self.begun = time.monotonic()
        return (wire or self.wire).ask(method, path, fields, body)

    def tell(self, endpoint, token=None, **members):
        """A request to one of the gateway's own endpoints."""
        fields = {"Content-Type": "application/json"}
        return self.ask("POST", f"/api/auth/{endpoint}/", token, json.dumps(members), **fields)

    def told(self, status, endpoint, token=None, **members):
        answer = self.tell(endpoint, token, **members)
        if answer.status != status:
            raise Wrong(f"{endpoint}: {answer} instead of {status}")
        return json.loads(answer.body)

    def good(self, answer, repeatable=False):
        """Of an answer through a server: 200, but where that was killed under the request."""
        if answer.status == 502 and json.loads(answer.body)["code"] == "upstream_failed":
            if self.world.met_a_kill(self.begun, repeatable):
                raise Excused
        if answer.status != 200:
            raise Wrong(str(answer))
        return answer

    def refused(self, what, answer, status=401):
        if answer.status != status:
            raise Wrong(f"{what}: {answer} instead of {status}")

    def nonce(self):
        return f"{self.name}-{self.dice.getrandbits(48):x}"

    def session(self):
        """One that is alive, and will be for a while."""
        if not self.sessions:
            self.log_in()
        session = self.dice.choice(self.sessions)
        if not session.has_enough():
            self.rotate(session)
        return session

    # What people do.

    def log_in(self):
        if not self.is_in:
            self.told(201, "register", username=self.user, password=PASSWORD)
            self.is_in = True
        self.sessions.append(Session(self.told(200, "token", username=self.user, password=PASSWORD)))

    def look(self, wire=None):
        session, path = self.session(), f"/any/{self.nonce()}"
        answer = self.good(self.ask("GET", path, session.access, wire=wire, **{"X-User-Name": "root"}), True)
        self.is_mine(answer, "GET", path, b"")

    def is_mine(self, answer, method, path, body):
        told = json.loads(answer.body)
        del told["server"]
        expect("what a server was told", told, {
            "user": self.user, "method": method, "path": path, "sha256": hashlib.sha256(body).hexdigest(),
        })

    def look_anew(self):
        wire = wires.Http1(self.world.port)
        self.look(wire)
        wire.close()

    def body(self, most=200_000):
        return self.dice.randbytes(int(most ** self.dice.random()))

    def post(self):
        session, body = self.session(), self.body()
        # Iterators go out in chunks.
        sent = iter([body[:1000], body[1000:]]) if self.dice.random() < 0.5 and len(body) > 1000 else body
        answer = self.good(self.ask("POST", f"/echo/{self.nonce()}", session.access, sent))
        expect("an echo", (answer.fields["x-who"], answer.body), (self.user, body))

    def beside_one_another(self):
        token, requests = self.session().access, []
        for number in range(8):
            body = self.body(100_000) if number % 3 == 0 else b""
            method, path = "POST" if body else "GET", f"/any/{self.nonce()}"
            requests.append((method, path, {"Authorization": f"Bearer {token}"}, body))
        self.begun = time.monotonic()
        wire = wires.Http2(self.world.port)
        answers = wire.ask_all(requests)
        wire.close()
        broken = 0
        for (method, path, _, body), answer in zip(requests, answers):
            try:
                self.is_mine(self.good(answer, method == "GET"), method, path, body)
            except Excused:
                broken += 1
        if broken:
            raise Excused

    def see_profile(self):
        answer = self.ask("GET", "/api/auth/profile/", self.session().access)
        expect("the profile", (answer.status, json.loads(answer.body)), (200, {"username": self.user, "email": ""}))

    def rotate(self, session):
        session.spent = [*session.spent[-2:], (session.refresh, time.monotonic())]
        session.take(self.told(200, "token/refresh", refresh=session.refresh))

    def refresh(self):
        """Also twice with the same token, as two tabs do: both get the same successor."""
        session = self.session()
        self.rotate(session)
        if self.dice.random() < 0.5:
            again = self.told(200, "token/refresh", refresh=session.spent[-1][0])
            expect("the successor", claims(again["refresh"]), claims(session.refresh))

    def reuse(self):
        """A refresh token that was spent a while ago: whoever has it is a thief, or its owner after one."""
        session = self.session()
        old = [token for token, since in session.spent if time.monotonic() - since > GRACE + ROUNDED]
        if old:
            self.refused("a spent token", self.tell("token/refresh", refresh=old[-1]))
            self.is_over(session)

    def log_out(self):
        session = self.session()
        self.told(200, "logout", session.access)
        self.is_over(session)

    def is_over(self, session):
        self.sessions.remove(session)
        self.refused("an ended session", self.ask("GET", "/any/x", session.access))
        self.refused("an ended session's refresh", self.tell("token/refresh", refresh=session.refresh))
        self.dead = [*self.dead[-5:], session]

    def misbehave(self):
        token = self.session().access
        head, payload, signature = token.split(".")
        other = base64.urlsafe_b64encode(self.dice.randbytes(64)).decode().rstrip("=")
        for what, status, bad in (
            ("nobody", 401, None), ("another signature", 401, f"{head}.{payload}.{other}"),
            ("no signature", 401, f"{head}.{payload}."), ("no token", 401, "x"),
        ):
            self.refused(what, self.ask("GET", "/any/x", bad), status)
        self.refused("staff alone", self.ask("GET", "/staff/x", token), 403)
        self.refused("a path that climbs", self.ask("GET", "/any/..%2fstaff/x", token), 400)
        self.refused("a wrong password", self.tell("token", username=self.user, password="wrong"), 400)
        for session in self.dead:
            self.refused("a dead session", self.ask("GET", "/any/x", session.access))
        answer = self.good(self.ask("GET", "/public/x", **{"X-User-Name": self.user}), True)
        expect("nobody's name", json.loads(answer.body)["user"], "")

    def talk(self):
        """A WebSocket for some seconds at most."""
        token = self.session().access
        self.begun = time.monotonic()
        try:
            with wires.websocket(self.world.port, "/ws/x", {"Authorization": f"Bearer {token}"}) as peer:
                for _ in range(self.dice.randrange(1, 20)):
                    said = self.nonce() * self.dice.randrange(1, 200)
                    peer.send(said)
                    expect("an echo", peer.recv(wires.PATIENCE), said)
                    self.rest.wait(self.dice.uniform(0, 0.3))
        except (InvalidStatus, *BROKEN) as error:
            self.excuse(error)

    def excuse(self, error):
        if self.world.met_a_kill(self.begun):
            raise Excused from error
        raise error

    def listen(self):
        nonce, number = self.nonce(), self.dice.randrange(1, 30)
        try:
            answer = self.good(self.ask("GET", f"/events/{nonce}/{number}", self.session().access))
        except BROKEN as error:
            self.excuse(error)
        wanted = "".join(f"data: {self.user} {nonce} {count}\n\n" for count in range(number))
        # Broken off, an event stream ends properly, so that a browser connects again.
        if answer.body.decode() != wanted and self.world.met_a_kill(self.begun):
            raise Excused
        expect("events", answer.body.decode(), wanted)

    def download(self):
        nonce, length = self.nonce(), self.dice.randrange(2_000_000)
        try:
            answer = self.good(self.ask("GET", f"/bytes/{nonce}/{length}", self.session().access))
        except BROKEN as error:
            self.excuse(error)
        if answer.body != content(nonce, length):
            raise Wrong(f"{len(answer.body)} other bytes instead of {length}")

    def walk_away(self):
        """In the middle of a request, or of its answer; now and then with a reset."""
        token, dice = self.session().access, self.dice
        field = f"Host: a\r\nAuthorization: Bearer {token}\r\n"
        with socket.create_connection(("127.0.0.1", self.world.port), timeout=wires.PATIENCE) as client:
            if dice.random() < 0.3:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if dice.random() < 0.5:
                head = f"POST /echo/x HTTP/1.1\r\n{field}Content-Length: 90000\r\n\r\n"
                client.sendall(head.encode() + b"x" * dice.randrange(80000))
            else:
                path = dice.choice(["/bytes/x/3000000", "/events/x/50"])
                client.sendall(f"GET {path} HTTP/1.1\r\n{field}\r\n".encode())
                client.recv(dice.randrange(1, 100_000))


def claims(token):
    """Those that tell one token from another."""
    payload = token.split(".")[1]
    told = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return [told[name] for name in ("jti", "iat", "exp")]
