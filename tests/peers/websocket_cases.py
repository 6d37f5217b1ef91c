"""Frames of every kind at an echo server, straight and through the gateway: the same must come back.

The cases are those of the groups of Autobahn's fuzzing client (framing, pings, reserved bits, opcodes,
fragments, UTF-8, closing, sizes, compression), whose program needs a Python that is no more. What the server
makes of a case is its own affair; that the gateway makes nothing of it is asked here.
"""

import asyncio
import hashlib
import os
import random
import struct
import zlib

import wsproto
from wsproto import events
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

from world import PATIENCE, Gateway

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TEXT, BINARY, CLOSE, PING, PONG, MORE = 1, 2, 8, 9, 10, 0
LARGEST = 4 << 20
LONG = os.environ.get("LONG") == "1"


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x37\xfa\x21\x3d"):
    """A frame as clients send it (RFC 6455 section 5.2)."""
    first = bytes([fin << 7 | rsv << 4 | opcode])
    length = len(payload)
    if length < 126:
        head = first + bytes([0x80 | length])
    elif length < 1 << 16:
        head = first + b"\xfe" + struct.pack("!H", length)
    else:
        head = first + b"\xff" + struct.pack("!Q", length)
    stream = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + mask + masked.to_bytes(length, "big")


def closing(code=1000, reason=b""):
    return frame(CLOSE, struct.pack("!H", code) + reason)


def parts(opcode, payload, size, rsv=0):
    """A message in fragments of so many bytes."""
    pieces = [payload[at:at + size] for at in range(0, len(payload), size)] or [b""]
    return b"".join(
        frame(MORE if number else opcode, piece, number == len(pieces) - 1, 0 if number else rsv)
        for number, piece in enumerate(pieces)
    )


