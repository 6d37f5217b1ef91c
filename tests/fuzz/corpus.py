"""Kept inputs as files for the fuzzer, and back: `corpus.py unpack TEXT FOLDER`, `corpus.py pack FOLDER TEXT`."""

import hashlib
import pathlib
import re
import sys

NAMED = {"n": b"\n", "r": b"\r", "t": b"\t"}
LONGEST = 300


def unescaped(line: str) -> bytes:
    parts = re.findall(r"\\x(..)|\\(.)|([^\\]+)", line)
    return b"".join(
        bytes.fromhex(digits) if digits else NAMED.get(sign, sign.encode()) if sign else plain.encode()
        for digits, sign, plain in parts
    )


def escaped(data: bytes) -> str:
    signs = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
    return "".join(signs.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)


def main() -> None:
    verb, source, target = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    if verb == "unpack":
        target.mkdir(parents=True, exist_ok=True)
        for line in source.read_text().splitlines():
            data = unescaped(line)
            (target / hashlib.sha1(data).hexdigest()).write_bytes(data)
    else:
        # What was kept stays: regressions are in it, and what was written by hand.
        inputs = {unescaped(line) for line in target.read_text().splitlines()}
        inputs |= {data for path in source.iterdir() if 0 < len(data := path.read_bytes()) <= LONGEST}
        lines = [escaped(data) for data in sorted(inputs, key=lambda data: (len(data), data))]
        target.write_text("".join(f"{line}\n" for line in lines))


main()
