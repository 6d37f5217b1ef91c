"""Each verifier of docs/identity.md in its framework, behind a gateway: `run.py BINARY NODE_FOLDER`.

What comes through the gateway is let in as the caller; a token that is replayed for another
method, path, host or request, was made for another upstream, is an access token, or is missing, is not.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY, NODE = sys.argv[1], pathlib.Path(sys.argv[2])
PASSWORD = "Tr1cky-Phrase-77"

POLICY = """
listen = ["127.0.0.1:{gateway}"]
[identity]
X-User-Id = "user_id"
X-User-Name = "username"
X-User-Roles = "roles"
X-User-Token = "@signed"
[upstreams]
shop = {{ to = "http://127.0.0.1:{server}" }}
other = {{ to = "http://127.0.0.1:{server}" }}
[routes]
"/api/*" = {{ to = "shop" }}
"/v1/*" = {{ to = "shop", strip = "/v1", prefix = "/api" }}
"/other/*" = {{ to = "other" }}
[auth.password]
memory = "8KiB"
[log]
filter = "error"
"""

# What each server does with a caller: says what it was told, and the fields that it was told it by.
DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import re_path
import sys, wsgiref.simple_server
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["verifier.signed_identity"])
def view(request, **_):
    return JsonResponse({"who": request.identity, "headers": dict(request.headers)})
urlpatterns = [re_path("", view)]
server = wsgiref.simple_server.make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application())
server.serve_forever()
"""
FASTAPI = """
import sys, uvicorn
from fastapi import Depends, FastAPI, Request
from verifier import signed_identity
app = FastAPI()
@app.api_route("/{path:path}", methods=["GET", "POST"])
def view(request: Request, who: dict = Depends(signed_identity)):
    return {"who": who, "headers": dict(request.headers)}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""
EXPRESS = """
import express from "express";
import { signedIdentity } from "./verifier.mjs";
const app = express();
app.use(signedIdentity);
app.use((req, res) => res.json({ who: req.identity, headers: req.headers }));
app.listen(Number(process.argv[2]), "127.0.0.1");
"""


def verifiers():
    """The blocks of the section, by what they import."""
    page = (ROOT / "docs/identity.md").read_text()
    section = page.split("\n## Signed identity\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```(?:python|js)\n(.*?)```", section, re.S)
    assert len(blocks) == 3, blocks
    found = {}
    for block in blocks:
        name = next(name for name in ("django", "fastapi", "jose") if name in block)
        assert name not in found
        found[name] = block
    return found["django"], found["fastapi"], found["jose"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process):
    for _ in range(300):
        assert process.poll() is None, "a server has ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nobody listens at {port}")


def ask(port, path, method="GET", headers=None, body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as refused:
        return refused.code, None


def fields(told, **changed):
    """The fields of a request that was let in, as whoever saw them would send them again."""
    lower = {name.lower(): value for name, value in told["headers"].items()}
    kept = {name: lower[name] for name in ("host", "x-user-token", "x-request-id")}
    return {**kept, **changed}


def check(name, gateway, server, token):
    bearer = {"Authorization": f"Bearer {token}"}
    status, told = ask(gateway, "/api/a%20b/%C3%A9?q=1", headers=bearer)
    assert status == 200, f"{name}: {status}"
    who = told["who"]
    assert (who["sub"], who["username"], who["roles"]) == ("1", "alice", ["editor"]), who
    assert (who["path"], who["aud"], who["exp"] - who["iat"]) == ("/api/a%20b/%C3%A9", "shop", 30), who
    status, rewritten = ask(gateway, "/v1/x", method="POST", headers=bearer, body=b"x=1")
    assert status == 200 and rewritten["who"]["path"] == "/api/x", f"{name}: {status} {rewritten}"
    forged = {**bearer, "X-User-Token": token, "X_User_Token": token}
    status, _ = ask(gateway, "/api/x", headers=forged)
    assert status == 200, f"{name}: {status}: a client's own field got through"
    status, _ = ask(gateway, "/other/x", headers=bearer)
    assert status == 401, f"{name}: {status}: made for another upstream"
    status, told = ask(gateway, "/api/x", headers=bearer)
    assert status == 200
    # Straight to the server, as somebody who has seen the request.
    again = {
        "another path": ("/api/y", "GET", fields(told)),
        "another method": ("/api/x", "POST", fields(told)),
        "another host": ("/api/x", "GET", fields(told, host="evil.test")),
        "another request": ("/api/x", "GET", fields(told, **{"x-request-id": "0"})),
        "an access token": ("/api/x", "GET", fields(told, **{"x-user-token": token})),
        "an altered one": ("/api/x", "GET", fields(told, **{"x-user-token": told["headers"].get(
            "x-user-token", told["headers"].get("X-User-Token")) + "A"})),
        "no token": ("/api/x", "GET", {}),
    }
    for what, (path, method, headers) in again.items():
        body = b"x=1" if method == "POST" else None
        status, _ = ask(server, path, method=method, headers=headers, body=body)
        assert status == 401, f"{name}: {status}: {what}"
    status, _ = ask(server, "/api/x", headers=fields(told))
    assert status == 200, f"{name}: {status}: as it came"
    print(f"{name}: as the page says")


def run(name, verifier, file, program, main, command):
    gateway, server = free_port(), free_port()
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work)
        home = folder / "server"
        home.mkdir()
        if (NODE / "node_modules").exists() and file.endswith(".mjs"):
            (home / "node_modules").symlink_to(NODE / "node_modules")
        assert "127.0.0.1:8080" in verifier
        (home / file).write_text(verifier.replace("127.0.0.1:8080", f"127.0.0.1:{gateway}"))
        (home / main).write_text(program)
        (folder / "portcullis.toml").write_text(POLICY.format(gateway=gateway, server=server))
        processes = [subprocess.Popen([BINARY], cwd=folder, stdout=subprocess.DEVNULL)]
        try:
            await_port(gateway, processes[0])
            add = [BINARY, "user", "add", "alice", "--stdin", "--role", "editor"]
            subprocess.run(add, cwd=folder, input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            if os.environ.get("LOUD"):
                quiet = {}
            processes.append(subprocess.Popen([*command, main, str(server)], cwd=home, **quiet))
            await_port(server, processes[1])
            login = f"username=alice&password={PASSWORD}".encode()
            status, pair = ask(gateway, "/api/auth/token/", method="POST", body=login)
            assert status == 200, status
            check(name, gateway, server, pair["access"])
        finally:
            for process in processes:
                process.kill()
                process.wait()


def main():
    django, fastapi, jose = verifiers()
    python = [sys.executable]
    run("Django", django, "verifier.py", DJANGO, "main.py", python)
    run("FastAPI", fastapi, "verifier.py", FASTAPI, "main.py", python)
    run("Express", jose, "verifier.mjs", EXPRESS, "main.mjs", ["node"])


main()
