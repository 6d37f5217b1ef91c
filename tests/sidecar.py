"""The gateway before a server at a unix socket, on one core and in 32 MiB: `sidecar.py BINARY`."""

import http.client
import http.server
import json
import os
import pathlib
import socket
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from waiting import free_port, until

BINARY = sys.argv[1]
MIB = 1 << 20
MEMORY = 32 * MIB
# Seconds from the start of the process to its first answer, of the best of the starts: in the others the core was
# somebody else's for a while.
FIRST_ANSWER = 0.050
STARTS = 20
# As docs/guide/sidecar.md has it: small pages, and what is free is given back at once.
ENVIRONMENT = {"MIMALLOC_ALLOW_THP": "0", "MIMALLOC_PURGE_DELAY": "0"}
PASSWORD = "Tr1cky-phrase-77"
BIG = 20 * MIB

# What a policy for so small a place says beside its routes: hashes that cost as much time and less
# memory than the usual ones.
POLICY = """
listen = ["127.0.0.1:{port}"]
[upstreams]
app = {{ to = "unix:app.sock" }}
[routes]
"/*" = {{ to = "app", body = "100MB" }}
[auth.password]
memory = "7MiB"
passes = 5
[auth.throttle]
register = "off"
[log]
access = false
filter = "warn"
"""


class Server(http.server.BaseHTTPRequestHandler):
    """Says whom it is told, or sends much; takes what it is sent."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        name = self.headers.get("X-User-Name", "nobody").encode()
        length = BIG if self.path == "/big" else len(name)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        while length > len(name):
            self.wfile.write(b"x" * 65536)
            length -= 65536
        if self.path != "/big":
            self.wfile.write(name)

    do_GET = do_POST = answer

    def address_string(self):
        return "the gateway"

    def log_message(self, *_):
        pass


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


class Group:
    """A control group with a limit, of either version; `None` where the machine has none to give."""

    def __init__(self, folder, most):
        self.folder = folder
        folder.mkdir()
        (folder / most).write_text(str(MEMORY))

    @classmethod
    def make(cls):
        top = pathlib.Path("/sys/fs/cgroup")
        name = f"portcullis-sidecar-{os.getpid()}"
        for there, folder, most in (
            (top / "cgroup.controllers", top / name, "memory.max"),
            (top / "memory/tasks", top / "memory" / name, "memory.limit_in_bytes"),
        ):
            try:
                if there.exists():
                    return cls(folder, most)
            except OSError:
                if folder.is_dir():
                    folder.rmdir()
        return None

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self):
        self.folder.rmdir()


class Gateway:
    def __init__(self, work, port, group=None):
        def place():
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            if group:
                group.enter()

        self.port = port
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [BINARY, "serve"],
            cwd=work,
            env=dict(os.environ, **ENVIRONMENT),
            stdout=subprocess.DEVNULL,
            preexec_fn=place,
        )

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, method, path, body=None, connection=None, **headers):
        connection = connection or self.connect()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def first_answer(self, headers):
        """Seconds from the start of the process."""
        while True:
            assert self.process.poll() is None, "the gateway has ended"
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.0002)
                continue
            status, body = self.ask("GET", "/orders", **headers)
            taken = time.monotonic() - self.begun
            assert (status, body) == (200, b"alice"), (status, body)
            return taken

    def spent(self):
        """Seconds of a processor's time so far (proc(5): schedstat)."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def memory(self):
        """What the process has allocated, in bytes: without its program, which the kernel reads again."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
        return int(line.split()[1]) * 1024

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, "the gateway has not ended well"


def fields(account):
    return {"body": json.dumps(account), "Content-Type": "application/json"}


def join(gateway, name):
    account = {"username": name, "password": PASSWORD}
    status, body = gateway.ask("POST", "/api/auth/register/", **fields(account))
    assert status == 201, (status, body)
    return log_in(gateway, name)


def log_in(gateway, name):
    account = {"username": name, "password": PASSWORD}
    status, body = gateway.ask("POST", "/api/auth/token/", **fields(account))
    assert status == 200, (status, body)
    return {"Authorization": f"Bearer {json.loads(body)['access']}"}


def work_hard(gateway, headers):
    """What a sidecar has to do in a day."""

    def many(_):
        connection = gateway.connect()
        for _ in range(100):
            status, body = gateway.ask("GET", "/orders", None, connection, **headers)
            assert (status, body) == (200, b"alice"), (status, body)

    def big(number):
        if number % 2:
            status, body = gateway.ask("GET", "/big", **headers)
            assert (status, len(body)) == (200, BIG), (status, len(body))
        else:
            status, body = gateway.ask("POST", "/in", b"x" * BIG, **headers)
            assert (status, body) == (200, b"alice"), (status, body)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(many, range(16)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(big, range(8)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: join(gateway, f"user{number}"), range(100)))
        list(pool.map(lambda number: log_in(gateway, f"user{number}"), range(100)))


def main():
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        server = UnixServer(str(work / "app.sock"), Server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = free_port()
        (work / "portcullis.toml").write_text(POLICY.format(port=port))

        gateway = Gateway(work, port)
        until("the gateway", lambda: gateway.ask("GET", "/orders")[0] == 401)
        headers = join(gateway, "alice")
        gateway.stop()

        taken, spent = [], []
        for _ in range(STARTS):
            gateway = Gateway(work, port)
            taken.append(gateway.first_answer(headers))
            spent.append(gateway.spent())
            at_rest = gateway.memory()
            gateway.stop()
        best, middle = min(taken), statistics.median(taken)
        print(
            f"sidecar: first answer after {best * 1000:.1f} ms at best, {middle * 1000:.1f} ms as a rule, "
            f"{min(spent) * 1000:.1f} ms of a processor, of {STARTS} starts; {at_rest / MIB:.1f} MiB then"
        )
        late = f"the first answer takes longer than {FIRST_ANSWER * 1000:.0f} ms"
        assert best < FIRST_ANSWER, late

        group = Group.make()
        gateway = Gateway(work, port, group)
        try:
            until("the gateway", lambda: gateway.ask("GET", "/orders", **headers)[0] == 200)
            seen = [gateway.memory()]
            over = threading.Event()

            def watch():
                while not over.wait(0.005):
                    seen.append(gateway.memory())

            watching = threading.Thread(target=watch)
            watching.start()
            try:
                work_hard(gateway, headers)
            finally:
                over.set()
                watching.join()
            # In a group that is enforced already, by an end that would have been noticed.
            limit = "which a control group enforces" if group else "with no control group to be had"
            print(f"sidecar: {max(seen) / MIB:.1f} MiB at most of {MEMORY // MIB}, {limit}")
            assert max(seen) <= MEMORY, "that is too much"
            gateway.stop()
        finally:
            gateway.process.kill()
            gateway.process.wait()
            if group:
                group.leave()


if __name__ == "__main__":
    main()
