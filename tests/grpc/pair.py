"""A gRPC server and a gRPC client, with the gateway between them: `pair.py BINARY`."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent import futures

import grpc

METHOD = "/test.Echo/"
CANCELLED = threading.Event()


class Echo(grpc.GenericRpcHandler):
    """Answers bytes with bytes."""

    def service(self, call):
        name = call.method.rpartition("/")[2]
        kinds = {
            "Unary": (grpc.unary_unary_rpc_method_handler, self.unary),
            "Fail": (grpc.unary_unary_rpc_method_handler, self.fail),
            "Slow": (grpc.unary_unary_rpc_method_handler, self.slow),
            "Who": (grpc.unary_unary_rpc_method_handler, self.who),
            "Down": (grpc.unary_stream_rpc_method_handler, self.down),
            "Endless": (grpc.unary_stream_rpc_method_handler, self.endless),
            "Up": (grpc.stream_unary_rpc_method_handler, self.up),
            "Both": (grpc.stream_stream_rpc_method_handler, self.both),
        }
        if name not in kinds:
            return None
        kind, answer = kinds[name]
        return kind(answer)

    def unary(self, request, context):
        context.set_trailing_metadata((("x-sum", str(len(request))), ("x-blob-bin", b"\0\1")))
        return request

    def fail(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: \u00e9")

    def slow(self, request, context):
        context.add_callback(CANCELLED.set)
        CANCELLED.wait(10)
        return request

    def who(self, request, context):
        told = [value for key, value in context.invocation_metadata() if key == "x-user-name"]
        return ",".join(told).encode()

    def down(self, request, context):
        for number in range(int(request)):
            yield str(number).encode()

    def endless(self, request, context):
        context.add_callback(CANCELLED.set)
        while context.is_active():
            yield b"tick"
            time.sleep(0.01)

    def up(self, requests, context):
        return str(sum(len(request) for request in requests)).encode()

    def both(self, requests, context):
        yield from requests


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/auth/{path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        return reply.read().decode()


def fails(call, code):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError(f"went well instead of {code}")


def check(channel, token):
    me = (("authorization", f"Bearer {token}"), ("x-user-name", "root"))
    unary = lambda name: channel.unary_unary(METHOD + name)
    reply, call = unary("Unary").with_call(b"hello", metadata=me)
    assert reply == b"hello" and dict(call.trailing_metadata())["x-sum"] == "5"
    assert dict(call.trailing_metadata())["x-blob-bin"] == b"\0\1"
    assert unary("Who")(b"x", metadata=me) == b"alice"
    big = os.urandom(4_000_000)
    assert unary("Unary")(big, metadata=me) == big
    down = channel.unary_stream(METHOD + "Down")(b"1000", metadata=me)
    assert [int(one) for one in down] == list(range(1000))
    up = channel.stream_unary(METHOD + "Up")((b"x" * 1000 for _ in range(1000)), metadata=me)
    assert up == b"1000000"
    turn = threading.Semaphore(1)

    def words():
        for number in range(100):
            assert turn.acquire(timeout=5)
            yield str(number).encode()

    for number, echo in enumerate(channel.stream_stream(METHOD + "Both")(words(), metadata=me)):
        assert int(echo) == number
        turn.release()
    error = fails(lambda: unary("Fail")(b"x", metadata=me), grpc.StatusCode.NOT_FOUND)
    assert error.details() == "no such thing: \u00e9", error.details()
    fails(lambda: unary("Nothing")(b"x", metadata=me), grpc.StatusCode.UNIMPLEMENTED)
    fails(lambda: unary("Slow")(b"x", metadata=me, timeout=0.3), grpc.StatusCode.DEADLINE_EXCEEDED)
    assert CANCELLED.wait(5), "the server was not told that the deadline is past"
    CANCELLED.clear()
    endless = channel.unary_stream(METHOD + "Endless")(b"x", metadata=me)
    assert next(endless) == b"tick"
    endless.cancel()
    assert CANCELLED.wait(5), "the server was not told that the client is gone"
    for nobody in ((), (("authorization", "Bearer x"),)):
        refuse = lambda: unary("Unary")(b"x", metadata=nobody)
        fails(refuse, grpc.StatusCode.UNAUTHENTICATED)
    fails(lambda: channel.unary_unary("/admin/X")(b"x", metadata=me), grpc.StatusCode.PERMISSION_DENIED)
    assert unary("Unary")(b"still", metadata=me) == b"still"


def main(binary):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Echo(),))
    behind = server.add_insecure_port("127.0.0.1:0")
    server.start()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        policy = os.path.join(folder, "portcullis.toml")
        with open(policy, "w") as file:
            file.write(
                f'listen = ["127.0.0.1:{port}"]\n'
                f'upstreams.echo = {{ to = "http://127.0.0.1:{behind}", h2 = true }}\n'
                '[routes]\n"/test.Echo/*" = { to = "echo" }\n'
                '"/admin/*" = { to = "echo", allow = "role:admin" }\n'
            )
        gateway = subprocess.Popen([binary, "--config", policy], cwd=folder)
        try:
            for _ in range(200):
                try:
                    ask(port, "register/", b'{"username":"alice","email":"a@a.test","password":"correct horse battery"}')
                    break
                except OSError:
                    time.sleep(0.05)
            login = ask(port, "token/", b'{"username":"alice","password":"correct horse battery"}')
            token = login.split('"access":"')[1].split('"')[0]
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                check(channel, token)
        finally:
            gateway.terminate()
            gateway.wait(40)
            server.stop(0)
    print("gRPC: good")


main(os.path.abspath(sys.argv[1]))
