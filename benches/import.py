#!/usr/bin/env python3
"""How long it takes to take users in: `benches/import.py BINARY [USERS]`, 100,000 if none is said.

A dump of Django with that many users, each with a key and a group, is imported into a new store, once
more, into a gateway that runs, and after a kill half way; then exported, and imported from that."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

BINARY = os.path.abspath(sys.argv[1])
USERS = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
HASH = "pbkdf2_sha256$1000000$Rk8SR0o0Ugq9CitIP3stOs$c6E5DyV2NV434A9aAh+kyeBsNHD3KoI8muQPhWHLAGI="
POLICY = """
listen = ["127.0.0.1:0"]
[upstreams]
whoami = { whoami = true }
[routes]
"/*" = { to = "whoami" }
[import.groups]
""" + "".join(f'group{group} = "role{group}"\n' for group in range(10))


def row(model, pk, **fields):
    return json.dumps({"model": model, "pk": pk, "fields": fields})


def dump(path):
    with open(path, "w") as file:
        rows = [row("auth.group", 1 + group, name=f"group{group}", permissions=[])
                for group in range(10)]
        for id in range(1, USERS + 1):
            rows.append(row(
                "auth.user", id, password=HASH, last_login=None, is_superuser=False,
                username=f"user{id}", first_name="Ada", last_name="Lovelace",
                email=f"user{id}@example.com", is_staff=False, is_active=True,
                date_joined="2024-05-01T12:00:00Z", groups=[1 + id % 10], user_permissions=[]))
            rows.append(row("authtoken.token", f"{id:040x}", user=id,
                            created="2024-05-01T12:00:00Z"))
        file.write("[" + ",\n".join(rows) + "]")


def folder(work, name):
    path = os.path.join(work, name)
    os.mkdir(path)
    with open(os.path.join(path, "portcullis.toml"), "w") as file:
        file.write(POLICY)
    return path


def start(cwd, *args):
    return subprocess.Popen([BINARY, *args], cwd=cwd, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)


def run(cwd, *args):
    """Its output, and how many seconds it took."""
    begun = time.monotonic()
    child = start(cwd, *args)
    out, _ = child.communicate()
    assert child.returncode == 0, (args, child.returncode, out[-2000:])
    return out, time.monotonic() - begun


def stored(report, new, present):
    report = json.loads(report)
    assert (report["stored"], report["present"]) == (new, present), report
    assert report["refused"] == report["differing"] == 0, report


def killed_half_way(work, file):
    """An import is killed at half the size that the store will have, and begun again."""
    cwd = folder(work, "killed")
    store = os.path.join(cwd, "portcullis.redb")
    half = os.path.getsize(os.path.join(work, "new", "portcullis.redb")) // 2
    child = start(cwd, "import", "django", file)
    while child.poll() is None:
        if os.path.exists(store) and os.path.getsize(store) > half:
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    child.communicate()
    report, seconds = run(cwd, "import", "django", file, "--json")
    present = json.loads(report)["present"]
    stored(report, USERS - present, present)
    print(f"killed with {present} users, the rest in {seconds:.1f} s")


def running(work, file):
    cwd = folder(work, "running")
    gateway = start(cwd, "serve")
    try:
        while not gateway.stdout.readline().startswith("listening on"):
            assert gateway.poll() is None
        report, seconds = run(cwd, "import", "django", file, "--json")
        stored(report, USERS, 0)
        print(f"into a gateway that runs: {seconds:.1f} s")
    finally:
        gateway.terminate()
        gateway.wait()


def main():
    with tempfile.TemporaryDirectory() as work:
        file = os.path.join(work, "dump.json")
        dump(file)
        print(f"{USERS} users, {os.path.getsize(file) >> 20} MiB")
        new = folder(work, "new")
        report, seconds = run(new, "import", "django", file, "--json")
        stored(report, USERS, 0)
        size = os.path.getsize(os.path.join(new, "portcullis.redb")) >> 20
        print(f"into a new store: {seconds:.1f} s, {size} MiB")
        report, seconds = run(new, "import", "django", file, "--json")
        stored(report, 0, USERS)
        print(f"once more: {seconds:.1f} s")
        running(work, file)
        killed_half_way(work, file)
        out, seconds = run(new, "export", "all.jsonl")
        print(f"out again: {seconds:.1f} s")
        back = folder(work, "back")
        report, seconds = run(back, "import", "portcullis", os.path.join(new, "all.jsonl"), "--json")
        stored(report, USERS, 0)
        again, _ = run(back, "export")
        with open(os.path.join(new, "all.jsonl")) as exported:
            assert exported.read() == again, "an export of the import is another"
        print(f"and back in: {seconds:.1f} s, the same to the byte")


main()
