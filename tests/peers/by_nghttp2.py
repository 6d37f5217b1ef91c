"""nghttp2's tools: many requests at once, and none lost."""

import os
import re

from world import Gateway, digest, login, run, same, sums

REQUESTS = 20_000
UPLOADS = 200


def check(world):
    world.authority()
    world.certificate("app", "127.0.0.1")
    content = os.urandom(100_000)
    part = world.write("part", content)
    gateway = Gateway(world, f"""
listen = ["127.0.0.1:0", {{ addr = "127.0.0.1:0", tls = true }}]
[tls]
cert = "app.pem"
key = "app.key"
[upstreams]
sums = {{ to = "http://127.0.0.1:{sums()}" }}
who = {{ whoami = true }}
[routes]
"/sums/*" = {{ to = "sums" }}
"/*" = {{ to = "who" }}
[limits]
h2_streams = 100
""")
    gateway.add("load")
    plain, secure = gateway.ports
    token = login("load", f"http://127.0.0.1:{plain}")
    bearer = ["-H", f"authorization: Bearer {token}"]
    for url in (f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{secure}"):
        load(REQUESTS, "-c", 2, "-m", 100, *bearer, f"{url}/a")
        load(UPLOADS, "-c", 2, "-m", 20, "-d", part, *bearer, f"{url}/sums/x")
        load(UPLOADS, "-c", 2, "-m", 20, "-d", part, f"{url}/sums/x", good="4xx")
        sent = run("nghttp", "-d", part, "-H", "x-user-name: root", *bearer, f"{url}/sums/x")
        same("nghttp: upload", sent.stdout.decode(), digest(content))
        trailed = run("nghttp", "-d", part, "--trailer", "x-user-name: root", *bearer,
                      f"{url}/sums/x")
        same("nghttp: trailers", trailed.stdout.decode(), digest(content))
    lines = gateway.stop()
    count = 2 * (REQUESTS + 2 * UPLOADS + 2) + 1
    same("lines in the access log", len(lines), count)


def load(count, *words, good="2xx"):
    told = run("h2load", "-n", count, *words).stdout.decode()
    line = re.search(r"requests: .*", told)[0]
    whole = f"{count} total, {count} started, {count} done"
    assert whole in line and " 0 errored, 0 timeout" in line, told
    assert f" {count} {good}" in re.search(r"status codes: .*", told)[0], told
