"""Tests, run one a process: what mutants they reach, and which of them they tell from the real thing."""

import concurrent.futures
import ctypes
import os
import resource
import signal
import subprocess
import time

# A mutant that never ends may take memory all the while.
MEMORY = 8 << 30
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


class Test:
    """One test of one binary."""

    def __init__(self, binary, path, name):
        self.binary, self.path, self.name = binary, path, name
        self.title = f"{binary} {name}"

    def run(self, folder, limit, **environment):
        """Whether it passes, and how long it took; a test that takes too long does not."""
        environment = os.environ | {
            "CARGO_MANIFEST_DIR": str(folder),
            # The first input that fails is enough.
            "PROPTEST_MAX_SHRINK_ITERS": "0",
        } | environment
        began = time.monotonic()
        process = subprocess.Popen(
            [self.path, self.name, "--exact", "--test-threads=1"], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=bounded,
        )
        try:
            passed = process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            passed = None
            # With the servers that it started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return passed, time.monotonic() - began


def bounded():
    """What holds of a test before it begins: its memory has a limit, and it does not outlive who runs it (prctl(2)),
    for a mutant may never end."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Trials:
    """The tests of some binaries, which run in the copy that these were built of."""

    def __init__(self, copy, binaries, jobs):
        self.copy, self.jobs = copy, jobs
        self.tests = [Test(binary, path, name) for binary, path in sorted(binaries.items())
                      for name in listed(path)]
        self.by_title = {test.title: test for test in self.tests}

    def record(self, folder, tests):
        """Runs each of them once: how long it takes and what it reaches, by its title; `None` for one that fails."""
        folder.mkdir(parents=True, exist_ok=True)

        def one(numbered):
            number, test = numbered
            file = folder / str(number)
            # A machine that is busy is no reason.
            for _ in range(3):
                file.unlink(missing_ok=True)
                passed, seconds = test.run(self.copy, 120, MUTANTS_REACHED=str(file))
                if passed:
                    reached = sorted({int(line) for line in file.read_text().split()}) if file.exists() else []
                    return test.title, {"seconds": seconds, "reached": reached}
            return test.title, None

        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            return dict(pool.map(one, enumerate(tests)))

    def judge(self, mutants, attempts, tell):
        """Tries the tests that `attempts` gives for each mutant, with the seconds that they take, until one
        fails; `tell` is told each verdict."""

        def one(mutant):
            for title, seconds in attempts(mutant):
                test = self.by_title[title]
                fate = self.fate(test, mutant["number"], 10 + 5 * seconds)
                if fate:
                    return mutant, fate, title
            return mutant, "survived", None

        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            try:
                for done in concurrent.futures.as_completed([pool.submit(one, mutant) for mutant in mutants]):
                    tell(*done.result())
            except BaseException:
                # Whoever stops the run does not wait for all the others.
                pool.shutdown(cancel_futures=True)
                raise

    def fate(self, test, number, limit):
        """What a test makes of a mutant: nothing, where it passes."""
        passed, _ = test.run(self.copy, limit, MUTANT=str(number))
        # A test with sockets and deadlines may fail for another reason, and any may be late: once more.
        if not passed and (passed is None or test.binary != "portcullis"):
            passed, _ = test.run(self.copy, limit, MUTANT=str(number))
        if passed:
            return None
        return "timed out" if passed is None else "killed"


def listed(path):
    """The names of the tests of a binary that are not ignored."""

    def names(*options):
        done = subprocess.run([path, "--list", "--format", "terse", *options], check=True, capture_output=True,
                              text=True)
        return [line.removesuffix(": test") for line in done.stdout.splitlines() if line.endswith(": test")]

    ignored = set(names("--ignored"))
    return [name for name in names() if name not in ignored]
