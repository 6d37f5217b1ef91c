"""No file descriptor is left: what is there goes on, what is new waits or is told so, and no server is blamed."""

import contextlib
import http.client
import resource
import socket
import time

from waiting import until
from world import PATIENCE, Server, same, stage

# What it may open beyond what it has, and who comes then.
SPARE, CROWD = 4, 40
# Several health checks long, of which three bad ones would put a server out.
LONG = 1.0
PATHS = ("/mine/x", "/app/x", "/checked/x")
ALL = (*PATHS, "/new/x")
POLICY = """
workers = 2
[upstreams]
app = {{ to = ["http://127.0.0.1:{0}", "http://127.0.0.1:{1}"] }}
[upstreams.checked]
to = ["http://127.0.0.1:{0}", "http://127.0.0.1:{1}"]
health = {{ path = "/healthz", interval = "100ms" }}
[upstreams.new]
to = ["http://127.0.0.1:{0}", "http://127.0.0.1:{1}"]
[routes]
"/new/*" = {{ to = "new", allow = "anyone" }}
"/app/*" = {{ to = "app", allow = "anyone" }}
"/checked/*" = {{ to = "checked", allow = "anyone" }}
"/mine/*" = {{ to = "app" }}
"""


def used(gateway):
    return sum(gateway.open_files().values())


@contextlib.contextmanager
def no_files_left(gateway):
    before = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)
    most = used(gateway) + SPARE
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield most
    finally:
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, before)


def crowd(gateway, stack, request):
    """Clients who hold what they get, and say that much."""
    clients = []
    for _ in range(CROWD):
        clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)))
        clients[-1].sendall(request)
    return clients


def status_of(client):
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status


def files(binary, folder):
    servers = [Server("one"), Server("two")]
    policy = POLICY.format(*(one.server_port for one in servers))
    with stage(binary, policy, folder) as gateway, contextlib.ExitStack() as stack:
        gateway.register("alice")
        token = gateway.log_in("alice")["access"]
        olds = [http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE) for _ in range(8)]

        def ask_all():
            for old in olds:
                for path in PATHS:
                    answer = gateway.ask("GET", path, token, connection=old)
                    same(f"{path} on a connection that was there", answer.status, 200)

        ask_all()
        with no_files_left(gateway) as most:
            crowd(gateway, stack, b"GET /app/x HTTP/1.1\r\n")
            until("no file is left", lambda: used(gateway) >= most)
            late = crowd(gateway, stack, b"GET /app/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            began, rounds = time.monotonic(), 0
            while time.monotonic() - began < LONG:
                ask_all()
                rounds += 1
            # What needs another connection is told whose fault it is, and when to come again.
            answer = gateway.ask("GET", "/new/x", token, connection=olds[0])
            same("a new one", (answer.status, answer.code, answer.fields["retry-after"]), (503, "overloaded", "1"))
        took = gateway.well("everything", lambda: all(gateway.ask("GET", path, token).status == 200 for path in ALL))
        same("those who came meanwhile", {status_of(client) for client in late}, {200})
        assert "passed over" not in gateway.log.read_text(), gateway.said()
        up = [value for name, value in gateway.metrics().items() if name.startswith("portcullis_upstream_server_up{")]
        same("servers that are up", up, [1] * 6)
        for old in olds:
            old.close()
    print(f"files: none left, {len(olds)} connections went on for {rounds} rounds, {CROWD} new ones waited and were "
          f"served; well {took * 1000:.0f} ms later")
