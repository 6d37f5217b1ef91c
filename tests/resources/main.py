#!/usr/bin/env python3
"""Clients and upstreams that hold on, flood or never read, against the release binary: others are
served meanwhile, memory stays within bounds, and comes back. LONG=1 does more of everything.
Usage: main.py BINARY [STEP ...]"""

import sys

from floods import floods
from full import full
from many import crowd, idle, rates
from slow import slow_bodies, slow_heads, slow_readers
from upstream import Upstream

STEPS = {
    step.__name__: step
    for step in (slow_heads, slow_bodies, slow_readers, floods, full, crowd, rates, idle)
}


def main():
    upstream = Upstream()
    upstream.start()
    for name in sys.argv[2:] or STEPS:
        STEPS[name](upstream)


if __name__ == "__main__":
    sys.exit(main())
