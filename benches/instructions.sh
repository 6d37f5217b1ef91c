#!/usr/bin/env bash
# User-space instructions per proxied request, counted by callgrind on the release binary.
#
#   cargo build --release && benches/instructions.sh [BINARY]
#   ACCESS_LOG=true benches/instructions.sh      # with the access log, which is off else
#   PROFILE=/tmp/out benches/instructions.sh     # keeps callgrind.out.CASE.N, for callgrind_annotate
#
# Two runs a case, of 200 and of 1200 keep-alive requests: what start and shutdown cost cancels
# out, and the count is the same to a few in a thousand whatever else the machine does. The
# upstream runs outside of valgrind, and its answer is 128 bytes. Cases: `public` (a route for
# anyone), `protected` (a route for users, with a token that the gateway has seen), `cold` (a new
# and good token with each request), `refused` (no credential: 401), `bad` (a new token with each
# request, in turn over, changed, signed with another key, and unsigned: 401).
set -euo pipefail
cd "$(dirname "$0")/.."
binary="$(realpath "${1:-${CARGO_TARGET_DIR:-target}/release/portcullis}")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
BINARY="$binary" WORK="$work" PROFILE="${PROFILE:-}" python3 - <<'PY'
import base64, hmac, json, os, re, signal, socket, subprocess, threading, time

WORK, BINARY, PROFILE = (os.environ[name] for name in ("WORK", "BINARY", "PROFILE"))
SECRET = "a secret of more than thirty-two bytes"
ANSWER = (b"HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
          b"Content-Type: text/plain\r\nContent-Length: 128\r\n\r\n" + b"x" * 128)


def upstream():
    """A keep-alive server that reads heads and nothing else. Returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen = b""
        while data := connection.recv(65536):
            seen += data
            while b"\r\n\r\n" in seen:
                seen = seen.split(b"\r\n\r\n", 1)[1]
                connection.sendall(ANSWER)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Gateway:
    """The gateway, perhaps under a tool, from its start to a clean end."""

    def __init__(self, *tool):
        # To a file: valgrind's total is in it, and a full pipe would stop the gateway.
        self.log = open(f"{WORK}/log", "w+")
        command = [*tool, BINARY, "--config", f"{WORK}/portcullis.toml"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.connection = self.connect()

    def connect(self):
        end = time.monotonic() + 60
        while True:
            said = open(f"{WORK}/log").read()
            if at := re.search(r"listening on http://127.0.0.1:(\d+)", said):
                return socket.create_connection(("127.0.0.1", int(at[1])), 60)
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(said)
            time.sleep(0.05)

    def ask(self, head, body=b""):
        self.connection.sendall(head + b"\r\n" + body)
        seen = b""
        while b"\r\n\r\n" not in seen:
            seen += self.connection.recv(65536)
        head, rest = seen.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(rest) < length:
            rest += self.connection.recv(65536)
        return int(head.split()[1]), rest

    def post(self, path, value):
        body = json.dumps(value).encode()
        head = (f"POST {path} HTTP/1.1\r\nHost: gate.test\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n").encode()
        status, answer = self.ask(head, body)
        assert status in (200, 201), (status, answer)
        return json.loads(answer)

    def end(self):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return open(f"{WORK}/log").read()


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def mint(number, life=3600, alg="HS256", secret=SECRET):
    """A token of the first user, made elsewhere with the shared key."""
    now = int(time.time())
    claims = {"token_type": "access", "exp": now + life, "iat": now - 60, "jti": f"{number:032x}",
              "user_id": "1"}
    message = ".".join(part(json.dumps(it).encode()) for it in ({"alg": alg, "typ": "JWT"}, claims))
    return message + "." + part(hmac.digest(secret.encode(), message.encode(), "sha256"))


def bad(number):
    match number % 4:
        case 0:
            return mint(number, life=-1)
        case 1:
            message, signature = mint(number).rsplit(".", 1)
            return message + "." + ("A" if signature[0] != "A" else "B") + signature[1:]
        case 2:
            return mint(number, secret="x" * 40)
        case _:
            return mint(number, alg="none")


def count(case, head, expected, requests):
    out = f"{PROFILE}/callgrind.out.{case}.{requests}" if PROFILE else "/dev/null"
    gateway = Gateway("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
    for number in range(requests):
        status, answer = gateway.ask(head(number))
        assert status == expected, (status, answer)
    return int(re.search(r"Collected : (\d+)", gateway.end())[1])


with open(f"{WORK}/portcullis.toml", "w") as file:
    file.write(f"""
listen = ["127.0.0.1:0"]
workers = 1
[auth.signing]
algorithm = "HS256"
secret = "{SECRET}"
[auth.throttle]
register = "off"
[upstreams]
bare.to = "http://127.0.0.1:{upstream()}"
[routes]
"/api/*" = {{ to = "bare" }}
"/public/*" = {{ to = "bare", allow = "anyone" }}
[log]
access = {os.environ.get("ACCESS_LOG", "false")}
""")
gateway = Gateway()
user = {"username": "ann", "email": "ann@example.com", "password": "a long passphrase"}
gateway.post("/api/auth/register/", user)
token = gateway.post("/api/auth/token/", user)["access"]
gateway.end()
HEAD = "GET {} HTTP/1.1\r\nHost: gate.test\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\n"
CASES = {
    "public": ("/public/orders/42", None, 200),
    "protected": ("/api/orders/42", lambda _: token, 200),
    "cold": ("/api/orders/42", mint, 200),
    "refused": ("/api/orders/42", None, 401),
    "bad": ("/api/orders/42", bad, 401),
}
for case, (path, credential, expected) in CASES.items():
    def head(number):
        more = f"Authorization: Bearer {credential(number)}\r\n" if credential else ""
        return (HEAD.format(path) + more).encode()

    few, many = (count(case, head, expected, requests) for requests in (200, 1200))
    print(f"{case}: {(many - few) / 1000:.0f} instructions a request", flush=True)
PY
