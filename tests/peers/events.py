"""Server-sent events by `curl -N`: each is there before the next is made, and a client that is
killed ends the request upstream."""

import re
import select
import signal
import subprocess

from world import Gateway, PATIENCE, listening, login, same


def check(world):
    world.authority()
    world.certificate("app", "app.test")
    upstream = listening()
    upstream.settimeout(PATIENCE)
    gateway = Gateway(world, f"""
listen = ["127.0.0.1:0", {{ addr = "127.0.0.1:0", tls = true }}]
[tls]
cert = "app.pem"
key = "app.key"
[upstreams]
events = {{ to = "http://127.0.0.1:{upstream.getsockname()[1]}" }}
[routes]
"/*" = {{ to = "events" }}
""")
    gateway.add("alice")
    plain, secure = gateway.ports
    token = login("alice", f"http://127.0.0.1:{plain}")
    reach = ["--cacert", world.folder / "ca.pem", "--connect-to", f"app.test:443:127.0.0.1:{secure}"]
    for words in (
        ["--http1.1", f"http://127.0.0.1:{plain}/events"],
        ["--http2-prior-knowledge", f"http://127.0.0.1:{plain}/events"],
        ["--http1.1", *reach, "https://app.test/events"],
        ["--http2", *reach, "https://app.test/events"],
    ):
        for framing in ("chunked", "close"):
            one(world, upstream, words, token, framing)
    shut_out(world, gateway, upstream, f"http://127.0.0.1:{plain}/events", token)
    gateway.stop()


def open_stream(world, upstream, words, token, framing):
    """A curl that reads, and the connection that feeds it."""
    client = world.start(
        "curl", "curl", "-sSN", "-H", f"Authorization: Bearer {token}", *words,
        stdout=subprocess.PIPE,
    )
    feed, _ = upstream.accept()
    feed.settimeout(PATIENCE)
    head = b""
    while b"\r\n\r\n" not in head:
        head += feed.recv(65536)
    assert re.search(rb"(?i)x-user-name: alice\r\n", head), head
    field = b"Transfer-Encoding: chunked" if framing == "chunked" else b"Connection: close"
    feed.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + field + b"\r\n\r\n")
    return client, feed


def emit(client, feed, framing, number):
    """One event, and the proof that it came: nothing else is sent meanwhile."""
    event = b"data: %d\n\n" % number
    feed.sendall(b"%x\r\n%s\r\n" % (len(event), event) if framing == "chunked" else event)
    got = b""
    while not got.endswith(b"\n\n"):
        ready, _, _ = select.select([client.stdout], [], [], PATIENCE)
        assert ready, f"event {number} did not come"
        piece = client.stdout.read1(100)
        assert piece, f"the stream ended before event {number}"
        got += piece
    same("an event", got, event)


def one(world, upstream, words, token, framing):
    client, feed = open_stream(world, upstream, words, token, framing)
    with feed:
        for number in range(5):
            emit(client, feed, framing, number)
        world.end(client, signal.SIGKILL)
        same("what the upstream hears of a client that is gone", end_of(feed), b"")


def shut_out(world, gateway, upstream, url, token):
    """Whoever is shut out has no more events, and an end that a browser understands."""
    client, feed = open_stream(world, upstream, [url], token, "chunked")
    with feed:
        emit(client, feed, "chunked", 1)
        gateway.user("deactivate", "alice")
        same("what the upstream hears", end_of(feed), b"")
        same("curl's end", client.wait(PATIENCE), 0)


def end_of(feed):
    try:
        return feed.recv(1)
    except ConnectionResetError:
        return b""
