"""New processes in the place of old ones, while clients come."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

from gate import PATIENCE, exchange, log_in, policy
from waiting import free_port, until

REQUESTS = 100_000 if os.environ.get("LONG") else 12_000
REPLACEMENTS = 5
CLIENTS = 8


def renew(source, binary):
    """Another file in the place of the one that runs."""
    fresh = binary.with_suffix(".new")
    shutil.copy(source, fresh)
    fresh.rename(binary)


class Manager:
    """A service manager with one socket unit: the socket stays, processes come and go."""

    name = "restarts behind a socket of systemd's"

    def __init__(self, binary, folder):
        self.folder, self.source = pathlib.Path(folder), binary
        self.binary = self.folder / "portcullis"
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.at = self.socket.getsockname()
        self.policy = self.folder / "portcullis.toml"
        self.policy.write_text(policy(self.at, folder))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify"))
        self.notify.settimeout(PATIENCE)
        self.process = None

    def start(self):
        """A new binary in the place of the old one; waits until it says that it is ready."""
        renew(self.source, self.binary)
        script = 'export LISTEN_PID=$$; exec "$0" serve 3<&"$GIVEN"'
        environment = {
            **os.environ,
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": "portcullis.socket",
            "GIVEN": str(self.socket.fileno()),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "PORTCULLIS_CONFIG": str(self.policy),
        }
        self.process = subprocess.Popen(
            ["bash", "-c", script, self.binary],
            env=environment,
            pass_fds=[self.socket.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self.told() == ["READY=1"]

    def told(self):
        return self.notify.recv(4096).decode().split()

    def open(self, _token):
        """Nothing lives through a restart; but the unit's reload is looked at."""
        self.process.send_signal(signal.SIGHUP)
        reloading, now = self.told()
        assert reloading == "RELOADING=1" and now.startswith("MONOTONIC_USEC="), (reloading, now)
        assert self.told() == ["READY=1"]

    def replace(self):
        self.stop()
        self.start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.told() == ["STOPPING=1"]
        assert self.process.wait(PATIENCE) == 0

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.socket.close()


class Heirs:
    """Each process takes over from the one before; a stream of the first one goes on."""

    name = "processes that took over"

    def __init__(self, binary, folder):
        self.folder, self.source = pathlib.Path(folder), binary
        self.binary = self.folder / "portcullis"
        self.at = ("127.0.0.1", free_port())
        self.live = socket.create_server(("127.0.0.1", 0))
        self.policy = self.folder / "portcullis.toml"
        self.policy.write_text(policy(self.at, folder, self.live.getsockname()[1]))
        self.processes, self.stream, self.server = [], None, None

    def start(self):
        renew(self.source, self.binary)
        log = (self.folder / f"log{len(self.processes)}").open("w")
        words = [self.binary, "--config", self.policy, "serve", "--take-over"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        self.processes.append(process)
        while not (line := process.stdout.readline()).startswith("listening on"):
            assert line, pathlib.Path(log.name).read_text()

    def open(self, token):
        """A response that never ends."""
        self.stream = socket.create_connection(self.at, timeout=PATIENCE)
        self.stream.sendall(f"GET /live/x HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        self.server, _ = self.live.accept()
        self.server.recv(65536)
        self.server.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.stream.recv(1)
        assert b" 200 " in head, head

    def is_live(self):
        self.server.sendall(b"data: x\n\n")
        got = b""
        while not got.endswith(b"data: x\n\n\r\n"):
            more = self.stream.recv(65536)
            assert more, "the stream of the first process has ended"
            got += more

    def replace(self):
        self.start()
        self.is_live()

    def stop(self):
        assert all(process.poll() is None for process in self.processes), "one has gone too early"
        self.is_live()
        self.stream.close()
        self.server.close()
        for process in self.processes[:-1]:
            assert process.wait(PATIENCE) == 0
        self.processes[-1].send_signal(signal.SIGTERM)
        assert self.processes[-1].wait(PATIENCE) == 0

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


def under_load(gate):
    """Requests, each on a new connection, while the binary is replaced again and again."""
    answered, failed, slowest, lock = 0, [], 0.0, threading.Lock()

    def client(token):
        nonlocal answered, slowest
        while True:
            begun = time.monotonic()
            try:
                status, body = exchange(gate.at, "GET", "/orders/7", token=token)
                wrong = None if status == 200 and b'"x-user-name": "alice"' in body else (status, body)
            except OSError as error:
                wrong = repr(error)
            with lock:
                answered += 1
                slowest = max(slowest, time.monotonic() - begun)
                if wrong:
                    failed.append((answered, wrong))
                if answered >= REQUESTS or len(failed) > 10:
                    return

    try:
        gate.start()
        token = log_in(gate.at)
        gate.open(token)
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, token) for _ in range(CLIENTS)]
            for number in range(1, REPLACEMENTS + 1):
                mark = REQUESTS * number // (REPLACEMENTS + 1)
                until("the next one", lambda: answered >= mark or failed, 10 * PATIENCE)
                gate.replace()
            for one in clients:
                one.result()
        gate.stop()
    finally:
        gate.end()
    assert not failed, f"{len(failed)} of {answered} failed: {failed[:3]}"
    # As long as the old process waits at most for whoever needs the store, and some more.
    assert slowest < 12, f"somebody waited {slowest:.1f} s"
    print(f"{answered} requests and {REPLACEMENTS} {gate.name}: none failed, the slowest took {slowest:.2f} s")
