#!/usr/bin/env python3
"""Kills the gateway at random moments while users register, log in, refresh and log out, an operator gives and takes
roles and shuts users out, and an import runs; then starts it again and looks whether all that was acknowledged is so.

Usage: kills.py BINARY [ROUNDS] [SEED]
"""

import base64
import hashlib
import http.client
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from running import Gateway

BINARY = str(pathlib.Path(sys.argv[1]).absolute())
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 9
CLIENTS = 6
IMPORTED = 100
PATIENCE = 20
PASSWORD = "correct horse battery 7"
# A spent token is good for nothing, from the first moment on.
POLICY = """
listen = ["127.0.0.1:0"]
workers = 2
[upstreams]
who = { whoami = true }
[routes]
"/any/*" = { to = "who" }
"/staff/*" = { to = "who", allow = "role:staff" }
[auth]
grace = "0s"
[auth.password]
memory = "8KiB"
passes = 1
[auth.throttle]
account = "off"
address = "off"
register = "off"
[log]
filter = "warn"
access = false
"""


class Died(Exception):
    """The gateway is gone, and nobody knows what became of what was asked last."""


def ordered(gateway, *words):
    """A command of an operator's is done; `Died` where nobody can tell."""
    done = gateway.command(*words)
    if done.returncode != 0:
        raise Died(done.stderr)


