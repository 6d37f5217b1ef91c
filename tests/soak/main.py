#!/usr/bin/env python3
"""An ordinary day in short: people of all kinds use the gateway for as long as is said, while policies are read again,
servers die and come back, and users are shut out. No answer is wrong, and what was held is given back.

Usage: main.py BINARY [SECONDS] [SEED]
"""

import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from figures import Figures
from people import Person
from troubles import Troubles
from world import PATIENCE, World
from waiting import until

PEOPLE = 16


def live(world, seconds, dice):
    until("both servers are up", world.are_up, PATIENCE)
    figures = Figures(world.gateway, seconds)
    people = [Person(world, f"p{number}", random.Random(dice.random())) for number in range(PEOPLE)]
    people.append(Troubles(world, "victim", random.Random(dice.random())))
    for one in (figures, *people):
        one.start()
    world.over.wait(seconds)
    for one in people:
        one.rest.set()
    for one in people:
        one.join()
    if world.failure:
        who, error = world.failure
        raise AssertionError(f"{who}: {type(error).__name__}: {error}\n{world.gateway.said()}") from error
    figures.check()
    return figures


def main(binary, seconds=60, seed=9):
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        world = World(binary, pathlib.Path(folder))
        try:
            live(world, float(seconds), random.Random(int(seed)))
            world.gateway.stop()
        finally:
            world.end()
    total = sum(world.counts.values())
    counts = ", ".join(f"{number} {what}" for what, number in sorted(world.counts.items(), key=lambda one: -one[1]))
    still = f"; the machine stood still {len(world.stills)} times" if world.stills else ""
    print(f"{seconds} s: {total} things done, none with a wrong answer ({counts}){still}")


if __name__ == "__main__":
    main(*sys.argv[1:])
