"""What cargo knows of the crates that portcullis is made of."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def host():
    return re.search(r"^host: (.*)$", run("rustc", "-vV"), re.MULTILINE)[1]


class Crates:
    """The packages of a build for this machine, with all features or with those that the program has."""

    def __init__(self, *features):
        told = run("cargo", "metadata", "--locked", "--format-version=1",
                   f"--filter-platform={host()}", *features)
        told = json.loads(told)
        self.packages = {package["id"]: package for package in told["packages"]}
        self.nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
        self.root = told["resolve"]["root"]
        self.own = self.packages[self.root]

    def direct(self):
        """The ids of what Cargo.toml asks for, tests aside."""
        return [package for package, kinds in self.wanted(self.root) if kinds != {"dev"}]

    def wanted(self, package):
        for wanted in self.nodes[package]["deps"]:
            yield wanted["pkg"], {kind["kind"] or "normal" for kind in wanted["dep_kinds"]}

    def below(self, package, kinds=frozenset({"normal", "build"})):
        """The ids of all that comes along with a package, itself among them."""
        found, left = set(), [package]
        while left:
            package = left.pop()
            if package not in found:
                found.add(package)
                left += [below for below, told in self.wanted(package) if told & kinds]
        return found

    def linked(self):
        """What is in the program, each with what it wants there: not what only runs while it is built."""
        found, left = {}, [self.root]
        while left:
            package = left.pop()
            if package not in found:
                found[package] = sorted(
                    wanted for wanted, kinds in self.wanted(package)
                    if "normal" in kinds and "proc-macro" not in self.kinds(wanted))
                left += found[package]
        return found

    def kinds(self, package):
        targets = self.packages[package]["targets"]
        return {kind for target in targets for kind in target["kind"]}


def locked():
    """What Cargo.lock says of each package, by name and version."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(package["name"], package["version"]): package for package in lock["package"]}


def fail(problem):
    sys.exit(f"SUPPLY: {problem}")
