"""A clock that jumps, forwards and back, by hours: tokens live by it and no longer, what was ended stays so, nobody is
locked out for as long as it was wrong, or let in early, and the record is whole (docs/operating.md says it to
operators). The kernel's clock stays; libfaketime tells another."""

import glob
import http.client

from world import PATIENCE, PASSWORD, Server, same, stage

HOUR = 3600
POLICY = """
[upstreams]
app = {{ to = "http://127.0.0.1:{port}" }}
[routes]
"/*" = {{ to = "app" }}
"/rated/*" = {{ to = "app", rate = "60/m per user burst 3" }}
[auth]
access = "30m"
refresh = "1d"
[auth.throttle]
account = "15/15m"
"""


class Clock:
    def __init__(self, folder):
        self.file = folder / "offset"
        self.set(0)
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        assert found, "libfaketime is missing: tests/faults.sh installs it"
        self.environment = {
            "LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
            # As it is with a clock that is set: what measures time goes on.
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds):
        """So far from the true time. In the place of the file, which is read at every look."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self.file)


class Someone:
    """What a client has and does while the clock jumps."""

    def __init__(self, gateway, name):
        self.gateway, self.name = gateway, name
        gateway.register(name)
        self.tokens = gateway.log_in(name)

    def see(self, access=None, path="/x"):
        return self.gateway.ask("GET", path, access or self.tokens["access"]).status

    def renew(self):
        self.tokens = self.gateway.told(200, "token/refresh", refresh=self.tokens["refresh"])
        same("a new token", self.see(), 200)


def goes_on(gateway, someone, where):
    """Everything works for whoever comes now; returns how long a limit of before kept somebody out."""
    someone.tokens = gateway.log_in(someone.name)
    same(f"a login {where}", someone.see(), 200)
    someone.renew()
    same(f"the profile {where}", gateway.ask("GET", "/api/auth/profile/", someone.tokens["access"]).status, 200)
    took = gateway.well(f"a rate {where}", lambda: someone.see(path="/rated/x") == 200)
    while someone.see(path="/rated/x") == 200:
        pass
    return took


def locked(gateway, name):
    return gateway.post("token", username=name, password=PASSWORD).status == 429


def lock(gateway, name):
    for _ in range(15):
        same("a guess", gateway.post("token", username=name, password="wrong").status, 400)
    assert locked(gateway, name), "nobody is locked"


def clocks(binary, folder):
    clock, server = Clock(folder), Server()
    with stage(binary, POLICY.format(port=server.server_port), folder, environment=clock.environment) as gateway:
        someone, gone = Someone(gateway, "someone"), Someone(gateway, "gone")
        first = someone.tokens["access"]
        gateway.told(200, "logout", gone.tokens["access"])
        lock(gateway, "victim")
        goes_on(gateway, someone, "at first")
        stream = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        same("before", gateway.ask("GET", "/x", someone.tokens["access"], connection=stream).status, 200)

        clock.set(2 * HOUR)
        expired = gateway.ask("GET", "/x", first, connection=stream)
        same("a token of two hours ago", (expired.status, expired.code), (401, "token_not_valid"))
        assert locked(gateway, "victim"), "two hours that have not passed let somebody guess"
        goes_on(gateway, someone, "two hours later")
        ahead = someone.tokens

        waits = []
        for offset in (0, -10 * HOUR, 5 * HOUR, 0):
            clock.set(offset)
            where = f"{offset // HOUR:+d} hours from the true time"
            same(f"what was ended, {where}", someone.see(gone.tokens["access"]), 401)
            same(f"its refresh, {where}", gateway.post("token/refresh", refresh=gone.tokens["refresh"]).status, 401)
            if offset <= 0:
                # From a time that is yet to come, and good when it is there.
                answer = gateway.post("token/refresh", refresh=ahead["refresh"])
                same(f"a token from ahead, {where}", (answer.status, answer.code), (401, "token_not_valid"))
            waits.append(goes_on(gateway, someone, where))
        clock.set(2 * HOUR + 60)
        gateway.told(200, "token/refresh", refresh=ahead["refresh"])
        lock(gateway, "other")
        clock.set(-3 * HOUR)
        # A minute a guess, whatever the clock says: nobody gets more of them, and nobody waits for hours.
        answer = gateway.post("token", username="other", password=PASSWORD)
        same("a locked account, three hours back", answer.status, 429)
        assert int(answer.fields["retry-after"]) <= 60, answer.fields
        stream.close()
    record = gateway.command("audit", "verify")
    same("the record", record.returncode, 0)
    print(f"clocks: there and back by hours; a rate lets somebody in again within {max(waits) * 1000:.0f} ms")
