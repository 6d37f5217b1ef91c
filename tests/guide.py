#!/usr/bin/env python3
"""The pages of docs/guide, done as they say: `guide.py PORTCULLIS [PAGE[#SECTION] ...]`.

Each page is gone through in a folder of its own, by one shell. A block behind a line "`NAME`:" is that
file, a block of `sh` is typed, and a block of `text` behind it is what it has to print: `...` stands for
anything, in a line or for lines. What a line with `&` at its end starts is waited for."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from cluster import cluster
from waiting import until

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:^`([^`\n]+)`:\n\n?)?^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
DONE = "== the block is done"


class Shell:
    """A shell that is typed into."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.type("set -e")

    def type(self, lines):
        """What they print."""
        lines = re.sub(r" &$", " >>background 2>&1 &", lines, flags=re.M)
        self.process.stdin.write(f"{lines}\necho '{DONE}'\n")
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            if line.rstrip("\n").endswith(DONE):
                said.append(line.rstrip("\n").removesuffix(DONE))
                return "\n".join("".join(said).rstrip().splitlines())
            said.append(line)
        raise AssertionError(f"failed:\n{lines}\n{''.join(said)}{self.background()}")

    def background(self):
        file = self.folder / "background"
        return file.read_text() if file.exists() else ""

    def end(self):
        # With what it has started, and what that holds open is closed.
        for one in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, one)
                self.process.wait(10)
                until("the end of all of it", lambda: not self.is_there(), limit=10)
            except (ProcessLookupError, AssertionError, subprocess.TimeoutExpired):
                continue

    def is_there(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def listeners(shell):
    """How many of the commands that the shell has started listen at a socket, they or what they have started
    (proc(5): state 0A of TCP, flag 0x10000 of unix sockets): sockets of the operators are none."""
    listening = set()
    for file, state, inode, is_listening in (
        ("tcp", 3, 9, lambda state: state == "0A"),
        ("unix", 3, 6, lambda flags: int(flags, 16) & 0x10000),
    ):
        for line in pathlib.Path("/proc/net", file).read_text().splitlines()[1:]:
            fields = line.split()
            if is_listening(fields[state]) and not line.endswith("portcullis.sock"):
                listening.add(f"socket:[{fields[inode]}]")
    parents, found = {}, []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may have ended meanwhile
            # The name of the command is in brackets, and may have some of its own.
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if {os.readlink(held) for held in (process / "fd").iterdir()} & listening:
                found.append(int(process.name))
    commands = set()
    for process in found:
        while process and parents.get(process) != shell.process.pid:
            process = parents.get(process)
        commands |= {process} - {None, 0}
    return len(commands)


def wait_for(shell, lines, before, environment):
    """Until what runs in the background is there."""
    started = [line for line in lines.splitlines() if line.endswith(" &")]
    if not started:
        return
    gateways = [line for line in started if "portcullis" in line.split()]

    def healthy(gateway):
        policy = re.search(r"--config \S+", gateway)
        ask = ["portcullis", "health", *(policy[0].split() if policy else [])]
        return not subprocess.run(
            ask, cwd=shell.folder, env=environment, capture_output=True
        ).returncode

    def ready():
        return all(map(healthy, gateways)) and listeners(shell) >= before + len(started)

    try:
        until(lines, ready, limit=900 if "cargo" in lines else 30)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{shell.background()}") from None


def fits(shown, said):
    """Whether that was said which is shown."""
    parts = []
    for line in shown.strip("\n").splitlines():
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(part) for part in line.split("...")) + r"[ \t]*\n")
    return re.fullmatch("".join(parts), said.strip("\n") + "\n") is not None


def section(page):
    """The text of a page, or of the section that is named behind `#`."""
    file, _, title = page.partition("#")
    text = pathlib.Path(file).read_text()
    if title:
        text = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return text


def go_through(page, environment):
    with contextlib.ExitStack() as held:
        folder = pathlib.Path(held.enter_context(tempfile.TemporaryDirectory()))
        if "psql" in section(page):
            socket = held.enter_context(cluster(5432))
            environment = dict(environment, PGHOST=socket, PGUSER="postgres")
        shell, typed, said, checked = Shell(folder, environment), None, None, 0
        try:
            for name, language, text in BLOCK.findall(section(page)):
                if name:
                    file = folder / name
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(text)
                elif language == "sh":
                    before = listeners(shell)
                    typed, said = text, shell.type(text)
                    wait_for(shell, text, before, environment)
                elif language == "text" and typed:
                    assert fits(text, said), f"{typed}is to print\n{text}and prints\n{said}\n{shell.background()}"
                    typed, checked = None, checked + 1
            assert checked, "the page shows nothing"
        finally:
            shell.end()
    return checked


def main():
    binary, *pages = sys.argv[1:]
    pages = pages or [str(page) for page in sorted((ROOT / "docs/guide").glob("*.md"))]
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "portcullis").symlink_to(pathlib.Path(binary).resolve())
        path = f"{folder}:{os.environ['PATH']}:/usr/sbin"
        environment = dict(os.environ, PATH=path, PORTCULLIS_SOURCE=str(ROOT))
        for name in ("PORTCULLIS_CONFIG", "RUST_LOG"):
            environment.pop(name, None)
        for page in pages:
            if page.endswith("guide/README.md"):
                continue
            try:
                print(f"{page}: {go_through(page, environment)} answers as shown", flush=True)
            except AssertionError as error:
                sys.exit(f"GUIDE: {page}: {error}")


if __name__ == "__main__":
    main()
