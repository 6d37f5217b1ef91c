"""The server behind: how much of what it offers is taken, and what came."""

import contextlib
import multiprocessing
import re
import selectors
import socket
import threading


class Upstream(threading.Thread):
    """Answers every request with `ok`, /large with more than anybody has room for, /held never;
    counts."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
        self.port = self.listener.getsockname()[1]
        self.quick = answer_in_a_process_of_its_own()
        self.large = 0  # bytes of large responses that were taken
        self.bodies = []  # lengths of the request bodies that came whole
        self.targets = set()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    got = connection.recv(65536)
                    if not got:
                        return
                    buffer += got
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                self.targets.add(head.split(b" ")[1])
                if b"chunked" in head:
                    buffer = self.take_chunked(connection, buffer)
                elif length := re.search(rb"(?i)\r\ncontent-length: (\d+)", head):
                    while len(buffer) < int(length[1]):
                        got = connection.recv(65536)
                        if not got:
                            return
                        buffer += got
                    self.bodies.append(int(length[1]))
                    buffer = b""
                if b" /held" in head:
                    continue
                if b" /large" in head:
                    return self.answer_without_end(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def take_chunked(self, connection, buffer):
        """Bodies here are of the letter x alone, so that the last chunk is easy to find."""
        letters = 0
        while not buffer.endswith(b"0\r\n\r\n") or buffer[-6:-5] not in (b"", b"\n"):
            got = connection.recv(1 << 18)
            if not got:
                raise ConnectionError("half a body")
            letters += buffer[:-8].count(b"x")
            buffer = buffer[-8:] + got
        self.bodies.append(letters + buffer.count(b"x"))
        return b""

    def answer_without_end(self, connection):
        piece = b"x" * (256 << 10)
        length = 1 << 40
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        while True:
            connection.sendall(piece)
            self.large += len(piece)


def answer_in_a_process_of_its_own():
    """What others ask for does not wait for what floods this process; the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)

    def serve():
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is listener:
                        selector.register(listener.accept()[0], selectors.EVENT_READ)
                    elif key.fileobj.recv(65536):
                        key.fileobj.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    else:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()

    multiprocessing.get_context("fork").Process(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    listener.close()
    return port
