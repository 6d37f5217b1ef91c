"""What every part needs: a folder, processes that end with it, certificates, a gateway, curl."""

import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PASSWORD = "correct horse battery"
PATIENCE = 20
BLOB = os.urandom(1 << 20) * 20
POLICY = """
[auth.throttle]
account = "off"
address = "off"
register = "off"
"""


def digest(content):
    return hashlib.sha256(content).hexdigest()


def same(what, got, wanted):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def until(what, question):
    """Asks until the answer is true, which is then the answer."""
    end = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < end, f"in vain for {PATIENCE} s: {what}"
        time.sleep(0.01)
    return answer


def run(*command, **options):
    options = {"capture_output": True, "timeout": 60, "check": True} | options
    try:
        return subprocess.run([str(word) for word in command], **options)
    except subprocess.CalledProcessError as error:
        raise AssertionError(f"{command}: {error.stdout!r} {error.stderr!r}") from error


class World:
    """A folder in which processes run; both are gone afterwards."""

    def __init__(self, binary):
        self.binary = binary
        # Short, for the path of a unix socket has a bound.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="peers"))
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in reversed(self.processes):
            self.end(process)
        if kind:
            for log in sorted(self.folder.glob("*.err")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", flush=True)
        shutil.rmtree(self.folder)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self, name, *command, sockets=(), **options):
        """A process in the folder, with listening sockets that become its own."""
        handles = [one.fileno() for one in sockets]
        with open(self.folder / f"{name}.err", "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=self.folder, stderr=log, pass_fds=handles, **{"stdout": log} | options,
            )
        self.processes.append(process)
        for one in sockets:
            one.close()
        return process

    def end(self, process, how=signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()

    def nginx(self, name, *servers, stream=(), http=""):
        """Servers of nginx, each a text with `LISTEN` for where; returns the ports.

        The sockets are there before nginx is, so that nobody has to wait for it.
        """
        sockets, texts = [], []
        for server in (*servers, *stream):
            sockets.append(listening())
            port = sockets[-1].getsockname()[1]
            texts.append("server {" + server.replace("LISTEN", f"127.0.0.1:{port}") + "}")
        ports = [one.getsockname()[1] for one in sockets]
        where = "".join(
            f"{kind}_temp_path {name}.{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        told = run("nginx", "-V").stderr.decode()
        modules = re.search(r"--modules-path=(\S+)", told)[1]
        head = f"daemon off; pid {name}.pid; worker_processes 1; error_log stderr notice;\n"
        head += "user root;\n" if os.geteuid() == 0 else ""
        head += f"load_module {modules}/ngx_stream_module.so;\n" if stream else ""
        split = len(servers)
        text = f"{head}events {{}}\nhttp {{ access_log off; {where}\n{http}\n"
        text += "\n".join(texts[:split]) + "\n}\n"
        text += "stream {\n" + "\n".join(texts[split:]) + "\n}\n" if stream else ""
        config = self.write(f"{name}.conf", text)
        handles = "".join(f"{one.fileno()};" for one in sockets)
        self.start(
            name, "nginx", "-p", f"{self.folder}/", "-e", "stderr", "-c", config,
            sockets=sockets, env=os.environ | {"NGINX": handles},
        )
        return ports

    def haproxy(self, name, port, how):
        """HAProxy before `port`; `how` is what its `server` line says more. Returns its port."""
        front = listening()
        behind = front.getsockname()[1]
        config = self.write(
            f"{name}.cfg",
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
            f"frontend f\n bind fd@{front.fileno()}\n default_backend b\n"
            f"backend b\n server s 127.0.0.1:{port} {how}\n",
        )
        self.start(name, "haproxy", "-db", "-q", "-f", config, sockets=[front])
        return behind

    def authority(self):
        """Makes `ca.pem` and its key."""
        self.openssl("req", "-x509", "-nodes", "-newkey", *CURVE, "-days", "2", "-subj", "/CN=ca",
                     "-keyout", "ca.key", "-out", "ca.pem")

    def certificate(self, name, subject):
        """Makes `name.pem` and `name.key` for `subject`, signed by the authority."""
        self.openssl("req", "-nodes", "-newkey", *CURVE, "-subj", f"/CN={subject}",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.write(f"{name}.ext", f"subjectAltName=DNS:{subject}\n")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
                     "-out", f"{name}.pem")

    def openssl(self, *words):
        return run("openssl", *words, cwd=self.folder)


CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


def listening():
    return socket.create_server(("127.0.0.1", 0), backlog=128)


class Gateway:
    """A gateway with a policy; `ports` are those of its listeners on TCP, in their order."""

    def __init__(self, world, policy, name="gateway"):
        self.world, self.log = world, world.folder / f"{name}.err"
        self.config = world.write(
            f"{name}.toml",
            f'{policy}\n{POLICY}\n[store]\npath = "{name}.redb"\n'
            f'[admin]\nsocket = "{name}.sock"\n[log]\nformat = "json"\n',
        )
        self.process = world.start(
            name, world.binary, "--config", self.config, stdout=subprocess.PIPE, text=True
        )
        self.ports = []
        listeners = len(re.findall(r'"127\.0\.0\.1:0"|"unix:http', policy))
        while listeners:
            line = self.process.stdout.readline()
            assert line, "the gateway ended"
            if found := re.match(r"listening on (?:https?://[^:]*:(\d+)|unix:)", line):
                listeners -= 1
                self.ports += [int(found[1])] if found[1] else []

    def user(self, *words, given=None):
        return run(self.world.binary, "--config", self.config, "user", *words, input=given)

    def add(self, name):
        self.user("add", name, "--stdin", given=PASSWORD.encode())

    def stop(self):
        """Ends it, and returns its access log."""
        self.world.end(self.process)
        assert self.process.returncode == 0, f"the gateway ended with {self.process.returncode}"
        text = self.log.read_text()
        assert "panicked" not in text, text
        lines = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
        return [line for line in lines if line["target"] == "portcullis::access"]


class Reply:
    def __init__(self, status, version, fields, body, trace):
        self.status, self.version, self.fields = status, version, fields
        self.body, self.trace = body, trace

    def json(self):
        return json.loads(self.body)


def curl(*words, token=None):
    """One request by curl; `fields` are the response's, in lower case."""
    if token:
        words = ("-H", f"Authorization: Bearer {token}", *words)
    with tempfile.TemporaryDirectory() as folder:
        body, head = pathlib.Path(folder, "body"), pathlib.Path(folder, "head")
        done = run(
            "curl", "-sSv", "--max-time", 30, "-o", body, "-D", head,
            "-w", "%{http_code} %{http_version}", *words, check=False,
        )
        told = done.stderr.decode(errors="replace")
        assert done.returncode == 0, f"curl {words}: {told}"
        status, version = done.stdout.decode().split()
        last = re.split(r"\r\n\r\n", head.read_bytes().decode("latin-1").strip())[-1]
        fields = dict(line.split(":", 1) for line in last.split("\r\n")[1:])
        fields = {name.lower(): value.strip() for name, value in fields.items()}
        # With -I the head goes where the body would.
        has_body = body.exists() and "-I" not in words
        content = body.read_bytes() if has_body else b""
        return Reply(int(status), version, fields, content, told)


def login(name, url, *words):
    """An access token by `token/`."""
    form = ("-d", f"username={name}", "--data-urlencode", f"password={PASSWORD}")
    reply = curl(*words, *form, f"{url}/api/auth/token/")
    same("token/", reply.status, 200)
    return reply.json()["access"]


class Sums(http.server.BaseHTTPRequestHandler):
    """GET has the blob, POST the digest of what it sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(BLOB)

    def do_POST(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            content = b"".join(iter(self.chunk, b""))
        else:
            content = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(digest(content).encode())

    def chunk(self):
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


def sums():
    """A server of `Sums` in this process; returns its port."""
    server = Server(("127.0.0.1", 0), Sums)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port
