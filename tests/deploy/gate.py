"""A gateway to be tried: its policy, and requests to it."""

import json
import socket

PATIENCE = 30
POLICY = """
listen = ["{at}"]
[store]
path = "{folder}/portcullis.redb"
[admin]
socket = "{folder}/portcullis.sock"
[upstreams]
app = {{ whoami = true }}
named = {{ to = "http://localhost:9" }}
live = {{ to = "http://127.0.0.1:{live}" }}
[routes]
"/*" = {{ to = "app" }}
"/public/*" = {{ to = "app", allow = "anyone" }}
"/named/*" = {{ to = "named", allow = "anyone" }}
"/live/*" = {{ to = "live" }}
"""


def exchange(at, method, path, body=b"", token=None):
    """One request on a connection of its own."""
    with socket.create_connection(at, timeout=PATIENCE) as stream:
        credential = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n{credential}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        stream.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    if not answer:
        raise ConnectionError("closed without an answer")
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def log_in(at):
    account = json.dumps({"username": "alice", "password": "Tr1cky-Phrase-77"}).encode()
    assert exchange(at, "POST", "/api/auth/register/", account)[0] == 201
    status, body = exchange(at, "POST", "/api/auth/token/", account)
    assert status == 200, body
    return json.loads(body)["access"]


def policy(at, folder, live=9):
    """Its text, for a gateway at that address; `live` is the port of a server of the test's."""
    return POLICY.format(at="%s:%s" % at, folder=folder, live=live)
