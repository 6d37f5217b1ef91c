"""Many connections, and many addresses."""

import resource
import threading
import time

from clients import GET, connect, status_of
from world import LONG, Gateway, Others, comes_back, step

# Most that one idle connection may cost, in KiB.
IDLE_KIB = 20


def idle(upstream):
    number = 10_000
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert files > number + 500, f"{files} open files are too few for this test"
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    # As most systems start a server: it has to take the rest of what it may have by itself.
    limits = f'head_timeout = "5m"\nidle_timeout = "5m"\nconnections = {number + 200}'
    for name, request in (("without a request", None), ("after one request", GET)):
        with Gateway(upstream, limits, files=1024) as gateway:
            others = Others(gateway)
            clients = []
            for _ in range(number):
                clients.append(connect(gateway.port))
                if request:
                    clients[-1].sendall(request)
                    assert status_of(clients[-1]) == 200
            # In the kernel's queue it would cost nothing.
            others.start()
            time.sleep(1)
            cost = gateway.grown() / number / 1024
            others.over.set()
            others.join()
            assert others.failure is None, others.failure
            print(f"{number:,} idle connections {name}: {cost:.2f} KiB each", flush=True)
            assert cost < IDLE_KIB, f"more than {IDLE_KIB} KiB each"
            for client in clients:
                client.close()
            comes_back(gateway)


def crowd(upstream):
    with Gateway(upstream, "connections = 50") as gateway:
        first = [connect(gateway.port) for _ in range(50)]
        for client in first:
            client.sendall(GET)
            assert status_of(client) == 200
        late = [connect(gateway.port) for _ in range(100)]
        for client in late:
            client.sendall(GET)
        late[0].settimeout(1)
        try:
            late[0].recv(1)
            raise AssertionError("a connection over the limit was served")
        except TimeoutError:
            late[0].settimeout(30)
        for client in first:
            client.close()
        for client in late:
            assert status_of(client) == 200
            client.close()
        print("100 connections over the limit waited, and were served")


def rates(upstream):
    number = 1_000_000 if LONG else 100_000

    def ask(key):
        address = b"11.%d.%d.%d" % (key >> 16, key >> 8 & 255, key & 255)
        return b"GET /rated/x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: " + address + b"\r\n\r\n"

    with Gateway(upstream) as gateway:
        with step(gateway, f"{number:,} addresses, each with a rate of its own", 64):
            with connect(gateway.port) as client:
                def send():
                    for at in range(0, number, 1000):
                        client.sendall(b"".join(map(ask, range(at, at + 1000))))
                    # The last one has had its one request of the hour.
                    client.sendall(ask(number - 1))

                sending = threading.Thread(target=send, daemon=True)
                sending.start()
                let_in = refused = 0
                tail = b""
                while let_in + refused <= number:
                    got = client.recv(1 << 18)
                    assert got, f"closed after {let_in + refused}"
                    tail += got
                    let_in += tail.count(b"HTTP/1.1 200")
                    refused += tail.count(b"HTTP/1.1 429")
                    tail = tail[-11:]
                sending.join()
                assert (let_in, refused) == (number, 1), (let_in, refused)
