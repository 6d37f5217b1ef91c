"""Other proxies in front of a backend, and the gateway beside them: `main.py BINARY CONFIGURATIONS ENVOY`.

Each of them lets through exactly what the `expect` lines of the policy say, tells the backend who
asks, and lets nobody in when the gateway is gone."""

import contextlib
import http.client
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import tomllib

from waiting import free_port, until

PATIENCE = 30
PASSWORD = "Tr1cky-Phrase-77"
IDENTITY = ["x-user-id", "x-user-name", "x-user-email", "x-user-roles", "x-user-email-verified"]
# What no server shall see of a client.
FORGED = {
    "X-User-Id": "forged-1",
    "X-User-Roles": "forged-2",
    "X_User_Id": "forged-3",
    "X_User-Roles": "forged-4",
    "X.User.Id": "forged-5",
    "X-HTTP-Method-Override": "FORGED",
    "X-Original-URL": "/forged",
    "X-Rewrite-URL": "/forged-6",
    "X-Forwarded-Host": "forged.test",
    "X-Forwarded-Prefix": "/forged-7",
    "X-Real-IP": "192.0.2.66",
    "Forwarded": "for=192.0.2.67",
    "Proxy": "http://forged.test",
}
# nginx takes 401 and 403 for a no.
TWO = {"nginx"}


class Backend(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fields = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"method": self.command, "path": self.path, "fields": fields}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Of which proxies may let go as they like."""

    def handle_error(self, *_):
        pass


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def ask(port, method, path, token=None, fields=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Host": "app.test", **(fields or {})}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if body:
        headers["Content-Type"] = "application/json"
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


class World:
    """The gateway with its users, a backend, and the configurations with ports that are free."""

    def __init__(self, binary, configurations, folder):
        self.binary, self.folder = binary, pathlib.Path(folder)
        self.backend = Server(("127.0.0.1", 0), Backend)
        threading.Thread(target=self.backend.serve_forever, daemon=True).start()
        self.gate = free_port()
        self.configurations = configurations
        self.policy = self.configured("portcullis.toml", 0)
        self.expected = tomllib.loads(self.policy.read_text())["expect"]
        for name, role in ("alice", "editor"), ("bob", None):
            words = [binary, "--config", self.policy, "user", "add", name, "--stdin"]
            words += ["--role", role] if role else []
            subprocess.run(words, input=PASSWORD + "\n", text=True, check=True, capture_output=True)
        self.process = None
        self.start()

    def start(self):
        words = [self.binary, "--config", self.policy, "serve"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("the gateway", lambda: listens(self.gate))

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0

    def configured(self, name, door):
        """A configuration with our ports in the place of its own."""
        ports = {"8080": door, "8081": self.gate, "9000": self.backend.server_port}
        text = (self.configurations / name).read_text()
        text = re.sub(r"\b(8080|8081|9000)\b", lambda found: str(ports[found[0]]), text)
        path = self.folder / name
        path.write_text(text)
        return path

    def log_in(self, door, name):
        account = json.dumps({"username": name, "password": PASSWORD})
        status, _, body = ask(door, "POST", "/api/auth/token/", body=account)
        assert status == 200, (status, body)
        return json.loads(body)["access"]


def tried(world, proxy, door):
    callers = {"anyone": (None, None)}
    for who, name in ("user", "bob"), ("role:editor", "alice"):
        callers[who] = world.log_in(door, name), name
    passed = 0
    for line in world.expected:
        who, method, path, _, outcome = line.split()
        token, name = callers[who]
        status, headers, body = ask(door, method, path, token, FORGED)
        if outcome == "app":
            assert status == 200, (proxy, line, status, body)
            seen = json.loads(body)
            assert (seen["method"], seen["path"]) == (method, path), (proxy, line, seen)
            told = {field: value for field, value in seen["fields"].items() if field in IDENTITY and value}
            assert told.get("x-user-name") == name, (proxy, line, told)
            assert told.get("x-user-roles") == ("editor" if name == "alice" else None), (proxy, line, told)
            assert ("x-user-id" in told) == bool(name), (proxy, line, told)
            assert "authorization" not in seen["fields"], (proxy, line, seen)
            forged = {field: value for field, value in seen["fields"].items() if value in FORGED.values()}
            assert not forged, (proxy, line, forged)
            passed += 1
        else:
            refusal = int(outcome)
            known = 403 if proxy in TWO and refusal != 401 else refusal
            assert status == known, (proxy, line, status, body)
            if refusal == 401:
                assert headers["WWW-Authenticate"] == 'Bearer realm="api"', (proxy, headers)
    assert 0 < passed < len(world.expected)
    # The gateway's own endpoints are its own, by whatever spelling.
    status, _, body = ask(door, "GET", "/api/auth/profile/", callers["user"][0])
    assert status == 200 and json.loads(body)["username"] == "bob", (proxy, status, body)
    for path in ("/api/auth", "/%61pi/auth/profile/", "/.well-known/jwks.json"):
        status, headers, body = ask(door, "GET", path)
        assert b'"fields"' not in body, (proxy, path, status, body)
    # As it was judged, so it goes on.
    path = "/public/a%20b%2Fc?x=%2e%2e&y=/../z"
    status, _, body = ask(door, "GET", path)
    assert status == 200 and json.loads(body)["path"] == path, (proxy, status, body)
    for path in ("/public/../orders/7", "/public/#/../../orders/7"):
        status, _, body = ask(door, "GET", path)
        assert status in (400, 401, 403, 404), (proxy, path, status, body)

    world.stop()
    status, _, body = ask(door, "GET", "/public/x")
    assert status >= 500 or status == 403, (proxy, status, body)
    world.start()
    print(f"{proxy}: {len(world.expected)} expectations met, {passed} of them let through", flush=True)


@contextlib.contextmanager
def running(words, door, folder):
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        def is_there():
            assert process.poll() is None, (folder / "proxy.log").read_text()
            return listens(door)

        until(words[0], is_there)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def main(binary, configurations, envoy):
    configurations = pathlib.Path(configurations)
    with tempfile.TemporaryDirectory() as folder:
        world = World(binary, configurations, folder)
        try:
            shutil.copy(configurations / "forward-auth.lua", folder)
            for proxy, name, words in (
                ("nginx", "nginx.conf", ["nginx", "-p", folder, "-e", "stderr", "-g", "daemon off; pid nginx.pid;", "-c"]),
                ("Caddy", "Caddyfile", ["caddy", "run", "--adapter", "caddyfile", "--config"]),
                ("HAProxy", "haproxy.cfg", ["haproxy", "-f"]),
                ("Envoy, by gRPC", "envoy-grpc.yaml", [envoy, "--log-level", "error", "--base-id", str(free_port()), "-c"]),
                ("Envoy", "envoy.yaml", [envoy, "--log-level", "error", "--base-id", str(free_port()), "-c"]),
            ):
                door = free_port()
                words = [*words, str(world.configured(name, door))]
                with running(words, door, pathlib.Path(folder)):
                    tried(world, proxy, door)
        finally:
            world.process.kill()


main(*sys.argv[1:])
