"""Odd requests by the thousand through the gateway to six servers: each takes as many requests out of the bytes as the
client put in, or fewer, and all take the same method, path, fields and body out of each.

nginx, Apache and HAProxy hand on what they read to a server that notes it; Node, gunicorn and Python's own server note
it themselves. `LONG=1` asks ten times as many. The requests are the same in each run.
"""

import collections
import concurrent.futures
import http.server
import json
import os
import pathlib
import random
import re
import socket
import threading

from world import PATIENCE, Gateway, Server, digest, listening, same, until

CASES = 5000 if os.environ.get("LONG") == "1" else 500
SERVERS = ("apache", "gunicorn", "haproxy", "nginx", "node", "python")
# What is said of the connection, or by the proxies on the way, is theirs.
COMPARED = ("x-case", "x-odd", "x-list", "x-empty", "x-tab", "cookie", "content-type", "accept", "x-user-id", "x-latin")
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\nX-Case: smuggled\r\n\r\n"

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
    fs.writeSync(noted, JSON.stringify([request.method, request.url, fields, hash.digest("hex")]) + "\\n");
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
    nginx = "listen LISTEN; location / {{ proxy_pass http://127.0.0.1:{}; proxy_http_version 1.1; }}"
    nginx += "proxy_set_header Connection ''; proxy_request_buffering off;"
    [ports["nginx"]] = world.nginx("nginx", nginx.format(books["nginx"].server_port))
    front = listening()
    ports["haproxy"] = front.getsockname()[1]
    text = HAPROXY.format(front=front.fileno(), behind=books["haproxy"].server_port)
    world.start("haproxy", "haproxy", "-db", "-q", "-f", world.write("haproxy.cfg", text), sockets=[front])
    for name, words in (("node", ["node", world.write("noting.js", NODE)]), ("gunicorn", None)):
        one = listening()
        ports[name] = one.getsockname()[1]
        if name == "gunicorn":
            world.write("noting.py", GUNICORN)
            here = pathlib.Path(os.sys.executable).parent / "gunicorn"
            words = [here, "-w", 1, "-k", "gthread", "--threads", 8, "--bind", f"fd://{one.fileno()}", "noting:app"]
        else:
            words.append(one.fileno())
        world.start(name, *words, sockets=[one])
    # Apache opens its port itself.
    with listening() as one:
        ports["apache"] = one.getsockname()[1]
    modules = "/usr/lib/apache2/modules"
    text = APACHE.format(folder=world.folder, port=ports["apache"], modules=modules, behind=books["apache"].server_port)
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


