"""The gateway as systemd runs it: `main.py BINARY UNIT`.

Its system calls, sockets and files against the unit's filters; a socket that
systemd-socket-activate opened; and restarts under load with a socket that stays open, as a socket
unit's does, of which no client notices anything. LONG=1 makes more requests."""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

REQUESTS = 100_000 if os.environ.get("LONG") else 12_000
RESTARTS = 5
CLIENTS = 8
PATIENCE = 30
POLICY = """
listen = ["{at}"]
[store]
path = "{folder}/portcullis.redb"
[admin]
socket = "{folder}/portcullis.sock"
[upstreams]
app = {{ whoami = true }}
named = {{ to = "http://localhost:9" }}
[routes]
"/*" = {{ to = "app" }}
"/public/*" = {{ to = "app", allow = "anyone" }}
"/named/*" = {{ to = "named", allow = "anyone" }}
"""


def exchange(at, method, path, body=b"", token=None):
    """One request on a connection of its own."""
    with socket.create_connection(at, timeout=PATIENCE) as stream:
        credential = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n{credential}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        stream.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    if not answer:
        raise ConnectionError("closed without an answer")
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def log_in(at):
    account = json.dumps({"username": "alice", "password": "Tr1cky-Phrase-77"}).encode()
    assert exchange(at, "POST", "/api/auth/register/", account)[0] == 201
    status, body = exchange(at, "POST", "/api/auth/token/", account)
    assert status == 200, body
    return json.loads(body)["access"]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()


def wait_until(what, is_so, patience=PATIENCE):
    end = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < end, f"in vain: {what}"
        time.sleep(0.02)


class Unit:
    """What a service file asks for."""

    def __init__(self, path):
        self.lines = [
            line.split("=", 1) for line in pathlib.Path(path).read_text().splitlines() if "=" in line and line[0] != "#"
        ]

    def all(self, key):
        return [value.split() for name, value in self.lines if name == key]

    def calls(self):
        """The system calls that its filter leaves."""
        text = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
        groups, current = {}, None
        for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
            if line.startswith("@"):
                current = groups.setdefault(line.strip(), [])
            elif line.strip() and not line.strip().startswith("#") and current is not None:
                current.append(line.strip())

        def members(name):
            return {name} if name[0] != "@" else {one for part in groups[name] for one in members(part)}

        left = members("@default")
        for words in self.all("SystemCallFilter"):
            off = words[0].startswith("~")
            listed = {one for word in words for one in members(word.lstrip("~"))}
            left = left - listed if off else left | listed
        assert "openat" in left and "mount" not in left and "reboot" not in left
        return left


def filters(binary, unit, folder):
    """A gateway's life under strace: everything that it asks the kernel for is in the filter."""
    at = free_port()
    policy = pathlib.Path(folder, "portcullis.toml")
    policy.write_text(POLICY.format(at="%s:%s" % at, folder=folder))
    environment = {**os.environ, "PORTCULLIS_CONFIG": str(policy)}
    trace = pathlib.Path(folder, "trace")
    strace = ["strace", "-f", "-qq", "-s", "256", "-o", str(trace), "-A"]
    log = pathlib.Path(folder, "log").open("w")
    gate = subprocess.Popen([*strace, binary, "serve"], env=environment, cwd="/", stdout=log, stderr=log)
    told = lambda *words: subprocess.run([binary, *words], env=environment, cwd="/", capture_output=True)
    wait_until("a gateway under strace", lambda: told("health").returncode == 0)
    token = log_in(at)
    assert exchange(at, "GET", "/orders", token=token)[0] == 200
    assert exchange(at, "GET", "/named/x")[0] == 502
    # ExecReload has the same filters.
    assert unit.all("ExecReload") == [["/usr/local/bin/portcullis", "reload"]]
    subprocess.run([*strace, binary, "reload"], env=environment, cwd="/", stdout=log, check=True)
    for words in ["backup", str(pathlib.Path(folder, "b"))], ["key", "rotate"], ["user", "list"], ["health"]:
        ran = told(*words)
        assert ran.returncode == 0, ran
    pid = next(int(line.split()[0]) for line in trace.read_text().splitlines() if "execve(" in line)
    os.kill(pid, signal.SIGTERM)
    assert gate.wait(PATIENCE) == 0

    text = trace.read_text()
    asked = set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", text, re.M))
    allowed = unit.calls()
    assert len(asked) > 40, asked
    assert asked <= allowed, f"not in the filter: {sorted(asked - allowed)}"
    [families] = unit.all("RestrictAddressFamilies")
    used = set(re.findall(r" socket\((AF_[A-Z0-9]+)", text))
    assert {"AF_INET", "AF_UNIX"} <= used <= set(families), used
    # MemoryDenyWriteExecute=
    assert not re.search(r"PROT_WRITE\|PROT_EXEC", text) and not re.search(r"mprotect\([^)]*PROT_EXEC", text)
    # ProtectSystem=strict, with the folder in the place of StateDirectory=.
    # Whether or not it came of it: strace has the answer on another line where a thread came between.
    opened = re.findall(r'open(?:at|at2)?\((?:[^",]+, )?"([^"]+)", [^"\n]*?O_(?:WRONLY|RDWR|CREAT)', text)
    assert any("/portcullis.redb" in path for path in opened), opened
    outside = [path for path in opened if not path.startswith((str(folder), "/dev/"))]
    assert not outside, outside
    print(f"{len(asked)} system calls, all in the filter of {len(allowed)}")


