"""The gateway between real programs: `main.py BINARY [PART]...`."""

import pathlib
import signal
import sys
import time

import by_curl
import by_nghttp2
import events
import framing
import http2_cases
import sockets
import static_files
import web_servers
import websocket
import websocket_cases
from world import World

PARTS = {
    "curl": by_curl.check,
    "nghttp2": by_nghttp2.check,
    "http2 cases": http2_cases.check,
    "web servers": web_servers.check,
    "framing": framing.check,
    "static files": static_files.check,
    "websocket": websocket.check,
    "websocket cases": websocket_cases.check,
    "events": events.check,
    "unix sockets": sockets.check,
}

BOUND = 180


def late(*_):
    raise AssertionError(f"not done in {BOUND} s")


def main(binary, *names):
    for name in names or PARTS:
        began = time.monotonic()
        # Whatever hangs ends here, with the logs of all that ran.
        signal.alarm(BOUND)
        with World(pathlib.Path(binary).absolute()) as world:
            PARTS[name](world)
        print(f"{name}: good, {time.monotonic() - began:.1f} s", flush=True)


signal.signal(signal.SIGALRM, late)
main(*sys.argv[1:])
