"""More requests than memory has room for."""

import time

from clients import GET, ask, connect, status_of
from world import LONG, MIB, Gateway, comes_back

LIMIT = 192 * MIB
# As large as `[limits] head` allows, and kept while the upstream has not answered.
HELD = b"GET /held HTTP/1.1\r\nHost: a.test\r\nX-Large: " + b"x" * 60_000 + b"\r\n\r\n"


def full(upstream):
    number = 9000 if LONG else 4000
    with Gateway(upstream, 'memory = "192MiB"') as gateway:
        peak, sent_away, clients = 0, 0, []
        for _ in range(number):
            client = connect(gateway.port)
            client.sendall(HELD)
            clients.append(client)
            peak = max(peak, gateway.resident())
        for client in clients:
            client.settimeout(0.0)
        waiting = []
        for client in clients:
            try:
                if client.recv(1, 2):  # MSG_PEEK
                    client.settimeout(30)
                    assert status_of(client) == 503
                    assert not client.recv(1), "a connection that was sent away goes on"
                    client.close()
                    sent_away += 1
            except BlockingIOError:
                waiting.append(client)
        print(
            f"{number:,} requests of 60 kB and 192 MiB for them: {peak / MIB:.1f} MiB at most,"
            f" {sent_away:,} sent away, {len(waiting):,} served on",
            flush=True,
        )
        assert sent_away and waiting
        assert peak < LIMIT, f"{peak / MIB:.1f} MiB were in use"
        ask(gateway.port, expected=503)
        for client in waiting:
            client.close()
        deadline = time.monotonic() + 30
        while True:
            with connect(gateway.port) as client:
                client.sendall(GET)
                if status_of(client) == 200:
                    break
            assert time.monotonic() < deadline, "nobody is served again"
            time.sleep(0.05)
        comes_back(gateway)
