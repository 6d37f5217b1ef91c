"""The gateway as systemd runs it, and replaced while it serves: `main.py BINARY UNIT`.

Its system calls, sockets and files against the unit's filters; a socket that
systemd-socket-activate opened; and new processes in the place of old ones under load, of which no
client notices anything: with a socket that stays open, as a socket unit's does, and with
`serve --take-over`. LONG=1 makes more requests."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from gate import PATIENCE, exchange, log_in, policy
from replaced import Heirs, Manager, under_load
from waiting import free_port, until


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
    at = ("127.0.0.1", free_port())
    file = pathlib.Path(folder, "portcullis.toml")
    file.write_text(policy(at, folder))
    environment = {**os.environ, "PORTCULLIS_CONFIG": str(file)}
    trace = pathlib.Path(folder, "trace")
    strace = ["strace", "-f", "-qq", "-s", "256", "-o", str(trace), "-A"]
    log = pathlib.Path(folder, "log").open("w")
    gate = subprocess.Popen([*strace, binary, "serve"], env=environment, cwd="/", stdout=log, stderr=log)
    told = lambda *words: subprocess.run([binary, *words], env=environment, cwd="/", capture_output=True)
    until("a gateway under strace", lambda: told("health").returncode == 0)
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
    at = ("127.0.0.1", free_port())
    file = pathlib.Path(folder, "portcullis.toml")
    file.write_text(policy(at, folder))
    log = pathlib.Path(folder, "log")
    with log.open("w") as err:
        gate = subprocess.Popen(
            ["systemd-socket-activate", "-l", "%s:%s" % at, "--fdname", "gate.socket", binary, "--config", file, "serve"],
            stdout=subprocess.DEVNULL,
            stderr=err,
        )

    def listens():
        assert gate.poll() is None, log.read_text()
        return "Listening on" in log.read_text()

    try:
        until("systemd-socket-activate", listens)
        # The connection that has it started is answered, too.
        assert exchange(at, "GET", "/public/x")[0] == 200
        assert "socket taken over" in log.read_text() and "gate.socket" in log.read_text(), log.read_text()
        gate.send_signal(signal.SIGTERM)
        assert gate.wait(PATIENCE) == 0
    finally:
        gate.kill()
    print("a socket of systemd-socket-activate is taken over")


def main(binary, unit):
    binary = str(pathlib.Path(binary).resolve())
    for what in (
        lambda folder: filters(binary, Unit(unit), folder),
        lambda folder: activated(binary, folder),
        lambda folder: under_load(Manager(binary, folder)),
        lambda folder: under_load(Heirs(binary, folder)),
    ):
        with tempfile.TemporaryDirectory() as folder:
            what(folder)


main(*sys.argv[1:])
