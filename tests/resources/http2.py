"""Frames of HTTP/2, by hand."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path, method=b"GET"):
    fields = ((b":method", method), (b":scheme", b"http"), (b":authority", b"a.test"))
    return b"".join(literal(*field) for field in fields + ((b":path", path),))


def begin(window):
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))
