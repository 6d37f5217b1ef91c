"""Odd requests by the thousand through the gateway to six servers: each takes as many requests out
of the bytes as the client put in, or fewer, and all take the same method, path, fields and body out
of each.

nginx, Apache and HAProxy hand on what they read to a server that notes it; Node, gunicorn and
Python's own server note it themselves. `LONG=1` asks ten times as many.
"""

import collections
import concurrent.futures
import http.server
import json
import os
import pathlib
import re
import socket
import threading

from odd_requests import Maker
from world import PATIENCE, Gateway, Server, digest, listening, same, until

CASES = 5000 if os.environ.get("LONG") == "1" else 500
SERVERS = ("apache", "gunicorn", "haproxy", "nginx", "node", "python")
# What is said of the connection, or by the proxies on the way, is theirs.
COMPARED = ("x-case", "x-odd", "x-list", "x-empty", "x-tab", "cookie", "content-type", "accept",
            "x-user-id", "x-latin")

NODE = """
const http = require("http"), fs = require("fs"), crypto = require("crypto");
const noted = fs.openSync("node.noted", "a");
http.createServer({ insecureHTTPParser: false }, (request, response) => {
  const hash = crypto.createHash("sha256");
  request.on("data", part => hash.update(part));
  request.on("end", () => {
    const fields = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2)
      fields.push([request.rawHeaders[at], request.rawHeaders[at + 1]]);
    const seen = [request.method, request.url, fields, hash.digest("hex")];
    fs.writeSync(noted, JSON.stringify(seen) + "\\n");
    response.end("noted");
  });
}).listen({ fd: Number(process.argv[2]) });
"""
GUNICORN = """
import hashlib, json
noted = open("gunicorn.noted", "a", buffering=1)
def app(environ, start):
    body = environ["wsgi.input"].read()
    if len(body) < int(environ.get("CONTENT_LENGTH") or 0):
        return start("400 Half", []) and []
    fields = [(k[5:].replace("_", "-"), v) for k, v in environ.items() if k.startswith("HTTP_")]
    fields += [("content-type", environ["CONTENT_TYPE"])] if environ.get("CONTENT_TYPE") else []
    seen = [environ["REQUEST_METHOD"], environ["RAW_URI"], fields, hashlib.sha256(body).hexdigest()]
    noted.write(json.dumps(seen) + "\\n")
    start("200 OK", [("Content-Length", "5")])
    return [b"noted"]
"""
APACHE = """
ServerRoot {folder}
ServerName apache.test
PidFile apache.pid
Mutex pthread
Listen 127.0.0.1:{port}
ErrorLog /dev/stderr
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
AllowEncodedSlashes NoDecode
MergeSlashes Off
User www-data
Group www-data
ProxyPass / http://127.0.0.1:{behind}/ nocanon
"""
HAPROXY = """
defaults
 mode http
 timeout connect 5s
 timeout client 30s
 timeout server 30s
frontend f
 bind fd@{front}
 default_backend b
backend b
 server s 127.0.0.1:{behind}
"""