class Maker:
    """Makes the requests; most of them have one or two things in them that are odd."""

    PIECES = ["/a", "/b", "/", "//", "/.", "/..", "/%2e", "/%2E%2e", "/%2F", "%2f", "%5C", ";v=1", "/a;b", "%25", "%252e",
              "/~u", "%7Eu", "%C3%A9", "/x y", "\\", "%00", "%zz", "/%41", "?q=1", "?q=/../x&a=%2F", "#f", "*", "/+",
              "|", "[", "é", "'", "\"", "/" + "long" * 300]
    FIELDS = ["X-Odd: plain", "x-odd:nospace", "X-Odd:  spaces  ", "X-Odd: a\r\nX-Odd: b", "X-List: a, b", "X-List: a,b\r\nX-List: c",
              "X-Empty:", "X-Tab:\ta\tb", "Cookie: a=b", "Cookie: a=b\r\nCookie: c=d", "Accept: */*", "X-User-Id: 1", "x_user_id: 1",
              "X_Odd: dropped", "Connection: X-Odd", "Connection: keep-alive", "TE: trailers", "Trailer: X-Odd", "Upgrade: h2c",
              "Expect: 100-continue", "Keep-Alive: 5", "X-Latin: caf\xe9", "Content-Type: text/plain", "Proxy-Connection: close"]
    BROKEN = ["X-Odd : before the colon", " X-Odd: before the name", "X-Odd: folded\r\n over", "no colon", ": no name", "X-Odd: \x00",
              "X-Odd: a\rb", "X-Odd: a\nX-Odd: b", "X-Odd: \x0b", "X\xe9: name", "X(Odd: name", "Host: second.test",
              "Connection: Content-Length", "Connection: Transfer-Encoding", "Connection: Host"]
    LENGTHS = ["Content-Length: {}", "content-length:{}", "Content-Length:  {}  ", "Content-Length: 0{}", "Content-Length: +{}",
               "Content-Length: {}, {}", "Content-Length: {}\r\nContent-Length: {}", "Content-Length: {}\r\nContent-Length: 0",
               "Content-Length : {}", "Content_Length: {}", "Content-Length: 0x{}", "Content-Length: {}.0", "Content-Length: -{}",
               "Content-Length: {}\r\nTransfer-Encoding: chunked", "Content-Length: {}\r\nTransfer-Encoding: identity"]
    CODINGS = ["Transfer-Encoding: chunked", "transfer-encoding:chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding:\tchunked",
               "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked",
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer_Encoding: chunked",
               "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked\r\nContent-Length: 4", "Transfer-Encoding:\x0bchunked",
               "Transfer-Encoding:\r\n chunked", "X: y\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked;q=1"]
    SIZES = ["{:x}", "{:X}", "000{:x}", "{:x};ext", "{:x};ext=\"a b\"", "{:x} ", "0x{:x}", "+{:x}", "-{:x}", "{:x}\t;a", "{:x}\n", "{:x};\n", "1{:016x}"]

    def __init__(self):
        self.dice = random.Random(9112)

    def pick(self, usual, odd, chance):
        return self.dice.choice(odd) if self.dice.random() < chance else usual

    def target(self, host):
        path = "".join(self.dice.choice(self.PIECES) for _ in range(self.dice.randint(0, 4)))
        path = path if path.startswith("/") or self.dice.random() < 0.05 else f"/{path}"
        return self.pick(path, [f"http://{host}{path}", f"http://other.test{path}", f"//{host}{path}", "*"], 0.06)

    def body(self):
        content = self.dice.choice([b"abc", b"", b"x" * 3000, b"0\r\n\r\n" + SMUGGLED, b"\r\n\r\n"])
        kind = self.dice.random()
        if kind < 0.35:
            return "", b""
        if kind < 0.65:
            field = self.pick(self.LENGTHS[0], self.LENGTHS, 0.4)
            return field.replace("{}", str(len(content))), content
        size = self.pick(self.SIZES[0], self.SIZES, 0.25)
        end = self.pick("\r\n", ["\n", "", "\r"], 0.05)
        chunks = "".join(f"{size.format(len(part))}\r\n{part}{end}" for part in [content.decode()] if part)
        trailer = self.pick("", ["X-Odd: trailer\r\n", "Content-Length: 3\r\n", "X-User-Id: 1\r\n", "bad trailer\r\n", " X: y\r\n"], 0.3)
        return self.pick(self.CODINGS[0], self.CODINGS, 0.3), f"{chunks}0\r\n{trailer}\r\n".encode("latin-1")

    def request(self, case, host):
        method = self.pick("POST", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "get", "TRACE", "PO ST"], 0.5)
        version = self.pick("HTTP/1.1", ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""], 0.06)
        framing, body = self.body()
        fields = [f"Host: {host}", f"X-Case: {case}", framing]
        fields += [self.dice.choice(self.FIELDS) for _ in range(self.dice.randint(0, 3))]
        fields += [self.dice.choice(self.BROKEN)] if self.dice.random() < 0.1 else []
        self.dice.shuffle(fields)
        lines = [self.pick(f"{method} {self.target(host)} {version}", ["", "\r\nGET / HTTP/1.1"], 0.01)]
        lines += [field for field in fields if field]
        line_end = self.pick("\r\n", ["\n", "\r"], 0.01)
        head = line_end.join(lines) + line_end * 2
        return head.encode("latin-1", "replace") + body

    def connection(self, number, host):
        requests = [self.request(f"{number}.{part}", host) for part in range(self.dice.randint(1, 3))]
        last = f"GET /last HTTP/1.1\r\nHost: {host}\r\nX-Case: {number}.last\r\nConnection: close\r\n\r\n"
        return b"".join(requests) + last.encode()


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
    upstreams = "".join(f'{name} = {{ to = "http://127.0.0.1:{ports[name]}", retries = 0 }}\n' for name in SERVERS)
    routes = "".join(f'"{name}.test/*" = {{ to = "{name}", allow = "anyone" }}\n' for name in SERVERS)
    # Whatever waits for more than was sent waits in vain.
    limits = '[limits]\nhead_timeout = "1s"\nbody_timeout = "1s"\nidle_timeout = "1s"\n'
    gateway = Gateway(world, f'listen = ["127.0.0.1:0"]\n{limits}[upstreams]\n{upstreams}[routes]\n{routes}')
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
        # Apache takes slashes at the beginning for one, whatever `MergeSlashes` says: a reading that leads to the same
        # rule, or the gateway had refused the path.
        if "apache" in seen:
            others = {re.sub("^/+", "/", one[1]): one[1] for name, one in seen.items() if name != "apache"}
            method, target, *rest = seen["apache"]
            seen["apache"] = (method, others.get(target, target), *rest)
        if len({json.dumps(one) for one in seen.values()}) > 1:
            problems.append(f"{case}: {seen}")
    assert not problems, "\n".join(problems[:20]) + f"\n{len(problems)} requests are read in two ways"
    # Nobody agrees for having seen nothing.
    odd = [case for case in cases if not case.endswith("last")]
    assert len(odd) > CASES // 4, f"{len(odd)} odd requests were let through"
    for name, view in views.items():
        assert len(view) > len(cases) * 0.9, f"{name} saw {len(view)} of {len(cases)}"
    refused = {name: len(cases) - len(view) for name, view in views.items()}
    print(f"{CASES} connections to each of {len(SERVERS)} servers: {len(odd)} odd requests let through, read alike; refused by {refused}")


def judge(name, seen):
    """What a server saw, by the case that it was of."""
    view = {}
    for one in (shown(name, request) for request in seen):
        case = one[2].get("x-case", "none")
        assert case != "smuggled" and case not in view, f"{name} saw {case} once more: {one}"
        assert "x-user-id" not in one[2], f"{name} was told who calls: {one}"
        view[case] = one
    return view
