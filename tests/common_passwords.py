"""Makes the list of common passwords that is compiled in, out of a wheel of Django.

    common_passwords.py django-5.2.19-py3-none-any.whl src/password/common.bin

What is kept of each word is the first 40 bits of its SHA-256; the numbers are sorted, and each is
written as its distance from the one before, in groups of seven bits, the lowest first, with the
eighth set where another group follows (LEB128).
"""

import gzip
import hashlib
import sys
import zipfile

BYTES = 5  # of each digest
LIST = "django/contrib/auth/common-passwords.txt.gz"


def words(wheel):
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(LIST)).decode()
    return {line.strip().lower() for line in text.splitlines()} - {""}


def packed(words):
    digests = {hashlib.sha256(word.encode()).digest()[:BYTES] for word in words}
    out, last = bytearray(), 0
    for number in sorted(int.from_bytes(digest, "big") for digest in digests):
        gap, last = number - last, number
        while gap >= 0x80:
            out.append(gap & 0x7F | 0x80)
            gap >>= 7
        out.append(gap)
    return bytes(out)


def main():
    wheel, target = sys.argv[1:]
    found = words(wheel)
    data = packed(found)
    with open(target, "wb") as file:
        file.write(data)
    print(f"{len(found)} words, {len(data)} bytes")


main()