class Client:
    """One connection at a time, and what was acknowledged on it."""

    def __init__(self, name, dice):
        self.name, self.dice = name, dice
        self.users, self.sessions = [], []
        self.doubtful, self.count, self.known = [], 0, 0
        self.failure = None

    def ask(self, method, path, token=None, **fields):
        """Status and answer; `Died` if there is none."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                             timeout=PATIENCE)
            self.connection.request(method, path, json.dumps(fields) if method == "POST" else None,
                                    headers)
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            raise Died(str(error)) from error
        return answer.status, json.loads(content or b"null")

    def post(self, endpoint, token=None, **fields):
        return self.ask("POST", f"/api/auth/{endpoint}/", token, **fields)

    def see(self, token, path="/any/x"):
        return self.ask("GET", path, token)[0]

    def meet(self, port):
        self.port, self.connection = port, None

    def live(self):
        """Goes on until the gateway dies."""
        try:
            while True:
                self.dice.choice([self.register, self.log_in, self.refresh, self.refresh,
                                  self.log_out])()
        except Died:
            pass
        except Exception as error:  # It is told where the threads are joined.
            self.failure = error

    def register(self):
        self.count += 1
        name = f"{self.name}u{self.count}"
        self.doubtful = [("user", name)]
        status, _ = self.post("register", username=name, password=PASSWORD)
        expect(f"register {name}", status, 201)
        self.users.append(name)
        self.doubtful = []

    def log_in(self):
        if not self.users:
            return
        name = self.dice.choice(self.users)
        status, tokens = self.post("token", username=name, password=PASSWORD)
        expect(f"log in {name}", status, 200)
        self.sessions.append({"alive": True, "fresh": True, "spent": [], **tokens})

    def refresh(self):
        session = self.one("alive")
        if session:
            self.doubtful = [("refresh", session)]
            self.rotate(session)
            self.doubtful = []

    def rotate(self, session):
        status, tokens = self.post("token/refresh", refresh=session["refresh"])
        expect("refresh", status, 200)
        session["spent"].append(session["refresh"])
        session |= {"fresh": True, **tokens}

    def log_out(self):
        session = self.one("alive")
        if session and self.dice.random() < 0.5:
            self.doubtful = [("logout", session)]
            status, _ = self.post("logout", token=session["access"])
            expect("log out", status, 200)
            session |= {"alive": False, "fresh": True}
            self.doubtful = []

    def one(self, state):
        found = [session for session in self.sessions if session[state]]
        return self.dice.choice(found) if found else None

    def look(self):
        """Whether all is as it was acknowledged; what was in doubt is settled by what it is now."""
        for kind, what in self.doubtful:
            if kind == "user":
                status, _ = self.post("token", username=what, password=PASSWORD)
                assert status in (200, 400), f"{what}: {status}"
                self.users += [what] if status == 200 else []
            else:
                self.settle(what)
        self.doubtful = []
        # Those of this round, and some of those from before.
        for name in self.users[self.known:] + self.dice.sample(self.users, min(3, len(self.users))):
            expect(f"{name} is there", self.post("token", username=name, password=PASSWORD)[0], 200)
        self.known = len(self.users)
        for session in self.sessions:
            # Of the older ones some, each time.
            if session["fresh"] or self.dice.random() < 0.02:
                self.look_at(session)

    def settle(self, session):
        """A refresh or a logout that was not answered was done, or was not."""
        status, tokens = self.post("token/refresh", refresh=session["refresh"])
        assert status in (200, 401), f"a refresh in doubt: {status}"
        if status == 200:
            session["spent"].append(session["refresh"])
            session |= tokens
        # If it was done, its token was spent, and to use it again has ended them all.
        session |= {"alive": status == 200, "fresh": True}

    def look_at(self, session):
        session["fresh"] = False
        if not session["alive"]:
            expect("an access token of a session that ended", self.see(session["access"]), 401)
            for token in (session["refresh"], *session["spent"][-2:]):
                expect("a refresh token of a session that ended",
                       self.post("token/refresh", refresh=token)[0], 401)
            return
        expect("an access token", self.see(session["access"]), 200)
        if session["spent"] and self.dice.random() < 0.2:
            token = self.dice.choice(session["spent"])
            expect("a spent refresh token", self.post("token/refresh", refresh=token)[0], 401)
            session["alive"] = False
            expect("an access token whose refresh token was used again",
                   self.see(session["access"]), 401)
        else:
            self.rotate(session)
            session["fresh"] = False


class Operator(Client):
    """Gives and takes roles, shuts users out and lets them in; knows what each may do."""

    def __init__(self, dice):
        super().__init__("staff", dice)
        self.may, self.imports = {}, 0

    def begin(self):
        for name in ("ann", "ben", "cyd"):
            expect(name, self.post("register", username=name, password=PASSWORD)[0], 201)
            token = self.post("token", username=name, password=PASSWORD)[1]["access"]
            self.may[name] = {"token": token, "active": True, "staff": False}

    def live(self):
        try:
            while True:
                name = self.dice.choice(list(self.may))
                self.dice.choice([self.turn_role, self.turn_role, self.turn_active,
                                  self.take_in])(name)
        except Died:
            pass
        except Exception as error:
            self.failure = error

    def turn_role(self, name):
        to = not self.may[name]["staff"]
        self.turn(name, "staff", to, "user", "role", "add" if to else "remove", name, "staff")

    def turn_active(self, name):
        to = not self.may[name]["active"]
        self.turn(name, "active", to, "user", "activate" if to else "deactivate", name)

    def turn(self, name, what, to, *command):
        self.doubtful = [("state", (name, what, to, command))]
        ordered(self.gateway, *command)
        self.may[name][what] = to
        self.doubtful = []
        # In force at once, for the token that was there before.
        self.check(name)

    def take_in(self, _):
        self.doubtful = [("import", None)]
        self.write_import()
        ordered(self.gateway, "import", "htpasswd", "users.htpasswd")
        self.imports += 1
        self.doubtful = []

    def write_import(self):
        digest = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        lines = [f"import{self.imports}x{number}:{{SHA}}{digest}\n" for number in range(IMPORTED)]
        (self.gateway.folder / "users.htpasswd").write_text("".join(lines))

    def wanted(self, name, path):
        state = self.may[name]
        return 401 if not state["active"] else 200 if state["staff"] or path != "/staff/x" else 403

    def check(self, name):
        for path in ("/any/x", "/staff/x"):
            expect(f"{name} at {path}", self.see(self.may[name]["token"], path),
                   self.wanted(name, path))

    def look(self):
        for kind, command in self.doubtful:
            if kind == "state":
                name, what, to, words = command
                told = tuple(self.see(self.may[name]["token"], path) for path in ("/any/x",
                                                                                  "/staff/x"))
                assert told in ((200, 200), (200, 403), (401, 401)), told
                # Done or not, it is so when it has been done again.
                ordered(self.gateway, *words)
                self.may[name][what] = to
            else:
                # What was broken off is done again; who was taken in already is there, and is himself.
                self.write_import()
                done = self.gateway.command("import", "htpasswd", "users.htpasswd", "--json")
                assert done.returncode in (0, 1), done.stderr
                self.imports += 1
        self.doubtful = []
        for name in self.may:
            self.check(name)
        for number in range(max(0, self.imports - 2), self.imports):
            for last in (0, IMPORTED // 2, IMPORTED - 1):
                name = f"import{number}x{last}"
                expect(f"{name} is there", self.post("token", username=name, password=PASSWORD)[0],
                       200)


def expect(what, got, wanted):
    assert got == wanted, f"{what}: {got} instead of {wanted}"


def rounds(folder, dice, clients, operator):
    """Starts, looks, works and kills, over and over; returns the longest wait for it to be ready."""
    slowest, everybody = 0.0, (*clients, operator)
    for number in range(ROUNDS + 1):
        began = time.monotonic()
        operator.gateway = gateway = Gateway(BINARY, folder)
        try:
            slowest = max(slowest, time.monotonic() - began)
            for client in everybody:
                client.meet(gateway.port)
            if number == 0:
                operator.begin()
            for client in everybody:
                client.look()
            if number == ROUNDS:
                return slowest
            threads = [threading.Thread(target=client.live) for client in everybody]
            for thread in threads:
                thread.start()
            # The moment is what is random here; nothing is waited for.
            time.sleep(dice.uniform(0.02, 0.4))
        finally:
            gateway.kill()
        for thread in threads:
            thread.join()
        for failure in filter(None, (client.failure for client in everybody)):
            raise failure
        if number % 100 == 99:
            print(f"{number + 1} kills so far", flush=True)


def main():
    dice = random.Random(SEED)
    clients = [Client(f"c{number}", random.Random(dice.random())) for number in range(CLIENTS)]
    operator = Operator(random.Random(dice.random()))
    with tempfile.TemporaryDirectory(prefix="kills") as name:
        folder = pathlib.Path(name)
        (folder / "portcullis.toml").write_text(POLICY)
        slowest = rounds(folder, dice, clients, operator)
        record = subprocess.run([BINARY, "audit", "verify"], cwd=folder, capture_output=True,
                                text=True, check=False)
        assert record.returncode == 0, record.stdout + record.stderr
    users = sum(len(client.users) for client in clients) + IMPORTED * operator.imports
    sessions = [session for client in clients for session in client.sessions]
    ended = sum(not session["alive"] for session in sessions)
    assert users > ROUNDS and ended, "nobody did anything"
    print(f"{ROUNDS} kills: {users} users and {len(sessions)} sessions, {ended} of them ended, are as they were "
          f"acknowledged; ready again within {slowest:.2f} s")


main()
