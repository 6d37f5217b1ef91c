#!/usr/bin/env python3
"""What a fleet of gateways needs of one database, on paper: `benches/fleet.py [--gateways N ...] [--callers N] ...`.

A sample of users comes, asks and goes, at gateways that remember so many tokens; what they remember is simulated
request by request, and what follows is multiplied by what `benches/database.py` has measured. Prints what each way to
spread requests comes to, and what of it is the first to run out. Standard library alone, a minute."""

import argparse
import collections
import dataclasses
import heapq
import random

# Milliseconds of a core of the database's that benches/database.py has measured, on the machine of benches/RESULTS.md.
MEASURED = {"login": 0.5, "refresh": 0.3, "logout": 0.45, "read": 0.08, "listening": 1.0, "row": 0.0007}
# How often a gateway looks for events, reading so many seconds of them; and glances, when it is woken, at half a second.
LOOKS, WINDOW = 1, 20
GLANCES, GLANCE = 20, 0.5
# Connections beside those of the policy: one that looks, one that is woken.
BESIDE = 2


@dataclasses.dataclass
class Fleet:
    """Who asks, how, and of what."""

    rate: float = 1e6  # requests a second
    users: float = 100e6
    think: float = 10.0  # seconds from a request to the next, of a user who is there
    visit: float = 900.0  # seconds that users stay
    access: float = 1800.0  # seconds that an access token lives
    logins: float = 0.05  # of visits, that begin with a login; the others begin with a refresh
    logouts: float = 0.02  # of visits, that end with a logout
    hash: float = 0.030  # seconds of a core for a hash
    callers: int = 60_000  # tokens that a gateway remembers
    connections: int = 16  # to the database, of each gateway
    request: float = 40e-6  # seconds of a core for a request

    @property
    def there(self):
        """Users who are there at any moment."""
        return self.rate * self.think

    @property
    def visits(self):
        """Visits that begin each second."""
        return self.there / self.visit


class Remembered:
    """Tokens that a gateway remembers: those that were seen last."""

    def __init__(self, most):
        self.most, self.tokens = most, collections.OrderedDict()

    def knows(self, token):
        known = token in self.tokens
        self.tokens[token] = None
        self.tokens.move_to_end(token)
        if len(self.tokens) > self.most:
            self.tokens.popitem(last=False)
        return known


def reads(fleet, gateways, spread, sample, seconds, seed=1):
    """Of requests, the part whose token the gateway does not know; and of visits, how many refreshes each takes."""
    dice = random.Random(seed)
    # Each gateway remembers as much of the sample as it remembers of all.
    most = max(1, round(fleet.callers * sample / fleet.there))
    caches = [Remembered(most) for _ in range(gateways)]
    queue, number = [], 0
    for _ in range(sample):
        number += 1
        begun = -dice.random() * fleet.visit
        heapq.heappush(queue, (dice.random() * fleet.think, number, begun, begun, dice.randrange(gateways)))
    asked = missed = refreshed = begun_visits = 0
    warm = seconds / 2
    while queue:
        at, user, visit, issued, gateway = heapq.heappop(queue)
        if at >= seconds:
            continue
        if at - visit >= fleet.visit:
            # Somebody else comes in the place of who goes.
            number += 1
            user, visit, issued, gateway = number, at, at, dice.randrange(gateways)
            begun_visits += at >= warm
        elif at - issued >= fleet.access:
            issued = at
            refreshed += at >= warm
        if spread == "request":
            gateway = dice.randrange(gateways)
        elif spread == "connection" and dice.random() < fleet.think / 120:
            gateway = dice.randrange(gateways)  # they live for two minutes
        known = caches[gateway].knows((user, issued))
        if at >= warm:
            asked += 1
            missed += not known
        heapq.heappush(queue, (at + dice.expovariate(1 / fleet.think), user, visit, issued, gateway))
    return missed / asked, refreshed / max(begun_visits, 1)


def needs(fleet, gateways, spread, sample, seconds):
    missed, renewed = reads(fleet, gateways, spread, sample, seconds)
    logins = fleet.visits * fleet.logins
    refreshes = fleet.visits * (1 - fleet.logins + renewed)
    events = fleet.visits * fleet.logouts
    each = {"login": logins, "refresh": refreshes, "logout": events, "read": fleet.rate * missed}
    cores = {what: times * MEASURED[what] / 1000 for what, times in each.items()}
    woken = min(GLANCES, events)
    rows = gateways * events * (LOOKS * WINDOW + woken * GLANCE)
    cores["events"] = (rows * MEASURED["row"] + gateways * MEASURED["listening"]) / 1000
    return {
        "known": 1 - missed,
        "reads": each["read"],
        "commits": logins + refreshes + events,
        "database": sum(cores.values()),
        "most of it": max(cores, key=cores.get),
        "connections": gateways * (fleet.connections + BESIDE),
        "gateway": (fleet.rate * fleet.request + logins * fleet.hash) / gateways,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gateways", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--sample", type=int, default=20_000, help="users who are there, of those simulated")
    parser.add_argument("--seconds", type=float, default=1200, help="that are simulated, the first half to warm up")
    for field in dataclasses.fields(Fleet):
        parser.add_argument(f"--{field.name}", type=field.type, default=field.default)
    arguments = vars(parser.parse_args())
    chosen, sample, seconds = (arguments.pop(name) for name in ("gateways", "sample", "seconds"))
    fleet = Fleet(**arguments)
    print(f"{fleet.users:,.0f} users, {fleet.there:,.0f} of them there, {fleet.rate:,.0f} requests a second, "
          f"{fleet.callers:,} tokens remembered by each gateway")
    print("| gateways | a user's requests go to | known | reads/s | commits/s | cores of the database | most of it "
          "| connections | cores of a gateway |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for gateways in chosen:
        for spread, words in (("request", "any"), ("connection", "one a connection"), ("user", "one")):
            need = needs(fleet, gateways, spread, sample, seconds)
            print(f"| {gateways:,} | {words} | {need['known']:.1%} | {need['reads']:,.0f} | {need['commits']:,.0f} | "
                  f"{need['database']:,.0f} | {need['most of it']} | {need['connections']:,} | "
                  f"{need['gateway']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
