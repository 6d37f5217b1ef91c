"""The binary, running in a folder that has a policy; for every script that starts, asks and kills it."""

import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess

PATIENCE = 40


class Socket(http.client.HTTPConnection):
    """HTTP at a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Gateway:
    """`portcullis.toml` of the folder, served; `port` is that of its first listener, and what it logs is in `errors`.

    `before` are words that the command begins with, such as those of a program that starts it.
    """

    def __init__(self, binary, folder, before=(), environment=None):
        self.binary, self.folder = str(pathlib.Path(binary).absolute()), pathlib.Path(folder)
        self.log = self.folder / "errors"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, self.binary], cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True,
                env=os.environ | (environment or {}),
            )
        for line in self.process.stdout:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        self.kill()
        raise AssertionError(f"it did not start: {self.log.read_text()[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.end(signal.SIGKILL)

    def stop(self):
        """Ends it as an operator does; it has to end well, and never to have panicked."""
        self.end(signal.SIGTERM)
        assert self.process.returncode == 0, f"it ended with {self.process.returncode}: {self.said()}"
        assert "panicked" not in self.log.read_text(), self.said()

    def end(self, how):
        self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def said(self):
        return self.log.read_text()[-3000:]

    def command(self, *words, **options):
        """A command of an operator's, done."""
        return subprocess.run([self.binary, *words], cwd=self.folder, capture_output=True, timeout=60, text=True,
                              **options)

    def metrics(self):
        """Every sample of the metrics, by its name and labels as they are written."""
        door = Socket(self.folder / "portcullis.sock")
        try:
            door.request("GET", "/metrics")
            text = door.getresponse().read().decode()
        finally:
            door.close()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def resident(self, field="RssAnon"):
        """Bytes that the process has in memory: its own, not those of its program."""
        return self.status(field) << 10

    def threads(self):
        return self.status("Threads")

    def status(self, field):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", text)[1])

    def open_files(self):
        """What its descriptors lead to (`socket`, `anon_inode`, the paths of files), and how many to each."""
        found = {}
        for one in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                to = os.readlink(one).split(":")[0]
            except FileNotFoundError:
                continue  # closed meanwhile
            found[to] = found.get(to, 0) + 1
        return found
