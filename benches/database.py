#!/usr/bin/env python3
"""What logins, refreshes and logouts come to over PostgreSQL: `benches/database.py BINARY [SECONDS]`, 5 if none is said.

A cluster of its own flushes each commit. First it says how many commits of one row it makes a second, then a gateway
does for as many clients at once what they do; hashes cost next to nothing, so that the database is what is
measured. Beside it stands the processor's time that the database took for one, and for a gateway that only listens.
Clients, gateway and database share the machine."""

import base64
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from cluster import cluster, program  # noqa: E402
from running import Gateway  # noqa: E402
from waiting import free_port  # noqa: E402

BINARY = os.path.abspath(sys.argv[1])
SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 5
CLIENTS = [1, 8, 32]
ACTS = ["login", "login and logout", "refresh", "refresh and first request"]
# Rows that a gateway finds each time it looks, such as 1,000 changes a second leave.
ROWS = 20_000
TICK = os.sysconf("SC_CLK_TCK")
PASSWORD = "Tr1cky-Phrase-77"
EVENTS = f"""INSERT INTO portcullis.events (id, at, kind, user_id) SELECT (random() * 1e15)::bigint,
    (extract(epoch FROM now()) * 1000)::bigint, 1, n FROM generate_series(1, {ROWS}) n"""
POLICY = """
listen = ["127.0.0.1:0"]
[store.postgres]
url = "postgres://postgres@{socket}:{port}/postgres"
[upstreams]
whoami = {{ whoami = true }}
[routes]
"/*" = {{ to = "whoami" }}
[auth.signing]
shared = "{shared}"
[auth.password]
memory = "8KiB"
passes = 1
[auth.throttle]
register = "off"
device = "off"
[log]
access = false
filter = "warn"
"""


def spent():
    """Seconds of the processor's time that the database has taken, all of its processes together."""
    total = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().rsplit(")", 1)
        except OSError:
            continue  # it has ended meanwhile
        if name.endswith("(postgres"):
            fields = fields.split()
            # Its own; and, of the one that started them, those of processes that have ended.
            total += sum(map(int, fields[11:15]))
    return total / TICK


class Client(threading.Thread):
    """A user who does one thing again and again, until it is over."""

    def __init__(self, port, number, act, until):
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.name_is, self.act, self.until, self.done = f"user{number}", act, until, 0

    def ask(self, path, body, wanted):
        self.connection.request("POST", f"/api/auth/{path}/", json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == wanted, (path, answer.status, text)
        return json.loads(text)

    def log_in(self):
        return self.ask("token", {"username": self.name_is, "password": PASSWORD}, 200)

    def run(self):
        tokens = [self.log_in()]
        while time.monotonic() < self.until:
            if self.act == "login":
                self.log_in()
            elif self.act == "login and logout":
                self.ask("token/blacklist", {"refresh": self.log_in()["refresh"]}, 200)
            else:
                tokens = [self.ask("token/refresh", {"refresh": tokens[0]["refresh"]}, 200)]
                if self.act == "refresh and first request":
                    self.connection.request("GET", "/", headers={"Authorization": f"Bearer {tokens[0]['access']}"})
                    answer = self.connection.getresponse()
                    assert answer.read() and answer.status == 200, answer.status
            self.done += 1


def durable(socket, port, clients):
    """Commits of one row a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("INSERT INTO public.rows VALUES (1);\n")
        script.flush()
        done = subprocess.run(
            [program("pgbench"), "-h", socket, "-p", str(port), "-U", "postgres", "-n", "-f", script.name, "-c",
             str(clients), "-j", "1", "-T", str(max(1, int(SECONDS))), "postgres"],
            check=True, capture_output=True, text=True)
    return float(re.search(r"tps = ([\d.]+)", done.stdout)[1])


def listening():
    before = spent()
    time.sleep(SECONDS)
    return (spent() - before) / SECONDS


def measure(gateway, act, clients):
    until = time.monotonic() + SECONDS
    before, begun = spent(), time.monotonic()
    threads = [Client(gateway.port, number, act, until) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begun
    done = sum(thread.done for thread in threads)
    return done / seconds, (spent() - before) / done


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, cluster(port, "fsync=on") as socket:
        sql = [program("psql"), "-h", socket, "-p", str(port), "-U", "postgres", "-qc"]
        subprocess.run([*sql, "CREATE TABLE public.rows (one int)"], check=True)
        shared = base64.b64encode(os.urandom(48)).decode()
        policy = POLICY.format(socket=socket.replace("/", "%2F"), port=port, shared=shared)
        pathlib.Path(folder, "portcullis.toml").write_text(policy)
        gateway = Gateway(BINARY, folder)
        try:
            for number in range(max(CLIENTS)):
                Client(gateway.port, number, None, 0).ask(
                    "register", {"username": f"user{number}", "password": PASSWORD}, 201)
            quiet = listening()
            print(f"a gateway that listens: {quiet * 1000:.1f} ms of the database's a second")
            subprocess.run([*sql, EVENTS], check=True)
            time.sleep(1)  # what comes first is that it reads each user anew
            loud = listening()
            print(f"the same with {ROWS} events each time: {loud * 1000:.1f} ms, "
                  f"{(loud - quiet) / ROWS * 1e6:.2f} us a row")
            subprocess.run([*sql, "DELETE FROM portcullis.events"], check=True)
            for clients in CLIENTS:
                commits = durable(socket, port, clients)
                print(f"{clients} at once: {commits:.0f} commits a second of one row each")
                for act in ACTS:
                    rate, cost = measure(gateway, act, clients)
                    print(f"  {rate:.0f} times a {act}, {rate / commits:.2f} of that; "
                          f"{cost * 1000:.2f} ms of the database's each", flush=True)
            gateway.stop()
        finally:
            gateway.process.kill()


if __name__ == "__main__":
    main()
