"""A name server that lies, moves names, answers late or not at all: who is reachable is reached, nobody else waits."""

import contextlib
import socket
import struct
import subprocess
import threading
import time

from world import MARGIN, WITHIN, Server, same, stage

# An address of this machine that is nobody else's, for the port is given.
ADDRESS = ("127.0.0.153", 53)
HERE, THERE, NOWHERE, DEAF = "127.0.0.1", "127.0.0.2", "127.0.0.9", "127.0.0.7"
# How long an answer is believed (docs/policy.md), and the system's resolver waits for one.
BELIEVED, RESOLVER = 5, 2
NAMES = ("good", "nothing", "refusing", "deaf", "late", "moving", "silent", "garbage")
UPSTREAM = """
[upstreams.{name}]
to = "http://{name}.faults.test:{port}"
connect = "1s"
"""
A, IN = 1, 1


class NameServer(threading.Thread):
    """Answers as `zone` says: addresses, or how there is to be none."""

    def __init__(self):
        super().__init__(daemon=True)
        self.zone = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(ADDRESS)
        self.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            threading.Thread(target=self.answer, args=(query, client), daemon=True).start()

    def answer(self, query, client):
        name = query[13:13 + query[12]].decode()
        end = query.index(b"\0", 12) + 5
        kind = struct.unpack(">H", query[end - 4:end - 2])[0]
        found = self.zone.get(name, [])
        if found == "silence":
            return
        if isinstance(found, tuple):
            after, found = found
            time.sleep(after)  # the fault itself
        if found == "garbage":
            self.socket.sendto(b"\xff" * 40, client)
            self.socket.sendto(query[:2] + b"\x81\x80" + b"\xff" * 8 + query[12:end] + b"\xc0\xff" * 9, client)
            return
        addresses = found if kind == A else []
        records = b"".join(
            struct.pack(">HHHIH", 0xC00C, A, IN, 0, 4) + socket.inet_aton(address) for address in addresses
        )
        # No such name, or no address of that kind.
        status = 0x8180 if found else 0x8183
        head = query[:2] + struct.pack(">HHHHH", status, 1, len(addresses), 0, 0)
        self.socket.sendto(head + query[12:end] + records, client)


@contextlib.contextmanager
def asked_alone(folder):
    """This process and its children ask that server; nobody else does, for the mounts are their own."""
    config = folder / "resolv.conf"
    config.write_text(f"nameserver {ADDRESS[0]}\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", config, "/etc/resolv.conf"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "/etc/resolv.conf"], check=True)


@contextlib.contextmanager
def deaf(port):
    """Whoever connects hears nothing: the queue is full, and the kernel drops what comes."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((DEAF, port))
        listener.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((DEAF, port))
        yield


class Stopwatch:
    def __init__(self, gateway):
        self.gateway, self.slowest = gateway, {}

    def ask(self, name):
        began = time.monotonic()
        answer = self.gateway.ask("GET", f"/{name}/x")
        took = time.monotonic() - began
        self.slowest[name] = max(took, self.slowest.get(name, 0))
        return answer

    def reached(self, name, where=None):
        answer = self.ask(name)
        same(name, answer.status, 200)
        same(f"the server of {name}", answer.body.split()[0].decode(), where or "here")

    def unreached(self, name):
        answer = self.ask(name)
        same(name, (answer.status, answer.code), (502, "upstream_unreachable"))


def names(binary, folder):
    here = Server("here", HERE)
    port = here.server_port
    Server("there", THERE, port)
    server = NameServer()
    policy = "".join(UPSTREAM.format(name=name, port=port) for name in NAMES) + "[routes]\n"
    policy += "".join(f'"/{name}/*" = {{ to = "{name}", allow = "anyone" }}\n' for name in NAMES)
    server.zone = {
        "good": [HERE], "refusing": [NOWHERE, HERE], "deaf": [DEAF, HERE], "late": (1.5, [HERE]), "moving": [HERE],
        "silent": "silence", "garbage": "garbage",
    }
    with asked_alone(folder), deaf(port), stage(binary, policy, folder) as gateway:
        watch = Stopwatch(gateway)
        for name in ("good", "moving", "nothing"):
            watch.unreached(name) if name == "nothing" else watch.reached(name)
        # A dead address costs a moment, whichever is first.
        for _ in range(4):
            watch.reached("refusing")
            watch.reached("deaf")
        # Who cannot be found holds up nobody but those who ask for it, and these for `connect`.
        for name in ("silent", "garbage", "late"):
            others = threading.Thread(target=watch.unreached, args=(name,))
            others.start()
            while others.is_alive():
                watch.reached("good")
            others.join()
        server.zone |= {"nothing": [HERE], "silent": [HERE], "garbage": [HERE], "late": [HERE]}
        waits = {name: found_again(gateway, name) for name in ("nothing", "late", "silent", "garbage")}

        # A name moves, and then nobody answers any more: the last good answer stands.
        server.zone["moving"] = [THERE]
        began = time.monotonic()
        while watch.ask("moving").body.split()[0] != b"there":
            assert time.monotonic() - began < BELIEVED + WITHIN + MARGIN, "the name has moved, and nobody knows"
        server.zone = dict.fromkeys(NAMES, "silence")
        began = time.monotonic()
        while time.monotonic() - began < BELIEVED + RESOLVER:
            watch.reached("moving", "there")
            watch.reached("good")
        for name, most in (("good", 0.8), ("moving", 0.8), ("refusing", 0.8), ("deaf", 0.8), ("silent", 1.8),
                           ("garbage", 1.8), ("late", 1.8)):
            assert watch.slowest[name] < most + MARGIN, f"{name} took {watch.slowest[name]:.2f} s"
    slowest = ", ".join(f"{name} {took * 1000:.0f} ms" for name, took in watch.slowest.items())
    print(f"names: at most {slowest}; found again within {max(waits.values()) * 1000:.0f} ms")


def found_again(gateway, name):
    """What the system's resolver is still busy with comes first."""
    return gateway.well(name, lambda: gateway.ask("GET", f"/{name}/x").status == 200, RESOLVER)