def activated(binary, folder):
    """What systemd itself hands over."""
    at = free_port()
    policy = pathlib.Path(folder, "portcullis.toml")
    policy.write_text(POLICY.format(at="%s:%s" % at, folder=folder))
    log = pathlib.Path(folder, "log")
    with log.open("w") as err:
        gate = subprocess.Popen(
            ["systemd-socket-activate", "-l", "%s:%s" % at, "--fdname", "gate.socket", binary, "--config", policy, "serve"],
            stdout=subprocess.DEVNULL,
            stderr=err,
        )

    def listens():
        assert gate.poll() is None, log.read_text()
        return "Listening on" in log.read_text()

    try:
        wait_until("systemd-socket-activate", listens)
        # The connection that has it started is answered, too.
        assert exchange(at, "GET", "/public/x")[0] == 200
        assert "socket taken over" in log.read_text() and "gate.socket" in log.read_text(), log.read_text()
        gate.send_signal(signal.SIGTERM)
        assert gate.wait(PATIENCE) == 0
    finally:
        gate.kill()
    print("a socket of systemd-socket-activate is taken over")


class Manager:
    """A service manager with one socket unit: the socket stays, processes come and go."""

    def __init__(self, binary, folder):
        self.folder, self.source = pathlib.Path(folder), binary
        self.binary = self.folder / "portcullis"
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.at = self.socket.getsockname()
        self.policy = self.folder / "portcullis.toml"
        self.policy.write_text(POLICY.format(at="%s:%s" % self.at, folder=folder))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.folder / "notify"))
        self.notify.settimeout(PATIENCE)
        self.process = None

    def start(self):
        """A new binary in the place of the old one; waits until it says that it is ready."""
        fresh = self.folder / "new"
        shutil.copy(self.source, fresh)
        fresh.rename(self.binary)
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

    def reload(self):
        self.process.send_signal(signal.SIGHUP)
        reloading, now = self.told()
        assert reloading == "RELOADING=1" and now.startswith("MONOTONIC_USEC="), (reloading, now)
        assert self.told() == ["READY=1"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.told() == ["STOPPING=1"]
        assert self.process.wait(PATIENCE) == 0

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.socket.close()


def restarts(binary, folder):
    """Requests, each on a new connection, while the binary is replaced again and again."""
    manager = Manager(binary, folder)
    answered, failed, slowest, lock = 0, [], 0.0, threading.Lock()

    def client(token):
        nonlocal answered, slowest
        while True:
            begun = time.monotonic()
            try:
                status, body = exchange(manager.at, "GET", "/orders/7", token=token)
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
        manager.start()
        manager.reload()
        token = log_in(manager.at)
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(client, token) for _ in range(CLIENTS)]
            for number in range(1, RESTARTS + 1):
                mark = REQUESTS * number // (RESTARTS + 1)
                wait_until("the next restart", lambda: answered >= mark or failed, 10 * PATIENCE)
                manager.stop()
                manager.start()
            for one in clients:
                one.result()
        manager.stop()
    finally:
        manager.end()
    assert not failed, f"{len(failed)} of {answered} failed: {failed[:3]}"
    print(f"{answered} requests and {RESTARTS} restarts: none failed, the slowest took {slowest:.2f} s")


def main(binary, unit):
    binary = str(pathlib.Path(binary).resolve())
    with tempfile.TemporaryDirectory() as folder:
        filters(binary, Unit(unit), folder)
    with tempfile.TemporaryDirectory() as folder:
        activated(binary, folder)
    with tempfile.TemporaryDirectory() as folder:
        restarts(binary, folder)


main(*sys.argv[1:])
