#!/usr/bin/env python3
"""Faults of others, against the release binary: `main.py BINARY [FAULT]...`, as root, for mounts of its own.

    fault                                             where it is shown
    servers that reset, stall, answer early, twice,   upstreams.py, all at once and among good ones; one at a time in
    with garbage, 1xx or wrong lengths                tests/gateway/upstream_answers.rs, upstream_slow.rs,
                                                      upstream_connections.rs, early_answers.rs, silence.rs
    the same in HTTP/2                                tests/gateway/upstream_h2.rs, early_answers_h2.rs
    servers that go away, and come back               tests/gateway/upstream_servers.rs, upstream_state.rs; tests/soak
    names that lie, move, or are not to be had        names.py
    mail servers that hang, or break off              letters.py, at every stage; refusals in tests/gateway/mail.rs
    a clock that jumps                                clocks.py
    a full disk                                       disk.py; one that fails at any write in
                                                      tests/store_contract/redb_faults.rs and tests/cli/disk.rs
    no file descriptor left                           files.py
    no memory left                                    tests/resources/full.py
    clients that are slow, idle or many               tests/resources/slow.py, many.py, floods.py
    a power cut, a kill                               tests/kills.py, tests/store_contract/redb_crash.rs, redb_model.rs
    a database that goes away or stands still         tests/store_contract/postgres_only.rs, tests/gateway/many.rs
"""

import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from clocks import clocks
from disk import disk
from files import files
from letters import letters
from names import names
from upstreams import upstreams

FAULTS = {fault.__name__: fault for fault in (upstreams, names, letters, clocks, disk, files)}
OWN_MOUNTS = "FAULTS_OWN_MOUNTS"


def main(binary, *wanted):
    if OWN_MOUNTS not in os.environ:
        # What is mounted below is seen by this process and its children alone.
        os.environ[OWN_MOUNTS] = "1"
        own = ["unshare", "--mount", "--propagation", "private"]
        os.execvp(own[0], [*own, sys.executable, *sys.argv])
    for name in wanted or FAULTS:
        fault, began = FAULTS[name], time.monotonic()
        with tempfile.TemporaryDirectory(prefix="faults") as folder:
            fault(binary, pathlib.Path(folder))
        print(f"  {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
