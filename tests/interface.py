"""Whether the interface of the library is the one that tests/data/interface.txt lists: `interface.py PORTCULLIS_JSON`.

Reads what rustdoc has written as JSON. A name that is gone from the list is gone from programs that use it: CHANGELOG.md
tells them what to do, and the next version is another minor one. What a name stands for is compared by
`tests/semver.sh`, for a release. With --write the list is written anew."""

import difflib
import json
import pathlib
import sys

from documented import ROOT, public

LIST = ROOT / "tests/data/interface.txt"


def members(index, item):
    """What the item has that is named behind its own name."""
    kind, inner = next(iter(item["inner"].items()))

    def named(numbers, what, visible=("public",)):
        for number in numbers:
            member = index.get(str(number))
            # A field of a tuple has a number for a name, and one that is hidden is not there.
            if member and member["name"] and member["visibility"] in visible:
                yield f"{what or next(iter(member['inner']))} {member['name']}"

    if kind == "struct" and "plain" in (shape := inner["kind"]):
        yield from named(shape["plain"]["fields"], "field")
    if kind == "enum":
        yield from named(inner["variants"], "variant", ("default",))
    if kind == "trait":
        yield from named(inner["items"], None, ("default",))
    for number in inner.get("impls", []):
        block = index.get(str(number))
        if block and block["inner"]["impl"]["trait"] is None:
            yield from named(block["inner"]["impl"]["items"], None)


def interface(crate):
    index = crate["index"]
    for path, kind, item in sorted(public(index, crate["root"]).values(), key=lambda found: found[:2]):
        name = "::".join(path)
        yield f"{kind} {name}"
        yield from (f"{kind} {name} {member}" for member in sorted(set(members(index, item))))


def main():
    crate = json.loads(pathlib.Path(sys.argv[1]).read_text())
    now = [line + "\n" for line in interface(crate)]
    assert len(now) > 100, "that is no interface"
    if "--write" in sys.argv:
        LIST.write_text("".join(now))
    before = LIST.read_text().splitlines(keepends=True)
    changed = "".join(difflib.unified_diff(before, now, str(LIST.relative_to(ROOT)), "as it is", n=0))
    if changed:
        sys.exit(f"{changed}The interface is another: tests/interface.py has what to do.")
    print(f"interface: {len(now)} names, as listed")


if __name__ == "__main__":
    main()
