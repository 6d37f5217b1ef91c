#!/usr/bin/env python3
"""How long pages take where there are many users: `benches/site.py BINARY [USERS]`, 100,000 if none is said.

A gateway has that many users, and an audit record of 300,000 of their sign-ins; an admin signs in and looks
at pages of users, and at the own account, each twenty times over one connection. Fails if one takes longer
than is wanted."""

import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse

BINARY = os.path.abspath(sys.argv[1])
USERS = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
LINES = 300_000
ROUNDS = 20
WANTED = 0.2
PASSWORD = "Tr1cky-Phrase-77"
POLICY = """
listen = ["127.0.0.1:0"]
[pages]
[pages.admin]
fresh = "1h"
[upstreams]
whoami = { whoami = true }
[routes]
"/*" = { to = "whoami" }
[import.groups]
rare = "rare"
common = "common"
"""
NAMES = ["ada", "bjorn", "chloe", "dmitri", "emre", "fatima", "goran", "haruki"]


def row(model, pk, **fields):
    return json.dumps({"model": model, "pk": pk, "fields": fields})


def dump(path):
    """One in 10,000 has the role `rare`, half have `common`; one in 5,000 is shut out; half have logged in."""
    digest = hashlib.sha256(b"x").hexdigest()
    with open(path, "w") as file:
        rows = [row("auth.group", 1 + number, name=name, permissions=[])
                for number, name in enumerate(["rare", "common"])]
        for id in range(1, USERS + 1):
            name = f"{NAMES[id % 8]}.{id}"
            rows.append(row(
                "auth.user", id, password=f"pbkdf2_sha256$1000000$salt${digest[:43]}=",
                last_login="2024-06-01T12:00:00Z" if id % 2 else None, is_superuser=False,
                username=name, first_name="", last_name="", email=f"{name}@example.com",
                is_staff=False, is_active=id % 5000 != 0, date_joined="2024-05-01T12:00:00Z",
                groups=([1] if id % 10_000 == 7 else []) + ([2] if id % 2 else []),
                user_permissions=[]))
        file.write("[" + ",\n".join(rows) + "]")


def record(path):
    """Sign-ins of users, as an older file of the record has them; nobody verifies it here."""
    with open(f"{path}.{1:020}", "w") as file:
        for seq in range(1, LINES + 1):
            id = 1 + seq % USERS
            file.write(json.dumps({
                "seq": seq, "at": "2026-01-15T08:00:00.123Z", "event": "login", "user": id,
                "name": f"{NAMES[id % 8]}.{id}", "actor": "client", "address": "192.0.2.7",
                "request": "01JZ8Q3V9K2M7N4P5R6S8T0W1X",
                "facts": {"device": "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
                          "got": "pair", "session": "0123456789abcdef-01234567"},
                "prev": "x" * 43, "mac": "y" * 43}, separators=(",", ":")) + "\n")


def run(cwd, *args, given=None):
    subprocess.run([BINARY, *args], cwd=cwd, input=given, text=True, check=True,
                   stdout=subprocess.DEVNULL)


def serve(cwd):
    """The gateway, and where it listens."""
    child = subprocess.Popen([BINARY, "serve"], cwd=cwd, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
    for line in child.stdout:
        if line.startswith("listening on http://"):
            return child, line.strip().removeprefix("listening on http://")
    sys.exit("the gateway did not start")


class Admin:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)
        form = urllib.parse.urlencode({"username": "root", "password": PASSWORD})
        reply = self.ask("POST", "/auth/sign-in/", form, {
            "Origin": f"http://{address}", "Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == 303, reply.status
        self.cookie = "; ".join(it.split(";")[0] for it in reply.headers.get_all("Set-Cookie"))

    def ask(self, method, target, body=None, headers=None):
        self.connection.request(method, target, body, headers or {"Cookie": self.cookie})
        reply = self.connection.getresponse()
        self.text = reply.read().decode()
        return reply

    def page(self, target):
        """How many users or lines it has, and whether there may be more."""
        reply = self.ask("GET", target)
        assert reply.status == 200, (target, reply.status)
        found = self.text.count("user&#x2f;?name=") + self.text.count("<li><time")
        return found, 'rel="next"' in self.text

    def time(self, what, target):
        times = []
        for _ in range(ROUNDS):
            begun = time.monotonic()
            found, more = self.page(target)
            times.append(time.monotonic() - begun)
        times.sort()
        middle, last = times[ROUNDS // 2] * 1000, times[-1] * 1000
        print(f"| {what} | {found}{' and more' if more else ''} | {middle:.0f} ms | {last:.0f} ms |")
        return times[-1]


def main():
    with tempfile.TemporaryDirectory() as work:
        with open(os.path.join(work, "portcullis.toml"), "w") as file:
            file.write(POLICY)
        file = os.path.join(work, "dump.json")
        dump(file)
        run(work, "import", "django", file)
        run(work, "user", "add", "root", "--stdin", given=PASSWORD + "\n")
        run(work, "user", "role", "add", "root", "admin")
        record(os.path.join(work, "portcullis.audit"))
        child, address = serve(work)
        try:
            admin = Admin(address)
            deep = USERS * 9 // 10
            print(f"{USERS} users\n\n| page | on it | median | slowest of {ROUNDS} |\n| --- | --- | --- | --- |")
            users = lambda query: f"/manage/?{urllib.parse.urlencode(query)}"
            slowest = max(admin.time(what, users(query)) for what, query in [
                ("the first", {}),
                ("one deep in", {"after": deep}),
                ("a whole name", {"q": f"{NAMES[deep % 8]}.{deep}"}),
                ("a part of many names", {"q": "DMITRI"}),
                ("a part of one address, at the end", {"q": f".{USERS - 1}@EXAMPLE"}),
                ("a part of none", {"q": "nowhere-at-all"}),
                ("a role that half have", {"role": "common"}),
                ("a role that one in 10,000 has", {"role": "rare"}),
                ("shut out, one in 5,000", {"state": "inactive"}),
                ("not for 90 days", {"idle": "90"}),
                ("a part of none, a role and a state", {"q": "nowhere", "role": "rare", "state": "active"}),
            ])
            slowest = max(slowest, admin.time("one's own account", "/auth/"))
        finally:
            child.terminate()
            child.wait()
    if slowest > WANTED:
        sys.exit(f"one took {slowest * 1000:.0f} ms, and {WANTED * 1000:.0f} are wanted")


main()
