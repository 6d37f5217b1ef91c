"""Frames that RFC 9113 forbids, one table of them, and what it wants to be said to each.

A row is a section, the frames behind the preface, and the answer: a status, `stream CODE` for a
reset of stream 1, or `connection CODE` for the end of all. Where the RFC leaves a choice, both stand
there. What is not answered as in its row stands in one of three sets, so that it is noticed when that
changes.
"""

import socket
import struct

import hpack

from world import PATIENCE, Gateway, same, sums

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CODES = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
         "STREAM_CLOSED",
         "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
         "ENHANCE_YOUR_CALM",
         "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "a.test"), (":path", "/x")]
POST = [(":method", "POST"), *GET[1:3], (":path", "/sums/x")]
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
PROTOCOL, SIZE = "connection PROTOCOL_ERROR", "connection FRAME_SIZE_ERROR"
FLOW = "connection FLOW_CONTROL_ERROR"
CLOSED = ("stream STREAM_CLOSED", "connection STREAM_CLOSED")
MALFORMED = ("stream PROTOCOL_ERROR", "400")


def block(fields):
    return hpack.Encoder().encode(fields, huffman=False)


def raw(kind, flags, stream, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack("!IBBI", size, kind, flags, stream)[1:] + payload


def head(stream=1, fields=GET, end=True, whole=True, cut=None):
    return raw(HEADERS, end | whole << 2, stream, block(fields)[:cut])


def data(stream=1, content=b"x", end=True):
    return raw(DATA, end, stream, content)


def settings(*pairs):
    return raw(SETTINGS, 0, 0, b"".join(struct.pack("!HI", *pair) for pair in pairs))


def window(stream, by):
    return raw(WINDOW, 0, stream, struct.pack("!I", by))


def changed(name, value, of=GET):
    return [(known, value if known == name else old) for known, old in of]


REST = block(GET)

# hyper's HTTP/2 says PROTOCOL_ERROR of these where the RFC has a code that is more precise.
LESS_PRECISE = {
    "4.3 a block that is none", "4.3 an index that is not there", "4.3 index zero",
    "4.3 a table above its bound",
    "4.3 a table's size in the middle", "4.3 Huffman with padding that is none",
    "5.1 DATA behind the end",
    "6.3 PRIORITY of another size", "6.4 RST_STREAM of another size",
    "6.5 an answer with a payload",
    "6.5 SETTINGS of another size", "6.5.2 a window above 2^31 - 1", "6.7 PING of another size",
    "6.9 WINDOW_UPDATE of another size",
}
# And of these it gives up the connection, where the stream would do (section 5.4.1 lets it).
LESS_MILD = {
    "8.2 a capital in a name", "8.2.1 a space in a name", "8.2.1 a line end in a value",
    "8.2.1 a NUL in a value",
    "8.3 an unknown pseudo-field",
}
# These it does not see: the field is dropped, and what is behind it goes on.
OVERLOOKED = {"8.3 one in the trailers"}
CASES = [
    # 3.4: the preface is followed by SETTINGS.
    ("3.4 a request", head(), "200"),
    # 4.1, 4.2
    ("4.1 an unknown type is ignored", raw(0x77, 0xff, 0, b"x" * 20) + head(), "200"),
    ("4.1 unknown flags are ignored", raw(PING, 0x7e, 0, b"12345678") + head(), "200"),
    ("4.1 the reserved bit is ignored", raw(PING, 0, 1 << 31, b"12345678") + head(), "200"),
    ("4.2 DATA above 16,384", head(fields=POST, end=False) + data(content=b"x" * 16_385),
     (SIZE, "stream FRAME_SIZE_ERROR")),
    ("4.2 HEADERS above 16,384", raw(HEADERS, 5, 1, b"\x00" * 16_385), SIZE),
    ("4.2 DATA of 16,384", head(fields=POST, end=False) + data(content=b"x" * 16_384), "200"),
    # 4.3
    ("4.3 a block that is none", raw(HEADERS, 5, 1, b"\x7f\xff\xff\xff\xff\xff"),
     "connection COMPRESSION_ERROR"),
    ("4.3 PRIORITY inside a block",
     raw(HEADERS, 1, 1, REST[:5]) + raw(PRIORITY, 0, 1, b"\0\0\0\0\1") + raw(CONTINUATION, 4, 1,
                                                                             REST[5:]), PROTOCOL),
    ("4.3 another stream inside a block", raw(HEADERS, 1, 1, REST[:5]) + head(3), PROTOCOL),
    ("4.3 an index that is not there", raw(HEADERS, 5, 1, b"\xff\xff\x03"),
     "connection COMPRESSION_ERROR"),
    ("4.3 index zero", raw(HEADERS, 5, 1, b"\x80"), "connection COMPRESSION_ERROR"),
    ("4.3 a table above its bound", raw(HEADERS, 5, 1, b"\x3f\xe2\x1f" + REST),
     "connection COMPRESSION_ERROR"),
    ("4.3 a table's size in the middle", raw(HEADERS, 5, 1, REST + b"\x20"),
     "connection COMPRESSION_ERROR"),
    ("4.3 Huffman with padding that is none", raw(HEADERS, 5, 1, REST + b"\x00\x01x\x81\x00"),
     "connection COMPRESSION_ERROR"),
    # 5.1
    ("5.1 DATA on an idle stream", data(), (PROTOCOL, *CLOSED)),
    ("5.1 RST_STREAM on an idle stream", raw(RST, 0, 1, b"\0\0\0\x08"), PROTOCOL),
    ("5.1 WINDOW_UPDATE on an idle stream", window(1, 100), PROTOCOL),
    ("5.1 CONTINUATION on an idle stream", raw(CONTINUATION, 4, 1, REST), PROTOCOL),
    ("5.1 DATA behind the end", head() + data(), (*CLOSED, "200")),
    ("5.1 HEADERS behind the end", head() + head(), (*CLOSED, "200", PROTOCOL)),
    ("5.1 CONTINUATION behind the end", head() + raw(CONTINUATION, 4, 1, REST),
     (PROTOCOL, *CLOSED)),
    ("5.1 DATA behind RST_STREAM",
     head(fields=POST, end=False) + raw(RST, 0, 1, b"\0\0\0\x08") + data() + head(3),
     (*CLOSED, "200 on 3")),
    ("5.1.1 an even stream", head(2), PROTOCOL),
    ("5.1.1 a smaller stream", head(5) + head(3), PROTOCOL),
    ("5.1.1 stream zero", head(0), PROTOCOL),
    ("5.1.2 as many streams as it says", b"".join(head(stream) for stream in range(1, 21, 2)),
     "200"),
    # 5.3
    ("5.3.1 a stream that depends on itself", raw(HEADERS, 0x25, 1, b"\0\0\0\1\x10" + REST),
     ("200", "stream PROTOCOL_ERROR", PROTOCOL)),
    ("5.3.1 PRIORITY that depends on itself", raw(PRIORITY, 0, 1, b"\0\0\0\1\x10") + head(),
     ("200", "stream PROTOCOL_ERROR", PROTOCOL)),
    # 6.1
    ("6.1 DATA on stream zero", data(0), PROTOCOL),
    ("6.1 padding as long as the frame",
     head(fields=POST, end=False) + raw(DATA, 9, 1, b"\x05abcd"), PROTOCOL),
    ("6.1 good padding", head(fields=POST, end=False) + raw(DATA, 9, 1, b"\x02ab\0\0"), "200"),
    # 6.2
    ("6.2 padding longer than the block", raw(HEADERS, 13, 1, b"\xff" + REST), PROTOCOL),
    ("6.2 good padding", raw(HEADERS, 13, 1, b"\x02" + REST + b"\0\0"), "200"),
    ("6.2 with a priority", raw(HEADERS, 0x25, 1, b"\0\0\0\0\x10" + REST), "200"),
    # 6.3, 6.4
    ("6.3 PRIORITY on stream zero", raw(PRIORITY, 0, 0, b"\0\0\0\0\1"), PROTOCOL),
    ("6.3 PRIORITY of another size", raw(PRIORITY, 0, 1, b"\0\0\0\0") + head(3),
     ("stream FRAME_SIZE_ERROR", SIZE, "200 on 3")),
    ("6.4 RST_STREAM on stream zero", raw(RST, 0, 0, b"\0\0\0\x08"), PROTOCOL),
    ("6.4 RST_STREAM of another size", head(fields=POST, end=False) + raw(RST, 0, 1, b"\0\0\0"),
     SIZE),
    ("6.4 an unknown code",
     head(fields=POST, end=False) + raw(RST, 0, 1, b"\0\0\xff\xff") + head(3), "200 on 3"),
    # 6.5
    ("6.5 SETTINGS on a stream", raw(SETTINGS, 0, 1), PROTOCOL),
    ("6.5 an answer with a payload", raw(SETTINGS, 1, 0, b"\0" * 6), SIZE),
    ("6.5 SETTINGS of another size", raw(SETTINGS, 0, 0, b"\0\3\0"), SIZE),
    ("6.5.2 ENABLE_PUSH of 2", settings((2, 2)), PROTOCOL),
    ("6.5.2 a window above 2^31 - 1", settings((4, 1 << 31)), FLOW),
    ("6.5.2 a frame size below 16,384", settings((5, 16_383)), PROTOCOL),
    ("6.5.2 a frame size above 2^24 - 1", settings((5, 1 << 24)), PROTOCOL),
    ("6.5.2 an unknown setting", settings((0xff, 1)) + head(), "200"),
    ("6.5.3 the last of two values", settings((4, 0), (4, 65_535)) + head(), "200"),
    # 6.6, 6.7, 6.8
    ("6.6 a client pushes", raw(PUSH, 4, 1, b"\0\0\0\2" + REST), PROTOCOL),
    ("6.7 PING on a stream", raw(PING, 0, 1, b"12345678"), PROTOCOL),
    ("6.7 PING of another size", raw(PING, 0, 0, b"1234567"), SIZE),
    ("6.7 an answer that nobody asked for", raw(PING, 1, 0, b"12345678") + head(), "200"),
    ("6.8 GOAWAY on a stream", raw(GOAWAY, 0, 1, b"\0" * 8), PROTOCOL),
    # 6.9
    ("6.9 WINDOW_UPDATE by zero", window(0, 0), PROTOCOL),
    ("6.9 WINDOW_UPDATE of a stream by zero", head(fields=POST, end=False) + window(1, 0),
     ("stream PROTOCOL_ERROR", PROTOCOL)),
    ("6.9 WINDOW_UPDATE of another size", raw(WINDOW, 0, 0, b"\0\0\1"), SIZE),
    ("6.9.1 a window above 2^31 - 1", window(0, (1 << 31) - 1), FLOW),
    ("6.9.1 a stream's window above 2^31 - 1",
     head(fields=POST, end=False) + window(1, (1 << 31) - 1), ("stream FLOW_CONTROL_ERROR", FLOW)),
    ("6.9.2 a stream's window above it by SETTINGS",
     settings((4, (1 << 31) - 1)) + head(fields=POST, end=False) + window(1, 1),
     ("stream FLOW_CONTROL_ERROR", FLOW)),
    # 6.10
    ("6.10 a block in pieces",
     raw(HEADERS, 1, 1, REST[:5]) + raw(CONTINUATION, 0, 1, REST[5:9]) + raw(CONTINUATION, 4, 1,
                                                                             REST[9:]), "200"),
    ("6.10 CONTINUATION behind the block",
     head(fields=POST, end=False) + raw(CONTINUATION, 4, 1, REST), PROTOCOL),
    ("6.10 CONTINUATION on stream zero",
     raw(HEADERS, 1, 1, REST[:5]) + raw(CONTINUATION, 4, 0, REST[5:]), PROTOCOL),
    ("6.10 DATA in place of CONTINUATION", raw(HEADERS, 1, 1, REST[:5]) + data(), PROTOCOL),
    # 8.1
    ("8.1 trailers", head(fields=POST, end=False) + data(end=False) + head(fields=[("x-t", "1")]),
     "200"),
    ("8.1 trailers that do not end",
     head(fields=POST, end=False) + head(fields=[("x-t", "1")], end=False), MALFORMED),
    ("8.1.1 a length that is too small",
     head(fields=[*POST, ("content-length", "1")], end=False) + data(content=b"xy"), MALFORMED),
    ("8.1.1 a length that is too large",
     head(fields=[*POST, ("content-length", "3")], end=False) + data(content=b"xy"), MALFORMED),
    ("8.1.1 a length and no body", head(fields=[*POST, ("content-length", "3")]), MALFORMED),
    # 8.2
    ("8.2 a capital in a name", head(fields=[*GET, ("X-Name", "1")]), MALFORMED),
    ("8.2.1 a space in a name", head(fields=[*GET, ("x name", "1")]), MALFORMED),
    ("8.2.1 a line end in a value", head(fields=[*GET, ("x-name", "a\r\nb: c")]), MALFORMED),
    ("8.2.1 a NUL in a value", head(fields=[*GET, ("x-name", "a\0b")]), MALFORMED),
    ("8.2.1 a space before a value", head(fields=[*GET, ("x-name", " a")]), (*MALFORMED, "200")),
    *[(f"8.2.2 {name}", head(fields=[*GET, (name, value)]), MALFORMED)
      for name, value in (("connection", "x"), ("keep-alive", "1"), ("proxy-connection", "x"),
                          ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip"))],
    ("8.2.2 te: trailers", head(fields=[*GET, ("te", "trailers")]), "200"),
    ("8.2.3 cookies in pieces", head(fields=[*GET, ("cookie", "a=b"), ("cookie", "c=d")]), "200"),
    # 8.3
    ("8.3 an unknown pseudo-field", head(fields=[*GET, (":extra", "1")]), MALFORMED),
    ("8.3 one of a response", head(fields=[*GET, (":status", "200")]), MALFORMED),
    ("8.3 one behind a field", head(fields=[*GET[:3], ("x-name", "1"), GET[3]]), MALFORMED),
    ("8.3 one in the trailers", head(fields=POST, end=False) + head(fields=[(":path", "/y")]),
     MALFORMED),
    *[(f"8.3.1 no {name}", head(fields=[one for one in GET if one[0] != name]), MALFORMED)
      for name in (":method", ":scheme", ":path")],
    *[(f"8.3.1 two of {name}", head(fields=[*GET, (name, dict(GET)[name])]), MALFORMED)
      for name in (":method", ":scheme", ":path", ":authority")],
    ("8.3.1 an empty path", head(fields=changed(":path", "")), MALFORMED),
    ("8.3.1 a relative path", head(fields=changed(":path", "x")), MALFORMED),
    ("8.3.1 user information", head(fields=changed(":authority", "me@a.test")), MALFORMED),
    ("8.3.1 a host that differs", head(fields=[*GET, ("host", "b.test")]), MALFORMED),
    ("8.5 CONNECT with a path", head(fields=changed(":method", "CONNECT")), (*MALFORMED, "501")),
]


class Connection:
    def __init__(self, port, begin):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.sendall(begin)
        self.decoder = hpack.Decoder()
        self.windows, self.buffer = {}, b""

    def frames(self):
        """All frames until the connection ends."""
        while True:
            while len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) < 9 + length:
                    break
                kind, flags = self.buffer[3], self.buffer[4]
                stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFF_FFFF
                payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
                yield kind, flags, stream, payload
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                return
            self.buffer += more

    def verdict(self):
        """What is said of the case: its first answer that ends something."""
        answers, probed = [], False
        for kind, flags, stream, payload in self.frames():
            if kind == HEADERS:
                status = dict(self.decoder.decode(payload))[":status"]
                answers.append(status if stream == 1 else f"{status} on {stream}")
            elif kind == RST:
                answers.append(f"stream {CODES[int.from_bytes(payload, 'big')]}")
            elif kind == GOAWAY:
                code = int.from_bytes(payload[4:8], "big")
                if code:
                    return [f"connection {CODES[code]}"]
                return answers
            elif kind == PING and flags & 1 and payload == b"the last":
                # Whatever the case was answered with, the connection goes on.
                probed = True
            if probed and answers:
                return answers
        assert answers, "the connection ended and nobody said why"
        return answers


def check(world):
    gateway = Gateway(world, f"""
listen = ["127.0.0.1:0"]
[upstreams]
who = {{ whoami = true }}
sums = {{ to = "http://127.0.0.1:{sums()}" }}
[routes]
"/*" = {{ to = "who", allow = "anyone" }}
"/sums/*" = {{ to = "sums", allow = "anyone" }}
[limits]
head_timeout = "1s"
idle_timeout = "5s"
body_timeout = "3s"
""")
    begin = PREFACE + settings()
    probe = raw(PING, 0, 0, b"the last")
    problems = []
    for name, frames, wanted in CASES:
        wanted = (wanted,) if isinstance(wanted, str) else wanted
        connection = Connection(gateway.ports[0], begin + frames + probe)
        answers = connection.verdict()
        connection.socket.close()
        if name in LESS_PRECISE | LESS_MILD:
            wanted = (PROTOCOL,)
        elif name in OVERLOOKED:
            wanted = ("200",)
        if not set(answers) & set(wanted):
            problems.append(f"{name}: {answers} instead of {wanted}")
    for name, begun in (("3.4 no SETTINGS first", PREFACE + raw(PING, 0, 0, b"12345678")),
                        ("3.4 a preface that is none", PREFACE[:-6] + b"XX\r\n\r\n" + settings())):
        answers = [kind for kind, *_ in Connection(gateway.ports[0], begun).frames()]
        if HEADERS in answers:
            problems.append(f"{name}: it was answered")
    same("cases that end otherwise", problems, [])
    gateway.stop()
    print(f"{len(CASES) + 2} cases of RFC 9113")
