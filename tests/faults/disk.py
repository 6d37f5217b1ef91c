"""A disk that fills up under the store, the record, the log and the policy file: what is known goes on, the rest is
refused, nothing acknowledged is lost, and with room all of it goes on by itself."""

import contextlib
import os
import subprocess
import time

from waiting import until
from world import PASSWORD, WITHIN, Server, Stage, same, write_policy

SIZE = "16m"
# Most people who find room in what the store has of the disk already.
MOST = 3000
POLICY = """
[upstreams]
app = {{ to = "http://127.0.0.1:{port}" }}
[routes]
"/*" = {{ to = "app" }}
[auth.throttle]
register = "off"
"""


@contextlib.contextmanager
def small_disk(folder):
    place = folder / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "faults", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place):
    """Down to the last byte."""
    with open(place / "filler", "ab", buffering=0) as filler:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(size))
    same("room on the disk", os.statvfs(place).f_bavail, 0)


class People:
    """Who was told that he is registered, and who was told that he is not."""

    def __init__(self, gateway):
        self.gateway, self.told, self.refused = gateway, [], []

    def register(self):
        name = f"u{len(self.told) + len(self.refused)}"
        answer = self.gateway.post("register", username=name, password=PASSWORD)
        if answer.status == 201:
            self.told.append(name)
        else:
            is_refused("a registration", answer)
            self.refused.append(name)
        return answer.status


def is_refused(what, answer):
    same(what, (answer.status, "retry-after" in answer.fields), (503, True))


def nothing_more(gateway, people, known, other):
    """What has to be written is refused, and what is known goes on."""
    people.register()
    is_refused("a login", gateway.post("token", username="u0", password=PASSWORD))
    is_refused("a refresh", gateway.post("token/refresh", refresh=known["refresh"]))
    is_refused("a logout", gateway.post("logout", other["access"]))
    assert gateway.command("user", "role", "add", "u1", "staff").returncode == 1, "an operator's act went unrecorded"
    for tokens in (known, other):
        same("a token that is good", gateway.ask("GET", "/x", tokens["access"]).status, 200)
        same("a profile", gateway.ask("GET", "/api/auth/profile/", tokens["access"]).status, 200)
    same("a token that is none", gateway.ask("GET", "/x", "x.y.z").status, 401)
    same("nobody", gateway.ask("GET", "/x").status, 401)


def half_written(gateway, known):
    """An editor has emptied the policy file, and then there was no room for the new one."""
    path = gateway.folder / "portcullis.toml"
    whole = path.read_text()
    fill(gateway.folder)
    path.write_text("")
    fill(gateway.folder)
    with contextlib.suppress(OSError):
        path.write_text(whole)
    same("what is left of the policy", path.read_text(), "")
    until("the watch sees it", lambda: outcomes(gateway, "refused") or outcomes(gateway, "taken"), 10)
    same("policies that were taken", outcomes(gateway, "taken"), 0)
    same("the policy in force", gateway.ask("GET", "/x", known["access"]).status, 200)
    (gateway.folder / "filler").unlink()
    path.write_text(whole)


def outcomes(gateway, outcome):
    return gateway.metrics()[f'portcullis_policy_reloads_total{{outcome="{outcome}"}}']


def until_it_was_full(gateway, people):
    for _ in range(20):
        same("a registration", people.register(), 201)
    known, other = gateway.log_in("u0"), gateway.log_in("u0")
    fill(gateway.folder)
    until("the store has no room either", lambda: people.register() == 503 or len(people.told) > MOST)
    began = time.monotonic()
    while time.monotonic() - began < WITHIN + 0.5:  # longer than it rests from the disk
        nothing_more(gateway, people, known, other)
    half_written(gateway, known)
    took = gateway.well("a registration", lambda: people.register() == 201)
    gateway.told(200, "logout", other["access"])
    same("the operator", gateway.command("user", "role", "add", "u1", "staff").returncode, 0)
    # What was refused has changed nothing, a refresh token is not spent by it.
    return gateway.told(200, "token/refresh", refresh=known["refresh"]), other, took


def is_as_acknowledged(gateway, people, known, other):
    same("a session", gateway.ask("GET", "/x", known["access"]).status, 200)
    same("one that was ended", gateway.ask("GET", "/x", other["access"]).status, 401)
    for names, status in ((people.told, 200), (people.refused, 400)):
        for name in names[:50] + names[-50:]:
            same(f"a login of {name}", gateway.post("token", username=name, password=PASSWORD).status, status)
    same("the record", gateway.command("audit", "verify").returncode, 0)


def disk(binary, folder):
    server = Server()
    with small_disk(folder) as place:
        write_policy(place, POLICY.format(port=server.server_port))
        gateway = Stage(binary, place)
        try:
            people = People(gateway)
            known, other, took = until_it_was_full(gateway, people)
        finally:
            gateway.kill()  # a power cut in the place of an end
        people.gateway = gateway = Stage(binary, place)
        try:
            is_as_acknowledged(gateway, people, known, other)
            gateway.stop()
        finally:
            gateway.kill()
    print(f"disk: full under {len(people.told)} people and {len(people.refused)} who were refused; "
          f"written again {took * 1000:.0f} ms after there was room, and all is as it was acknowledged")