def deflated(payload):
    """RFC 7692 section 7.2.1."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\x00\x00\xff\xff")


def unicode_cases():
    good = ["", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff",
            "\ufffe", "\uffff",
            "\U0001fffe", "\u0080", "\u0800", "\U00010000", "\x7f", "\u07ff", "a" * 1000 + "€"]
    bad = [b"\x80", b"\xbf", b"\x80\xbf", b"\xc0 ", b"\xe0 ", b"\xf0 ", b"\xf8 ", b"\xfc ", b"\xc0",
           b"\xe0\x80", b"\xf0\x80\x80",
           b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf",
           b"\xc1\xbf", b"\xe0\x9f\xbf",
           b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80",
           b"\xed\xbf\xbf",
           b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
           b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited"]
    for text in [one.encode("utf-8", "surrogatepass") for one in good] + bad:
        yield frame(TEXT, text) + closing()
        yield parts(TEXT, text, 1) + closing()
        yield frame(TEXT, text, False) + frame(MORE, b"after") + closing()


def close_cases():
    yield closing()
    yield frame(CLOSE)
    yield frame(CLOSE, b"\x03")
    yield closing() + closing()
    yield closing() + frame(PING, b"late")
    yield closing() + frame(TEXT, b"late")
    yield frame(TEXT, b"a", False) + closing() + frame(MORE, b"b")
    yield frame(BINARY, b"x" * (256 << 10)) + closing() + frame(PING)
    for reason in (b"Hello World!", b"*" * 123, b"*" * 124,
                   b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited", "€".encode()):
        yield closing(1000, reason)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield closing(code)
    for code in (0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        yield closing(code, b"why")


def control_cases():
    yield frame(PING) + closing()
    for payload in (b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125,
                    b"\xfe" * 126):
        yield frame(PING, payload) + closing()
        yield frame(PONG, payload) + closing()
    yield frame(PONG, b"unasked") + frame(PING, b"asked") + closing()
    yield b"".join(frame(PING, b"payload-%d" % number) for number in range(10)) + closing()
    for opcode in (PING, PONG):
        yield frame(opcode, b"part", False) + frame(MORE, b"rest") + closing()


def odd_bits():
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, CLOSE):
            yield frame(opcode, b"Hello", rsv=rsv) + closing()
            yield frame(TEXT, b"before") + frame(opcode, b"Hello",
                                                 rsv=rsv) + frame(PING) + closing()
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield frame(opcode) + closing()
        yield frame(opcode, b"reserved opcode payload") + closing()
        yield frame(TEXT, b"before") + frame(opcode, b"x") + frame(PING) + closing()
    yield frame(TEXT, b"whole").replace(b"\x85", b"\x05", 1) + closing()


def fragments():
    yield parts(TEXT, b"fragment1fragment2", 9) + closing()
    yield frame(TEXT, b"a", False) + frame(PING, b"between") + frame(MORE, b"b") + closing()
    yield (frame(TEXT, b"a", False) + frame(PING, b"p") + frame(MORE, b"b", False) +
           frame(PING, b"q") + frame(MORE, b"c") + closing())
    yield frame(MORE, b"without a beginning") + closing()
    yield frame(MORE, b"without a beginning", False) + closing()
    yield frame(TEXT, b"a", False) + frame(TEXT, b"b") + closing()
    yield frame(TEXT, b"a", False) + frame(BINARY, b"b", False) + frame(MORE, b"c") + closing()
    yield frame(TEXT, b"a") + frame(MORE, b"b") + closing()
    yield parts(BINARY, bytes(range(256)), 1) + closing()
    yield frame(TEXT, b"", False) + frame(MORE, b"", False) + frame(MORE) + closing()
    yield frame(TEXT, b"", False) + frame(MORE, b"middle", False) + frame(MORE) + closing()
    yield parts(TEXT, b"*" * 65536, 1300) + closing()


def sizes():
    for opcode in (TEXT, BINARY):
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 256 << 10, 1 << 20,
                     *([LARGEST] if LONG else [])):
            yield frame(opcode, b"*" * size) + closing()
        for size in (64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10):
            yield parts(opcode, b"*" * ((1 << 20) if LONG else (128 << 10)), size) + closing()
        for size in (0, 16, 64, 256, 1024):
            yield frame(opcode, b"*" * size) * (1000 if LONG else 100) + closing()


def compressed():
    dice = random.Random(7692)
    for size in (0, 1, 16, 64, 256, 1024, 4096, 16 << 10, 128 << 10):
        payload = bytes(dice.choice(b"abc") for _ in range(size))
        yield frame(TEXT, deflated(payload), rsv=4) + closing()
        yield parts(BINARY, deflated(payload), 200, rsv=4) + closing()
        yield frame(TEXT, deflated(payload), rsv=4) * 20 + closing()
        yield frame(TEXT, payload) + frame(TEXT, deflated(payload), rsv=4) + closing()
    yield frame(TEXT, b"\xff\xff not deflated", rsv=4) + closing()
    yield frame(TEXT, deflated(b"a" * (8 << 20)), rsv=4) + closing()
    yield frame(PING, b"x", rsv=4) + closing()
    yield frame(TEXT, b"a", False, rsv=4) + frame(MORE, b"b", rsv=4) + closing()


GROUPS = {
    "sizes": sizes, "control frames": control_cases, "reserved bits and opcodes": odd_bits,
    "fragments": fragments, "UTF-8": unicode_cases, "closing": close_cases,
    "compression": compressed,
}
OFFERS = ["permessage-deflate", "permessage-deflate; client_max_window_bits",
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
          "permessage-deflate; server_max_window_bits=9",
          "permessage-deflate; server_max_window_bits=99",
          "x-unknown, permessage-deflate"]


class Echo:
    """A server that takes its events one by one, so that what it says does not depend on how bytes come."""

    def __init__(self):
        self.server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
        self.message = []
        self.over = False

    async def serve(self, reader, writer):
        try:
            while not self.over:
                data = await reader.read(1 << 16)
                self.server.receive_data(data or None)
                for event in self.server.events():
                    if self.over:
                        break
                    writer.write(self.answer(event))
                await writer.drain()
        except RemoteProtocolError as error:
            if error.event_hint:
                writer.write(self.server.send(error.event_hint))
        except ConnectionError:
            pass
        finally:
            writer.close()

    def answer(self, event):
        if isinstance(event, events.Request):
            return self.server.send(events.AcceptConnection(extensions=[PerMessageDeflate()]))
        if isinstance(event, events.Ping):
            return self.server.send(event.response())
        if isinstance(event, events.CloseConnection):
            # The client's, or what the server has to say of a frame that is none.
            self.over = True
            states = (wsproto.ConnectionState.OPEN, wsproto.ConnectionState.REMOTE_CLOSING)
            return self.server.send(event.response()) if self.server.state in states else b""
        if isinstance(event, events.Message):
            self.message.append(event.data)
            if event.message_finished:
                whole = type(event.data)().join(self.message)
                self.message.clear()
                return self.server.send(type(event)(whole))
        return b""


async def ask(port, frames, offer, chop):
    """What comes back: the answer to the handshake as far as both sides agree on it, and all frames."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    extension = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
    writer.write((f"GET /ws/ HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{extension}"
                  f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    agreed = sorted(line for line in head if line.startswith(("http/", "sec-websocket-")))

    async def send():
        try:
            for at in range(0, len(frames), chop):
                writer.write(frames[at:at + chop])
                await writer.drain()
        except ConnectionError:
            pass

    sending = asyncio.create_task(send())
    got = [agreed]
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                first, second = await reader.readexactly(2)
                length = second & 127
                if length > 125:
                    width = 2 if length == 126 else 8
                    length = int.from_bytes(await reader.readexactly(width), "big")
                payload = await reader.readexactly(length)
                shown = payload if length < 200 else hashlib.sha256(payload).hexdigest()
                got.append((hex(first), length, shown))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    await sending
    writer.close()
    return got


async def compare(name, direct, through, frames, offer=None):
    # Of what one side says last before it gives up, the other may hear nothing: TCP may forget it.
    chop = 997 if len(frames) < 20_000 else 65_536
    for _ in range(5):
        wanted = await ask(direct, frames, offer, chop)
        got = await ask(through, frames, offer, chop)
        if got == wanted:
            return wanted
    raise AssertionError(f"{name}: {frames[:80]!r}: {got[-3:]!r} instead of {wanted[-3:]!r}")


async def conversation(world):
    async with await asyncio.start_server(lambda *pair: Echo().serve(*pair), "127.0.0.1",
                                          0) as listener:
        direct = listener.sockets[0].getsockname()[1]
        gateway = await asyncio.to_thread(Gateway, world, f"""
listen = ["127.0.0.1:0"]
[upstreams]
chat = {{ to = "http://127.0.0.1:{direct}" }}
[routes]
"/ws/*" = {{ to = "chat", allow = "anyone", websocket = true }}
""")
        through = gateway.ports[0]
        ends = []
        for name, cases in GROUPS.items():
            offer = OFFERS[0] if name == "compression" else None
            for frames in cases():
                ends.append(await compare(name, direct, through, frames, offer))
        for offer in OFFERS:
            for frames in (frame(TEXT, b"plain") + closing(),
                           frame(TEXT, deflated(b"packed"), rsv=4) + closing()):
                ends.append(await compare("negotiation", direct, through, frames, offer))
        await asyncio.to_thread(gateway.stop)
        echoed = sum(len(end) > 2 for end in ends)
        refused = sum(len(end) > 1 and end[-1][2][:2] in (b"\x03\xea", b"\x03\xef") for end in ends)
        assert echoed > 100 and refused > 100, (echoed, refused)
        print(f"{len(ends)} cases ({echoed} echoed, {refused} refused) end alike straight to wsproto "
              f"{wsproto.__version__} and through the gateway")


def check(world):
    asyncio.run(conversation(world))
