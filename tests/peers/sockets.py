"""Unix sockets on both sides: gunicorn behind one, curl before another."""

import sys

from world import BLOB, Gateway, curl, digest, login, same, until

APP = '''
import hashlib

def app(environ, start):
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain")])
    who = environ.get("HTTP_X_USER_NAME", "nobody")
    return [f"{who} {environ['PATH_INFO']} {hashlib.sha256(body).hexdigest()}".encode()]
'''


def check(world):
    world.write("application.py", APP)
    world.start("gunicorn", sys.executable, "-m", "gunicorn", "--bind", "unix:app.sock",
                "--workers", 1, "--worker-class", "gthread", "--threads", 2, "application:app")
    blob = world.write("blob", BLOB)
    until("gunicorn's socket", (world.folder / "app.sock").exists)
    gateway = Gateway(world, """
listen = ["unix:http.sock"]
[upstreams]
app = { to = "unix:app.sock" }
[routes]
"/*" = { to = "app", body = "30MB" }
""")
    gateway.add("alice")
    socket = ["--unix-socket", world.folder / "http.sock"]
    token = login("alice", "http://app.test", *socket)
    for words in ([], ["--http2-prior-knowledge"]):
        same("nobody", curl(*socket, *words, "http://app.test/x").status, 401)
        for path in ("/x", "/x/y"):
            reply = curl(*socket, *words, "-H", "X-User-Name: root", "--data-binary", f"@{blob}",
                         f"http://app.test{path}", token=token)
            told = f"alice {path} {digest(BLOB)}"
            same("gunicorn", (reply.status, reply.body.decode()), (200, told))
    gateway.stop()
    assert not (world.folder / "http.sock").exists(), "the socket is still there"