class Notes(http.server.BaseHTTPRequestHandler):
    """Notes each request in the list of the one who handed it on."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.note
        raise AttributeError(name)

    def note(self):
        body = b""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        elif "Content-Length" in self.headers:
            body = self.rfile.read(length := int(self.headers["Content-Length"]))
            # Half a request, as every server but the simplest would notice.
            if len(body) < length:
                return
        # Not `path`, which is tidied up.
        target = self.requestline.split(" ")[1]
        self.server.noted.append([self.command, target, list(self.headers.items()), digest(body)])
        self.send_response(200)
        self.send_header("Content-Length", "0" if self.command == "HEAD" else "5")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"noted")

    def log_message(self, *_):
        pass


def notebook():
    server = Server(("127.0.0.1", 0), Notes)
    server.noted = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start(world):
    """The servers: where each listens, and what each has noted."""
    books = {name: notebook() for name in ("apache", "haproxy", "nginx", "python")}
    ports = {"python": books["python"].server_port}
    nginx = "listen LISTEN; proxy_http_version 1.1; location / {{ proxy_pass http://127.0.0.1:{}; }}"
    nginx += "proxy_set_header Connection ''; proxy_request_buffering off;"
    [ports["nginx"]] = world.nginx("nginx", nginx.format(books["nginx"].server_port))
    front = listening()
    ports["haproxy"] = front.getsockname()[1]
    text = HAPROXY.format(front=front.fileno(), behind=books["haproxy"].server_port)
    world.start("haproxy", "haproxy", "-db", "-q", "-f", world.write("haproxy.cfg", text),
                sockets=[front])
    for name, words in (("node", ["node", world.write("noting.js", NODE)]), ("gunicorn", None)):
        one = listening()
        ports[name] = one.getsockname()[1]
        if name == "gunicorn":
            world.write("noting.py", GUNICORN)
            here = pathlib.Path(os.sys.executable).parent / "gunicorn"
            words = [here, "-w", 1, "-k", "gthread", "--threads", 8, "--bind",
                     f"fd://{one.fileno()}", "noting:app"]
        else:
            words.append(one.fileno())
        world.start(name, *words, sockets=[one])
    # Apache opens its port itself.
    with listening() as one:
        ports["apache"] = one.getsockname()[1]
    modules = "/usr/lib/apache2/modules"
    text = APACHE.format(folder=world.folder, port=ports["apache"], modules=modules,
                         behind=books["apache"].server_port)
    world.folder.chmod(0o755)
    world.start("apache", "apache2", "-f", world.write("apache.conf", text), "-DFOREGROUND")
    until("Apache listens", lambda: connects(ports["apache"]))

    def noted(name):
        if name in books:
            return books[name].noted
        file = world.folder / f"{name}.noted"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return ports, noted


def connects(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def send(port, data):
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as one:
        try:
            # And no end behind it: who closes is gone, and what it asked for may be given up.
            one.sendall(data)
            while one.recv(1 << 16):
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass


def shown(name, seen):
    """A request as all have to see it."""
    method, target, fields, body = seen
    target = target.replace(f"{name}.test", "host.test")
    told = collections.defaultdict(list)
    for name, value in fields:
        if name.lower() in COMPARED:
            told[name.lower()].append(value.strip(" \t").replace("; ", ", "))
    values = {name: ", ".join(one).replace(", ", ",") for name, one in sorted(told.items())}
    # A field that is empty may be left out.
    return method, target, {name: value for name, value in values.items() if value}, body


def check(world):
    ports, noted = start(world)
    upstreams = "".join(
        f'{name} = {{ to = "http://127.0.0.1:{ports[name]}", retries = 0 }}\n' for name in SERVERS
    )
    routes = "".join(
        f'"{name}.test/*" = {{ to = "{name}", allow = "anyone" }}\n' for name in SERVERS
    )
    # Whatever waits for more than was sent waits in vain.
    limits = '[limits]\nhead_timeout = "1s"\nbody_timeout = "1s"\nidle_timeout = "1s"\n'
    gateway = Gateway(world,
                      f'listen = ["127.0.0.1:0"]\n{limits}[upstreams]\n{upstreams}[routes]\n{routes}')
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        sent = []
        for name in SERVERS:
            # The same dice for each: but for the host, all get the same bytes.
            maker = Maker()
            connections = [maker.connection(number, f"{name}.test") for number in range(CASES)]
            sent += [pool.submit(send, gateway.ports[0], one) for one in connections]
        for one in sent:
            one.result()
    gateway.stop()
    views = {name: judge(name, noted(name)) for name in SERVERS}
    cases = sorted(set().union(*views.values()))
    problems = []
    for case in cases:
        seen = {name: view[case] for name, view in views.items() if case in view}
        # Apache takes slashes at the beginning for one, whatever `MergeSlashes` says: a reading that
        # leads to the same rule, or the gateway had refused the path.
        if "apache" in seen:
            others = {re.sub("^/+", "/", one[1]): one[1] for name,
                      one in seen.items() if name != "apache"}
            method, target, *rest = seen["apache"]
            seen["apache"] = (method, others.get(target, target), *rest)
        if len({json.dumps(one) for one in seen.values()}) > 1:
            problems.append(f"{case}: {seen}")
    told = "\n".join(problems[:20])
    assert not problems, f"{told}\n{len(problems)} requests are read in two ways"
    # Nobody agrees for having seen nothing.
    odd = [case for case in cases if not case.endswith("last")]
    assert len(odd) > CASES // 4, f"{len(odd)} odd requests were let through"
    for name, view in views.items():
        assert len(view) > len(cases) * 0.9, f"{name} saw {len(view)} of {len(cases)}"
    refused = {name: len(cases) - len(view) for name, view in views.items()}
    print(f"{CASES} connections to each of {len(SERVERS)} servers: {len(odd)} odd requests let "
          f"through, read alike; refused by {refused}")


def judge(name, seen):
    """What a server saw, by the case that it was of."""
    view = {}
    for one in (shown(name, request) for request in seen):
        case = one[2].get("x-case", "none")
        assert case != "smuggled" and case not in view, f"{name} saw {case} once more: {one}"
        assert "x-user-id" not in one[2], f"{name} was told who calls: {one}"
        view[case] = one
    return view
