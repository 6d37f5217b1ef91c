"""A gateway with people in it, what is asked of it, and how soon it is well again."""

import contextlib
import http.client
import http.server
import json
import threading
import time

from running import Gateway

PASSWORD = "correct horse battery 7"
HOST = "app.test"
# Longest wait for one answer.
PATIENCE = 15
# In how many seconds all has to be well once a fault is over, and what a busy machine may add.
WITHIN = 1.0
MARGIN = 1.0
# Of every policy here: hashes of the usual size would be most of what is waited for.
COMMON = """
[auth.password]
memory = "64KiB"
passes = 1
"""


class Answer:
    """One that came whole, or broke off."""

    def __init__(self, status, fields, body, whole=True):
        self.status, self.body, self.whole = status, body, whole
        self.fields = {name.lower(): value for name, value in fields}

    @property
    def code(self):
        return json.loads(self.body)["code"] if self.body.startswith(b'{"detail"') else None

    def json(self):
        return json.loads(self.body)

    def __str__(self):
        return f"{self.status} {self.body[:200]!r}{'' if self.whole else ', broken off'}"


def ask(port, method, path, token=None, body=None, connection=None, **fields):
    """One request, on a connection of its own unless there is one."""
    fields |= {"Host": HOST} | ({"Authorization": f"Bearer {token}"} if token else {})
    own = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        own.request(method, path, body, fields)
        answer = own.getresponse()
        try:
            return Answer(answer.status, answer.getheaders(), answer.read())
        except http.client.IncompleteRead as broken:
            return Answer(answer.status, answer.getheaders(), broken.partial, whole=False)
    finally:
        if not connection:
            own.close()


def same(what, got, wanted):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


class Stage(Gateway):
    """A gateway in a folder of its own."""

    def ask(self, method, path, token=None, body=None, connection=None, **fields):
        return ask(self.port, method, path, token, body, connection, **fields)

    def post(self, endpoint, bearer=None, **members):
        body = json.dumps(members)
        return self.ask("POST", f"/api/auth/{endpoint}/", bearer, body, **{"Content-Type": "application/json"})

    def told(self, status, endpoint, bearer=None, **members):
        answer = self.post(endpoint, bearer, **members)
        assert answer.status == status, f"{endpoint}: {answer} instead of {status}"
        return answer.json()

    def register(self, name, **more):
        self.told(201, "register", username=name, password=PASSWORD, **more)

    def log_in(self, name):
        return self.told(200, "token", username=name, password=PASSWORD)

    def well(self, what, look, more=0):
        """Asks until it is as it should be, which has to be soon, or `more` seconds later; returns how long it took."""
        began = time.monotonic()
        while True:
            took = time.monotonic() - began
            try:
                if look():
                    return took
                seen = "not so"
            except (OSError, http.client.HTTPException, AssertionError) as error:
                seen = repr(error)
            assert took < WITHIN + MARGIN + more, f"{what}: not within {took:.1f} s: {seen}\n{self.said()}"
            time.sleep(0.02)


def write_policy(folder, policy):
    (folder / "portcullis.toml").write_text(f'listen = ["127.0.0.1:0"]\n{policy}\n{COMMON}')


@contextlib.contextmanager
def stage(binary, policy, folder, **how):
    """Serves the policy until the end, which has to be a clean one."""
    folder.mkdir(exist_ok=True)
    write_policy(folder, policy)
    gateway = Stage(binary, folder, **how)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(self.path)
        body = f"{self.server.name} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """A good one: says its name and what it was asked for."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name="good", host="127.0.0.1", port=0):
        super().__init__((host, port), Handler)
        self.name, self.seen = name, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        # That of the library asks a name server for the name of this machine.
        http.server.socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]
