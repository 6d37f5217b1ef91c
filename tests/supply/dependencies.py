"""The table of docs/dependencies.md against Cargo.toml and the sources: `python3 tests/supply/dependencies.py`.

Each crate that Cargo.toml asks for has a row, with the features that it is asked for, who keeps it, how often
its sources say `unsafe`, what of it runs while portcullis is built, and how many crates come with it and with
nothing else. `--write` puts what was measured into the table; the last column is for people to write.
"""

import pathlib
import re
import sys

from crates import ROOT, Crates, fail

PAGE = ROOT / "docs/dependencies.md"
UNSAFE = re.compile(r"\bunsafe\s*(?:\{|\bfn\b|\bimpl\b|\bextern\b|\btrait\b)")
FORBIDS = re.compile(r"#!\[forbid\([^)]*\bunsafe_code\b")
COMMENT = re.compile(r"//[^\n]*")
ROW = re.compile(r"^\| `(?P<name>[^`]+)` \|.*\| (?P<note>[^|]*) \|$", re.MULTILINE)


def measured(crates, package, alone):
    """The cells of a row, without the last."""
    told = crates.packages[package]
    asked = next(asked for asked in crates.own["dependencies"]
                 if asked["name"] == told["name"] and asked["kind"] is None)
    repository = (told["repository"] or "").removesuffix(".git").split("/")
    return [f"`{told['name']}`", features(asked), "/".join(repository[3:5]),
            said_unsafe(pathlib.Path(told["manifest_path"]).parent / "src"),
            at_build(crates.kinds(package)), str(alone)]


def features(asked):
    default = ["default"] if asked["uses_default_features"] else []
    return " ".join(f"`{feature}`" for feature in default + sorted(asked["features"])) or "none"


def said_unsafe(sources):
    code = {path: COMMENT.sub("", path.read_text(errors="replace")) for path in sources.rglob("*.rs")}
    if FORBIDS.search(code[sources / "lib.rs"]):
        return "forbidden"
    return str(sum(len(UNSAFE.findall(text)) for text in code.values()))


def at_build(kinds):
    runs = {"custom-build": "script", "proc-macro": "macro"}
    return ", ".join(runs[kind] for kind in sorted(kinds & runs.keys())) or "nothing"


def rows(crates):
    direct = {package: crates.below(package) for package in crates.direct()}
    for package in sorted(direct, key=lambda package: crates.packages[package]["name"]):
        others = set().union(*(below for other, below in direct.items() if other != package))
        yield measured(crates, package, len(direct[package] - others))


def main(write):
    crates = Crates("--all-features")
    page = PAGE.read_text()
    notes = {row["name"]: row["note"] for row in ROW.finditer(page)}
    head, old = page.split("| --- | --- | --- | --- | --- | --- | --- |\n")
    old, tail = old.split("\n\n", 1) if "\n\n" in old else (old.rstrip("\n"), "")
    new = [[*cells, notes.get(cells[0].strip("`"), "")] for cells in rows(crates)]
    new = "\n".join(f"| {' | '.join(cells)} |" for cells in new)
    if write:
        tail = f"\n{tail}" if tail else ""
        PAGE.write_text(f"{head}| --- | --- | --- | --- | --- | --- | --- |\n{new}\n{tail}")
    elif new != old:
        differ = sorted(set(new.splitlines()) ^ set(old.splitlines()))
        fail("docs/dependencies.md is not as things are; `python3 tests/supply/dependencies.py --write` "
             "says how they are, and you say why:\n" + "\n".join(differ))
    silent = [line for line in new.splitlines() if line.endswith("|  |")]
    if silent:
        fail("docs/dependencies.md does not say what these are for:\n" + "\n".join(silent))
    print(f"{len(new.splitlines())} crates are asked for, each for a reason")


if __name__ == "__main__":
    main("--write" in sys.argv[1:])
