"""The oldest Rust that builds this: `python3 tests/msrv.py`.

One toolchain is here, and it is newer. So the statement is checked from three sides: no crate that is
built in asks for a later one, the pages say the same as Cargo.toml, and the lint
`incompatible_msrv`, which a build of .ci/run denies, knows since when each function of the standard
library is there.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("README.md",)


def fail(problem):
    sys.exit(f"MSRV: {problem}")


def version(text):
    """`1.88` and `1.88.0` are one."""
    numbers = [int(number) for number in text.split("-")[0].split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))


def metadata():
    host = re.search(r"^host: (.*)$", run("rustc", "-vV"), re.MULTILINE)[1]
    told = run("cargo", "metadata", "--locked", "--format-version=1", "--all-features",
               f"--filter-platform={host}")
    return json.loads(told)


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def built_in(resolve):
    """The packages that somebody who builds this builds: tests want others, too."""
    nodes = {node["id"]: node for node in resolve["nodes"]}
    found, left = set(), [resolve["root"]]
    while left:
        package = left.pop()
        if package not in found:
            found.add(package)
            kinds = lambda dependency: {kind["kind"] for kind in dependency["dep_kinds"]}
            deps = nodes[package]["deps"]
            left += [dependency["pkg"] for dependency in deps if kinds(dependency) != {"dev"}]
    return found


def main():
    known = metadata()
    packages = {package["id"]: package for package in known["packages"]}
    ours = packages[known["resolve"]["root"]]["rust_version"]
    if ours is None:
        fail("Cargo.toml has no `rust-version`; state one")
    wanted = [packages[package] for package in built_in(known["resolve"])]
    stating = [package for package in wanted if package["rust_version"]]
    late = [package for package in stating if version(package["rust_version"]) > version(ours)]
    for package in late:
        print(f"{package['name']} {package['version']} wants {package['rust_version']}")
    if late:
        fail(f"`rust-version = \"{ours}\"` is too old for these; raise it, and say so in CHANGELOG.md")
    for page in SOURCES:
        said = re.findall(r"\((1\.\d+(?:\.\d+)?) or later\)", (ROOT / page).read_text())
        if said != [ours]:
            fail(f"{page} says {said}, and Cargo.toml {ours}")
    silent = len(wanted) - len(stating)
    print(f"Rust {ours}: enough for {len(stating)} crates; {silent} do not say what they want")


if __name__ == "__main__":
    main()
