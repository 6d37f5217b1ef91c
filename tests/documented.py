"""Which public items have an example that is compiled or run: `documented.py PORTCULLIS_JSON`.

Reads what rustdoc has written as JSON. An item is a type, a trait, a function or a constant that a path of
public names leads to. It has an example if its own page has one, or if a page of another item, or of the
guide to the library, has one in which it is named: `Outcome` in the example of the function that returns it."""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KINDS = ("struct", "enum", "union", "trait", "function", "constant", "static", "type_alias", "macro")
FENCE = re.compile(r"^\s*```([^\n]*)\n(.*?)^\s*```", re.M | re.S)
NOT_RUST = {"text", "toml", "sh", "json", "console", "ignore", "sql", "nginx", "yaml", "lua", "http", "python", "js"}


def examples(docs):
    found = FENCE.findall(docs or "")
    return [code for words, code in found if not NOT_RUST & set(re.split(r"[,\s]+", words))]


def public(index, root):
    """Items by the shortest public path to each."""
    found, waiting, seen = {}, [(index[str(root)], ())], set()
    while waiting:
        module, path = waiting.pop(0)
        for number in module["inner"]["module"]["items"]:
            item = index.get(str(number))
            if item is None or item["visibility"] != "public":
                continue
            kind, inner = next(iter(item["inner"].items()))
            name = item["name"]
            if kind == "use":
                item, name = index.get(str(inner["id"])), inner["name"]
                if item is None or item["crate_id"] != 0:
                    continue
                kind = next(iter(item["inner"]))
            if kind == "module":
                if item["id"] not in seen:
                    seen.add(item["id"])
                    waiting.append((item, (*path, name)))
            elif kind in KINDS:
                before = found.get(item["id"])
                if before is None or len(before[0]) > len(path) + 1:
                    found[item["id"]] = ((*path, name), kind, item)
    return found


def main():
    crate = json.loads(pathlib.Path(sys.argv[1]).read_text())
    index = crate["index"]
    items = public(index, crate["root"])
    pages = [item["docs"] for item in index.values() if item["crate_id"] == 0]
    pages += [(ROOT / page).read_text() for page in ("README.md", "docs/library.md", "docs/verifying.md")]
    code = "\n".join(code for docs in pages for code in examples(docs))
    words = set(re.findall(r"\w+", code))
    without = []
    for path, kind, item in items.values():
        if not examples(item["docs"]) and path[-1] not in words:
            without.append(("::".join(path), kind))
    print(f"examples: {len(items) - len(without)} of {len(items)} public items")
    lacking = "".join(f"\n  {kind} {path}" for path, kind in sorted(without))
    assert items and not without, f"without an example:{lacking}"


if __name__ == "__main__":
    main()
