"""A copy of the repository with mutants in it, and the test binaries that are built of it."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

# The tests beside the code, and those that meet the gateway as its clients and operators do.
BESIDE = ["--lib"]
ALL = [*BESIDE, "--test", "gateway", "--test", "cli"]


class Built:
    """The copy below `folder`, with the mutants of `files` in it."""

    def __init__(self, root, folder, files, tests):
        self.root, self.folder, self.files, self.tests = root, folder, files, tests
        self.copy = folder / "copy"
        self.left_out = set()

    def make(self):
        """Copies, writes the mutants and builds, until all that are left compile."""
        self.tree = self.bring()
        self.tool = self.build_tool()
        while True:
            self.write()
            broken = self.build()
            if not broken:
                break
            self.left_out |= broken
            print(f"{len(self.left_out)} mutants do not compile; building without them", flush=True)
        (self.folder / "left_out.json").write_text(json.dumps([self.found, sorted(self.left_out)]))
        self.mutants = [mutant for mutant in self.all() if mutant["number"] not in self.left_out]

    def bring(self):
        """Copies what git knows of, keeping the time of what is as it was; the digest of what
        tests depend on."""
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=self.root,
                                check=True, capture_output=True).stdout.decode().split("\0")
        digest = hashlib.sha256()
        for name in sorted(filter(None, listed)):
            if not (self.root / name).is_file():
                continue
            content = (self.root / name).read_bytes()
            if name.startswith(("src/", "tests/cli", "tests/common/", "tests/data/", "tests/gateway/")):
                digest.update(f"{name}\0{len(content)}\0".encode() + content)
            if name == "Cargo.toml":
                content = without_lints(content.decode()).encode()
            elif name == "src/lib.rs":
                content += b"\nmod mutant;\n"
            if name not in self.files:
                put(self.copy / name, content)
        put(self.copy / "src/mutant.rs", (self.root / "tests/mutants/switch.rs").read_bytes())
        return digest.hexdigest()

    def build_tool(self):
        target = self.folder / "tool"
        subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", target,
                        "--manifest-path", self.root / "tests/mutants/Cargo.toml"], check=True)
        return target / "release/portcullis-mutants"

    def write(self):
        for file in self.files:
            (self.copy / file).parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([self.tool, self.root, self.copy, *self.files], check=True, text=True,
                              input=json.dumps(sorted(self.left_out)), stdout=subprocess.PIPE)
        self.said = json.loads(done.stdout)
        places = [[mutant[part] for part in ("file", "number", "line")] for mutant in self.all()]
        self.found = hashlib.sha256(json.dumps(places).encode()).hexdigest()
        # Those that did not compile last time will not do so now, if they are the same.
        known = self.folder / "left_out.json"
        if not self.left_out and known.exists():
            found, left_out = json.loads(known.read_text())
            if found == self.found and left_out:
                self.left_out = set(left_out)
                self.write()

    def all(self):
        return [mutant | {"file": file["path"]} for file in self.said for mutant in file["mutants"]]

    def build(self):
        """Builds; the numbers of the mutants that do not compile."""
        target = self.folder / "build"
        self.warm(target)
        command = ["cargo", "test", "--no-run", "--quiet", "--locked", "--all-features", *self.tests,
                   "--message-format", "json", "--target-dir", target]
        done = subprocess.run(command, cwd=self.copy, stdout=subprocess.PIPE, text=True)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        self.binaries = {line["target"]["name"]: line["executable"] for line in said
                         if line["reason"] == "compiler-artifact" and line["profile"]["test"] and line["executable"]}
        if done.returncode == 0:
            return set()
        broken = set()
        for line in said:
            if line["reason"] == "compiler-message" and line["message"]["level"] == "error":
                broken |= self.blame(line["message"])
        if not broken:
            sys.exit("the copy does not build, and for another reason than a mutant: see above")
        return broken

    def blame(self, message):
        """The mutants whose changes stand where the compiler complains."""
        spans = message["spans"] + [span for child in message["children"] for span in child["spans"]]
        blamed = set()
        for span in sorted(spans, key=lambda span: not span["is_primary"]):
            if blamed:
                break
            while span["expansion"]:
                span = span["expansion"]["span"]
            places = [place for file in self.said if file["path"] == span["file_name"] for place in file["places"]
                      if place["start"] <= span["byte_start"] and span["byte_end"] <= place["end"]]
            if places:
                smallest = min(places, key=lambda place: place["end"] - place["start"])
                blamed |= set(smallest["mutants"])
        if not blamed and message["spans"]:
            print(message["rendered"], file=sys.stderr)
        return blamed

    def warm(self, target):
        """Begins with the dependencies as they were built for other tests."""
        warm = self.folder.parent / "debug"
        if (target / "debug").exists() or not (warm / "deps").exists():
            return
        for part in ["deps", "build", ".fingerprint"]:
            shutil.copytree(warm / part, target / "debug" / part, copy_function=os.link,
                            ignore=shutil.ignore_patterns("*portcullis*", "gateway-*", "cli-*"))


def without_lints(manifest):
    return re.sub(r"^\[lints\.[a-z]+\]\n(?:.+\n)*", "", manifest, flags=re.M)


def put(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
