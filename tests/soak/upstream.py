"""A server behind the gateway, in a process of its own: `upstream.py PORT NAME`. Says who asked, echoes bodies and
WebSockets, sends events and large answers."""

import asyncio
import base64
import contextlib
import hashlib
import json
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PAUSE = 0.2  # between two events


def content(nonce, length):
    """Bytes that are another request's for another nonce."""
    piece = hashlib.sha256(nonce.encode()).digest()
    return (piece * (length // len(piece) + 1))[:length]


class Connection:
    def __init__(self, reader, writer, name):
        self.reader, self.writer, self.name = reader, writer, name

    async def serve(self):
        with contextlib.closing(self.writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await self.reader.readuntil(b"\r\n\r\n")
                line, *fields = head.decode("latin-1").split("\r\n")
                self.method, self.target, _ = line.split(" ")
                self.fields = {
                    name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields if one)
                }
                self.body = await self.take_body()
                kind = self.target.split("/")[1]
                await getattr(self, f"answer_{kind}", self.answer)()
                await self.writer.drain()

    async def take_body(self):
        if "chunked" not in self.fields.get("transfer-encoding", ""):
            return await self.reader.readexactly(int(self.fields.get("content-length", 0)))
        pieces = []
        while size := int(await self.reader.readline(), 16):
            pieces.append(await self.reader.readexactly(size))
            await self.reader.readline()
        await self.reader.readline()
        return b"".join(pieces)

    def user(self):
        return self.fields.get("x-user-name", "")

    async def answer(self):
        told = {
            "server": self.name, "user": self.user(), "method": self.method, "path": self.target,
            "sha256": hashlib.sha256(self.body).hexdigest(),
        }
        self.send(json.dumps(told).encode())

    async def answer_echo(self):
        self.send(self.body)

    async def answer_bytes(self):
        _, _, nonce, length = self.target.split("/")
        self.send(content(nonce, int(length)))

    async def answer_events(self):
        _, _, nonce, number = self.target.split("/")
        self.writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for count in range(int(number)):
            event = f"data: {self.user()} {nonce} {count}\n\n".encode()
            self.writer.write(b"%x\r\n%s\r\n" % (len(event), event))
            await self.writer.drain()
            await asyncio.sleep(PAUSE)
        self.writer.write(b"0\r\n\r\n")

    async def answer_ws(self):
        """An echo server of WebSockets (RFC 6455), for messages of one frame."""
        key = hashlib.sha1(self.fields["sec-websocket-key"].encode() + GUID).digest()
        self.writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %s\r\n\r\n" % base64.b64encode(key)
        )
        while True:
            first, length = await self.reader.readexactly(2)
            length &= 0x7F
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2))
            mask = await self.reader.readexactly(4)
            masked = await self.reader.readexactly(length)
            payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
            size = bytes([length]) if length < 126 else b"\x7e" + length.to_bytes(2)
            self.writer.write(bytes([first]) + size + payload)
            await self.writer.drain()
            if first & 0x0F == 8:  # a close, which is answered and the end
                raise ConnectionError

    def send(self, body):
        fields = f"X-Server: {self.name}\r\nX-Who: {self.user()}\r\nContent-Length: {len(body)}"
        self.writer.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode() + body)


async def main(port, name):
    async def serve(reader, writer):
        await Connection(reader, writer, name).serve()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=1 << 20)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
