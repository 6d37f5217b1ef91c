#!/usr/bin/env python3
"""Puts mutants into rooms of the gateway, and looks whether the tests notice.

One build holds them all, each behind a switch that is read when it runs (switch.rs). Each test runs once to record
which mutants would have made a difference to it; then each mutant meets those tests, the nearest and fastest first,
until one fails. A mutant that survives and is not in harmless.txt fails the run, and so does an entry there that
is no mutant any more.

What was found is kept below target/mutants: a run that was stopped goes on, and after a change of the sources the
test that killed a mutant last time is asked first.
"""

import argparse
import collections
import json
import os
import pathlib
import sys
import time

import built
import harmless
import rooms
import trials

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/mutants"


class Verdicts:
    """What became of each mutant, a line each in a file that is only added to."""

    def __init__(self, path, tree):
        self.path, self.tree = path, tree
        self.known = {}
        if path.exists():
            for line in path.read_text().splitlines():
                verdict = json.loads(line)
                self.known[verdict["mutant"]] = verdict

    def of_now(self, name):
        verdict = self.known.get(name)
        return verdict if verdict and verdict["tree"] == self.tree else None

    def add(self, name, fate, test):
        verdict = {"mutant": name, "fate": fate, "test": test, "tree": self.tree}
        self.known[name] = verdict
        with self.path.open("a") as file:
            file.write(json.dumps(verdict) + "\n")


def main():
    arguments = parse()
    names = arguments.rooms or list(rooms.ROOMS)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
    folder = target / "mutants"
    folder.mkdir(parents=True, exist_ok=True)
    files = rooms.files(ROOT, names)
    began = time.monotonic()
    copy = built.Built(ROOT, folder, files, built.BESIDE if arguments.beside else built.ALL)
    copy.make()
    print(f"{len(copy.mutants)} mutants in {len(files)} files; {len(copy.left_out)} more do not compile "
          f"({time.monotonic() - began:.0f} s)", flush=True)
    name_all(copy.mutants)
    judged = trials.Trials(copy.copy, copy.binaries, arguments.jobs)
    record = recorded(copy, judged, folder)
    verdicts = Verdicts(folder / "verdicts.jsonl", f"{copy.tree} {' '.join(copy.tests)}")
    judge(copy.mutants, judged, record, verdicts, arguments.seconds)
    print(f"done after {time.monotonic() - began:.0f} s")
    return report(copy.mutants, verdicts, files, [title for title, told in record.items() if told is None])


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"of {', '.join(rooms.ROOMS)}; all of them if left out")
    parser.add_argument("--beside", action="store_true", help="with the tests beside the code alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tests that run at once")
    parser.add_argument("--seconds", type=float, default=60, help="of tests that a mutant meets at the most")
    arguments = parser.parse_args()
    if unknown := set(arguments.rooms) - set(rooms.ROOMS):
        parser.error(f"no such room: {', '.join(unknown)}")
    return arguments


def name_all(mutants):
    """Names that hold for as long as the line does; what is there twice is counted."""
    count = collections.Counter()
    for mutant in mutants:
        mutant["key"] = harmless.key(mutant)
        count[mutant["key"]] += 1
        mutant["name"] = f"{mutant['key']} #{count[mutant['key']]}"


def recorded(copy, judged, folder):
    """What each test reaches; read, where it was recorded of the same build."""
    kept = folder / "record.json"
    of = [copy.tree, copy.found, sorted(copy.left_out), copy.tests]
    if kept.exists():
        before = json.loads(kept.read_text())
        if before["of"] == of:
            return before["tests"]
    began = time.monotonic()
    tests = judged.record(folder / "reached")
    kept.write_text(json.dumps({"of": of, "tests": tests}))
    print(f"{len(tests)} tests recorded ({time.monotonic() - began:.0f} s)", flush=True)
    return tests


def judge(mutants, judged, record, verdicts, most):
    reaching = collections.defaultdict(list)
    for title, told in record.items():
        for number in told["reached"] if told else []:
            reaching[number].append(title)

    def attempts(mutant):
        """Tests, the likeliest to fail first, with the seconds that they take."""
        titles = sorted(reaching[mutant["number"]], key=lambda title: nearness(mutant, title, record))
        before = verdicts.known.get(mutant["name"])
        if before and before["test"] in titles:
            titles.insert(0, before["test"])
        spent = 0
        for title in titles:
            seconds = record[title]["seconds"]
            spent += seconds
            if spent > most:
                return
            yield title, seconds

    left = [mutant for mutant in mutants if not verdicts.of_now(mutant["name"])]
    for mutant in [mutant for mutant in left if not reaching[mutant["number"]]]:
        verdicts.add(mutant["name"], "not reached", None)
        left.remove(mutant)
    done = collections.Counter()

    def tell(mutant, fate, title):
        verdicts.add(mutant["name"], fate, title)
        done[fate] += 1
        if sum(done.values()) % 100 == 0:
            print(f"{sum(done.values())} of {len(left)}: {dict(done)}", flush=True)

    judged.judge(left, attempts, tell)


def nearness(mutant, title, record):
    """Tests beside the code come first, those of the same module before them; then the fastest."""
    binary, name = title.split(" ", 1)
    if binary == "gateway":
        return 1, 0, record[title]["seconds"]
    shared = 0
    for ours, theirs in zip(rooms.module(mutant["file"]), name.split("::")):
        if ours != theirs:
            break
        shared += 1
    return 0, -shared, record[title]["seconds"]


def report(mutants, verdicts, files, failing):
    allowed = harmless.read(HERE / "harmless.txt")
    fates = collections.Counter()
    alive = []
    for mutant in mutants:
        fate = verdicts.of_now(mutant["name"])["fate"]
        if fate in ("survived", "not reached"):
            if mutant["key"] in allowed:
                fate = "harmless"
            else:
                alive.append((mutant, fate))
        fates[fate] += 1
    print(", ".join(f"{count} {fate}" for fate, count in sorted(fates.items())))
    for mutant, fate in alive:
        print(f"{fate}: line {mutant['line']}, number {mutant['number']}\n{mutant['key']}")
    keys = {mutant["key"] for mutant in mutants}
    stale = sorted(entry for entry in allowed - keys if entry.split(": ")[0] in files)
    for entry in stale:
        print(f"no mutant is called so any more; take it out of tests/mutants/harmless.txt:\n{entry}")
    for title in failing:
        print(f"fails without any mutant, and was not asked: {title}")
    return 1 if alive or stale or failing else 0


if __name__ == "__main__":
    sys.exit(main())
