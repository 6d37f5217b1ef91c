"""The gateway under test, and others that it serves meanwhile."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time

from clients import ask, handshake

BINARY = sys.argv[1]
LONG = os.environ.get("LONG", "") not in ("", "0")
MIB = 1 << 20
# How late a deadline may be kept, in seconds, on a machine that is busy with this very test.
MARGIN = 5
# How long anybody else may wait for an answer meanwhile.
PATIENCE = 2

CONFIG = """
listen = [
  "127.0.0.1:0",
  {{ addr = "127.0.0.1:0", tls = true }},
  {{ addr = "127.0.0.1:0", proxy_protocol = true }},
]
trust = ["127.0.0.0/8"]
[upstreams]
up = {{ to = "http://127.0.0.1:{port}", timeout = "60s", in_flight = 10000 }}
quick = {{ to = "http://127.0.0.1:{quick}" }}
who = {{ whoami = true }}
[routes]
"/small" = {{ to = "quick", allow = "anyone" }}
"/*" = {{ to = "up", allow = "anyone", body = "100MB" }}
"/rated/*" = {{ to = "who", allow = "anyone", rate = "1/h per ip" }}
# A hash of the usual size would hide what is looked for here.
[auth.password]
memory = "8KiB"
passes = 1
[tls]
cert = "cert.pem"
key = "key.pem"
[limits]
{limits}
[log]
access = false
filter = "error"
"""


class Gateway:
    """The binary with a policy of its own."""

    def __init__(self, upstream, limits="", files=None):
        ports = {"port": upstream.port, "quick": upstream.quick}
        self.policy = CONFIG.format(**ports, limits=limits)
        self.files = files

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        make_certificate(self.folder.name)
        config = pathlib.Path(self.folder.name, "portcullis.toml")
        config.write_text(self.policy)

        def limit():
            if self.files:
                hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, hard))

        self.process = subprocess.Popen(
            [BINARY, "--config", config], stdout=subprocess.PIPE, text=True, preexec_fn=limit
        )
        ports = []
        while len(ports) < 3:
            line = self.process.stdout.readline()
            assert line, "the gateway ended"
            ports += map(int, re.findall(r"listening on https?://127\.0\.0\.1:(\d+)", line))
        self.port, self.tls, self.proxied = ports
        for _ in range(200):  # what it needs to serve anybody is not what a flood costs
            ask(self.port)
        handshake(self.tls).close()
        self.start = self.resident()
        return self

    def __exit__(self, failed, *_):
        try:
            if not failed:
                self.process.send_signal(signal.SIGTERM)
                assert self.process.wait(40) == 0, "no clean end"
        finally:
            self.process.kill()
            self.process.wait()
            self.folder.cleanup()

    def resident(self, field="RssAnon"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) << 10

    def grown(self):
        return self.resident() - self.start


class Others(threading.Thread):
    """Asks for something small all the time, on connections of its own, and watches memory."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.over = threading.Event()
        self.failure = None
        self.answered = 0
        self.slowest = 0.0
        self.peak = 0

    def run(self):
        while not self.over.wait(0.01):
            self.peak = max(self.peak, self.gateway.grown())
            since = time.monotonic()
            try:
                ask(self.gateway.port)
            except (OSError, AssertionError) as error:
                self.failure = error
                return
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - since)


@contextlib.contextmanager
def step(gateway, name, bound):
    """Others must be served all the while, and memory must not grow by more than `bound`."""
    others = Others(gateway)
    others.start()
    since = time.monotonic()
    yield
    took = time.monotonic() - since
    while others.answered < 5 and others.is_alive():
        time.sleep(0.01)
    others.over.set()
    others.join()
    peak = max(others.peak, gateway.grown())
    print(
        f"{name}: {took:.1f} s, {peak / MIB:+.1f} MiB at most, others answered {others.answered}"
        f" times, within {others.slowest * 1000:.0f} ms",
        flush=True,
    )
    assert others.failure is None, f"others were not served: {others.failure!r}"
    assert others.slowest < PATIENCE, "others had to wait"
    assert peak < bound * MIB, f"memory grew by more than {bound} MiB"


def make_certificate(folder):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "1"]
        + ["-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test"],
        cwd=folder, check=True, capture_output=True,
    )


def comes_back(gateway):
    deadline = time.monotonic() + 30
    # The allocator gives pages back when it is used.
    while gateway.grown() > 32 * MIB and time.monotonic() < deadline:
        ask(gateway.port)
    print(f"  and afterwards {gateway.grown() / MIB:+.1f} MiB", flush=True)
    assert gateway.grown() < 32 * MIB, "memory does not come back"
    ask(gateway.port)
