"""Requests of which most have one or two things in them that are odd; the same ones in each run."""

import random

# In a body, for whoever loses count.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\nX-Case: smuggled\r\n\r\n"


class Maker:
    """Makes the requests; most of them have one or two things in them that are odd."""

    PIECES = ["/a", "/b", "/", "//", "/.", "/..", "/%2e", "/%2E%2e", "/%2F", "%2f", "%5C", ";v=1",
              "/a;b", "%25", "%252e",
              "/~u", "%7Eu", "%C3%A9", "/x y", "\\", "%00", "%zz", "/%41", "?q=1", "?q=/../x&a=%2F",
              "#f", "*", "/+",
              "|", "[", "é", "'", "\"", "/" + "long" * 300]
    FIELDS = ["X-Odd: plain", "x-odd:nospace", "X-Odd:  spaces  ", "X-Odd: a\r\nX-Odd: b",
              "X-List: a, b", "X-List: a,b\r\nX-List: c",
              "X-Empty:", "X-Tab:\ta\tb", "Cookie: a=b", "Cookie: a=b\r\nCookie: c=d",
              "Accept: */*", "X-User-Id: 1", "x_user_id: 1",
              "X_Odd: dropped", "Connection: X-Odd", "Connection: keep-alive", "TE: trailers",
              "Trailer: X-Odd", "Upgrade: h2c",
              "Expect: 100-continue", "Keep-Alive: 5", "X-Latin: caf\xe9",
              "Content-Type: text/plain", "Proxy-Connection: close"]
    BROKEN = ["X-Odd : before the colon", " X-Odd: before the name", "X-Odd: folded\r\n over",
              "no colon", ": no name", "X-Odd: \x00",
              "X-Odd: a\rb", "X-Odd: a\nX-Odd: b", "X-Odd: \x0b", "X\xe9: name", "X(Odd: name",
              "Host: second.test",
              "Connection: Content-Length", "Connection: Transfer-Encoding", "Connection: Host"]
    LENGTHS = ["Content-Length: {}", "content-length:{}", "Content-Length:  {}  ",
               "Content-Length: 0{}", "Content-Length: +{}",
               "Content-Length: {}, {}", "Content-Length: {}\r\nContent-Length: {}",
               "Content-Length: {}\r\nContent-Length: 0",
               "Content-Length : {}", "Content_Length: {}", "Content-Length: 0x{}",
               "Content-Length: {}.0", "Content-Length: -{}",
               "Content-Length: {}\r\nTransfer-Encoding: chunked",
               "Content-Length: {}\r\nTransfer-Encoding: identity"]
    CODINGS = ["Transfer-Encoding: chunked", "transfer-encoding:chunked",
               "Transfer-Encoding: CHUNKED", "Transfer-Encoding:\tchunked",
               "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked",
               "Transfer-Encoding: xchunked",
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
               "Transfer-Encoding : chunked", "Transfer_Encoding: chunked",
               "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked\r\nContent-Length: 4",
               "Transfer-Encoding:\x0bchunked",
               "Transfer-Encoding:\r\n chunked", "X: y\nTransfer-Encoding: chunked",
               "Transfer-Encoding: chunked;q=1"]
    SIZES = ["{:x}", "{:X}", "000{:x}", "{:x};ext", "{:x};ext=\"a b\"", "{:x} ", "0x{:x}", "+{:x}",
             "-{:x}", "{:x}\t;a", "{:x}\n", "{:x};\n", "1{:016x}"]

    def __init__(self):
        self.dice = random.Random(9112)

    def pick(self, usual, odd, chance):
        return self.dice.choice(odd) if self.dice.random() < chance else usual

    def target(self, host):
        path = "".join(self.dice.choice(self.PIECES) for _ in range(self.dice.randint(0, 4)))
        path = path if path.startswith("/") or self.dice.random() < 0.05 else f"/{path}"
        return self.pick(path, [f"http://{host}{path}", f"http://other.test{path}",
                                f"//{host}{path}", "*"], 0.06)

    def body(self):
        content = self.dice.choice([b"abc", b"", b"x" * 3000, b"0\r\n\r\n" + SMUGGLED, b"\r\n\r\n"])
        kind = self.dice.random()
        if kind < 0.35:
            return "", b""
        if kind < 0.65:
            field = self.pick(self.LENGTHS[0], self.LENGTHS, 0.4)
            return field.replace("{}", str(len(content))), content
        size = self.pick(self.SIZES[0], self.SIZES, 0.25)
        end = self.pick("\r\n", ["\n", "", "\r"], 0.05)
        part = content.decode()
        chunks = f"{size.format(len(part))}\r\n{part}{end}" if part else ""
        trailer = self.pick("", ["X-Odd: trailer\r\n", "Content-Length: 3\r\n", "X-User-Id: 1\r\n",
                                 "bad trailer\r\n", " X: y\r\n"], 0.3)
        return self.pick(self.CODINGS[0], self.CODINGS,
                         0.3), f"{chunks}0\r\n{trailer}\r\n".encode("latin-1")

    def request(self, case, host):
        method = self.pick("POST",
                           ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "get", "TRACE",
                            "PO ST"], 0.5)
        version = self.pick("HTTP/1.1",
                            ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", ""], 0.06)
        framing, body = self.body()
        fields = [f"Host: {host}", f"X-Case: {case}", framing]
        fields += [self.dice.choice(self.FIELDS) for _ in range(self.dice.randint(0, 3))]
        fields += [self.dice.choice(self.BROKEN)] if self.dice.random() < 0.1 else []
        self.dice.shuffle(fields)
        lines = [self.pick(f"{method} {self.target(host)} {version}", ["", "\r\nGET / HTTP/1.1"],
                           0.01)]
        lines += [field for field in fields if field]
        line_end = self.pick("\r\n", ["\n", "\r"], 0.01)
        head = line_end.join(lines) + line_end * 2
        return head.encode("latin-1", "replace") + body

    def connection(self, number, host):
        requests = [self.request(f"{number}.{part}",
                                 host) for part in range(self.dice.randint(1, 3))]
        last = f"GET /last HTTP/1.1\r\nHost: {host}\r\nX-Case: {number}.last\r\n"
        return b"".join(requests) + f"{last}Connection: close\r\n\r\n".encode()
