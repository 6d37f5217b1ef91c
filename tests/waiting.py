"""What every script needs that starts servers: a port, and patience."""

import socket
import time


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, look, limit=60):
    """What `look` finds in the end; nobody who listens yet is as good as nothing."""
    end = time.monotonic() + limit
    while True:
        try:
            found = look()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.02)
