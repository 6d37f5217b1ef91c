"""The gateway, the servers behind it, and the judge of what comes back."""

import pathlib
import subprocess
import sys
import threading
import time

from running import Gateway
from waiting import free_port

HERE = pathlib.Path(__file__).parent
PASSWORD = "correct horse battery 7"
PATIENCE = 30
# Seconds that an access token lives, so that clients refresh, and see some die.
ACCESS = 20
GRACE = 10
# What came shortly after a kill may have met a connection whose end nobody has told the gateway yet.
JUST = 0.3
# A pulse that was late by so much: the machine, or this program, stood still.
STILL = 2.0
# Seconds afterwards until all that was late has shown itself.
SETTLED = 10

POLICY = """
listen = ["127.0.0.1:{port}"]
workers = 2
expect = [
  "anyone     GET /any/x   -> 401",
  "user       GET /any/x   -> app",
  "user       GET /staff/x -> 403",
  "role:staff GET /staff/x -> app",
]
[upstreams.app]
to = ["http://127.0.0.1:{servers[0]}", "http://127.0.0.1:{servers[1]}"]
idle = "2s"
[upstreams.app.health]
path = "/healthz"
interval = "1s"
[routes]
"/public/*" = {{ to = "app", allow = "anyone" }}
"/*" = {{ to = "app", response_headers = {{ X-Policy = "{version}" }} }}
"/staff/*" = {{ to = "app", allow = "role:staff" }}
"/ws/*" = {{ to = "app", websocket = true }}
[auth]
access = "{access}s"
refresh = "10m"
grace = "{grace}s"
# A hash of the usual size would leave the machine time for little else.
[auth.password]
memory = "64KiB"
passes = 1
[auth.throttle]
account = "off"
address = "off"
register = "off"
[admin]
watch = false
[log]
access = false
filter = "warn"
"""


class Wrong(Exception):
    """What must never be."""


class Server:
    """One of those behind, which is killed and started again at the same port."""

    def __init__(self, name):
        self.name, self.port = name, free_port()
        self.start()

    def start(self):
        command = [sys.executable, HERE / "upstream.py", str(self.port), self.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "a server did not start"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class World:
    def __init__(self, binary, folder):
        self.folder, self.version = folder, 0
        self.servers = [Server("one"), Server("two")]
        self.listen = free_port()
        self.write_policy()
        self.gateway = Gateway(binary, folder)
        self.port = self.gateway.port
        self.kills, self.stills, self.counts = [], [], {}
        self.over, self.failure, self.lock = threading.Event(), None, threading.Lock()
        threading.Thread(target=self.pulse, daemon=True).start()

    def write_policy(self, tail=""):
        servers = [server.port for server in self.servers]
        text = POLICY.format(port=self.listen, servers=servers, version=self.version, access=ACCESS, grace=GRACE)
        (self.folder / "portcullis.toml").write_text(text + tail)

    def pulse(self):
        last = time.monotonic()
        while not self.over.wait(0.1):
            now = time.monotonic()
            if now - last > STILL:
                self.stills.append((last, now))
            last = now

    def kill(self, server):
        """One of the servers is gone; the other is there."""
        kill = [time.monotonic(), None]
        self.kills.append(kill)
        server.kill()
        kill[1] = time.monotonic()

    def are_up(self):
        samples = self.gateway.metrics()
        up = [value for name, value in samples.items() if name.startswith("portcullis_upstream_server_up{")]
        return len(up) == 2 and all(up)

    def met_a_kill(self, begun, repeatable=False):
        """Whether a server was killed under what began then. What may be sent again has no excuse once it is gone."""
        return any(begun < (done or begun + 1) + (0 if repeatable else JUST) for _, done in self.kills[-2:])

    def stood_still(self, begun):
        """Whether everything did, before what begun then or under it: deadlines have passed meanwhile."""
        time.sleep(3 * 0.1)  # as long as the pulse may take to notice
        return any(begun < end + SETTLED for _, end in self.stills[-2:])

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def fail(self, who, error):
        with self.lock:
            self.failure = self.failure or (who, error)
        self.over.set()

    def end(self):
        self.over.set()
        self.gateway.kill()
        for server in self.servers:
            server.kill()


def expect(what, got, wanted):
    if got != wanted:
        raise Wrong(f"{what}: {got!r} instead of {wanted!r}")
