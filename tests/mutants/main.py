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

    def __init__(self, path, tree, most):
        self.path, self.tree, self.most = path, tree, most
        self.known = {}
        if path.exists():
            for line in path.read_text().splitlines():
                verdict = json.loads(line)
                self.known[verdict["mutant"]] = verdict

    def of_now(self, name):
        verdict = self.known.get(name)
        if verdict is None or verdict["tree"] != self.tree:
            return None
        # What survived a few tests may not survive more.
        return None if verdict["fate"] == "survived" and verdict["most"] < self.most else verdict

    def add(self, name, fate, test):
        verdict = {"mutant": name, "fate": fate, "test": test, "tree": self.tree, "most": self.most}
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
    copy = built.Built(ROOT, folder, sorted(files), built.BESIDE if arguments.beside else built.ALL)
    copy.make()
    print(f"{len(copy.mutants)} mutants in {len(files)} files; {len(copy.left_out)} more do not compile "
          f"({time.monotonic() - began:.0f} s)", flush=True)
    name_all(copy.mutants)
    judged = trials.Trials(copy.copy, copy.binaries, arguments.jobs)
    record = recorded(copy, judged, folder)
    verdicts = Verdicts(folder / "verdicts.jsonl", f"{copy.tree} {' '.join(copy.tests)}", arguments.seconds)
    judge(copy.mutants, judged, record, verdicts, files)
    print(f"done after {time.monotonic() - began:.0f} s")
    return report(copy.mutants, verdicts, files, [title for title, told in record.items() if told is None])


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rooms", nargs="*", metavar="ROOM",
                        help=f"of {', '.join(rooms.ROOMS)}; all of them if left out")
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
    """What each test reaches; read, where it was recorded of the same build, but for tests that failed."""
    kept = folder / "record.json"
    of = [copy.tree, copy.found, sorted(copy.left_out)]
    before = json.loads(kept.read_text()) if kept.exists() else {"of": None}
    known = before["tests"] if before["of"] == of else {}
    tests = {title: told for title, told in known.items() if title in judged.by_title}
    began = time.monotonic()
    fresh = judged.record(folder / "reached", [test for test in judged.tests if not tests.get(test.title)])
    tests |= fresh
    kept.write_text(json.dumps({"of": of, "tests": known | tests}))
    print(f"{len(fresh)} tests recorded ({time.monotonic() - began:.0f} s)", flush=True)
    return tests


def judge(mutants, judged, record, verdicts, order):
    reaching = collections.defaultdict(list)
    for title, told in record.items():
        for number in told["reached"] if told else []:
            reaching[number].append(title)

    killers = collections.Counter((verdict["mutant"].split(": ")[0], verdict["test"])
                                  for verdict in verdicts.known.values() if verdict["test"])

    def likelihood(mutant, title):
        """Tests beside the code come first, then those that told other mutants of the same file."""
        is_far, *nearest = nearness(mutant, title, record)
        return is_far, -killers[mutant["file"], title], *nearest

    def attempts(mutant):
        """Tests, the likeliest to fail first, with the seconds that they take."""
        titles = sorted(reaching[mutant["number"]], key=lambda title: likelihood(mutant, title))
        before = verdicts.known.get(mutant["name"])
        if before and before["test"] in titles:
            titles.insert(0, before["test"])
        spent = 0
        for title in titles:
            seconds = record[title]["seconds"]
            spent += seconds
            if spent > verdicts.most:
                return
            yield title, seconds

    left = [mutant for mutant in mutants if not verdicts.of_now(mutant["name"])]
    for mutant in [mutant for mutant in left if not reaching[mutant["number"]]]:
        verdicts.add(mutant["name"], "not reached", None)
        left.remove(mutant)
    # The rooms as they were named.
    left.sort(key=lambda mutant: order.index(mutant["file"]))
    done = collections.Counter()

    def tell(mutant, fate, title):
        verdicts.add(mutant["name"], fate, title)
        done[fate] += 1
        killers[mutant["file"], title] += 1
        if sum(done.values()) % 100 == 0:
            print(f"{sum(done.values())} of {len(left)}: {dict(done)}", flush=True)

    judged.judge(left, attempts, tell)


def nearness(mutant, title, record):
    """Whether a test is far from a mutant, how little it shares with its module, and how long it takes."""
    binary, name = title.split(" ", 1)
    if binary != "portcullis":
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
