"""What the gateway has of memory, files, threads and connections; and whether it has them still in the end."""

import statistics
import threading
import time

from waiting import until

MIB = 1 << 20
# A run of a few minutes may grow by more than a long one: it is between 49 and 72 MiB in turn within an hour, and three
# runs of a minute came to 2, 4 and 10 MiB.
FIRST = 5 * 60
GROWTH_AT_FIRST = 24 * MIB
# Most that memory may grow from the first third after the warm-up to the last,
GROWTH = 8 * MIB
# beside what verified tokens take of the 64 MiB in which they are kept, which fill for hours: in one it grew by 4 MiB,
# with some 11,000 of them.
TOKEN = 512
VERIFIED = 'portcullis_credentials_accepted_total{cache="miss"}'
# Threads that begin when they are first needed, and stay.
LASTING = 4
# Of the whole time, what is left out at the start.
WARM_UP = 0.2


class Figures(threading.Thread):
    def __init__(self, gateway, seconds):
        super().__init__(daemon=True)
        self.gateway, self.seconds = gateway, seconds
        self.over = threading.Event()
        self.samples = []
        self.at_first, self.threads = self.at_rest(), gateway.threads()

    def at_rest(self):
        """What is held most of the time: not what a look of a health check holds for a moment."""
        seen = []
        for _ in range(60):
            seen.append(self.held())
            time.sleep(0.05)
        return max(seen, key=seen.count)

    def held(self):
        """What has to be given back."""
        samples = self.gateway.metrics()
        busy = sum(value for name, value in samples.items() if name.startswith("portcullis_upstream_in_flight{"))
        gauges = ("portcullis_requests_under_way", "portcullis_connections", "portcullis_upstream_waiting")
        return {
            "files": self.gateway.open_files(), "in flight": busy,
            **{gauge: sum(v for name, v in samples.items() if name.split("{")[0] == gauge) for gauge in gauges},
        }

    def run(self):
        began, told = time.monotonic(), 0
        while not self.over.wait(max(0.5, self.seconds / 600)):
            minutes = int((time.monotonic() - began) / 60)
            files, verified = sum(self.gateway.open_files().values()), self.gateway.metrics()[VERIFIED]
            self.samples.append((self.gateway.resident(), verified, files, self.gateway.threads()))
            if minutes > told:
                told = minutes
                print(f"  after {minutes} min: {self.line(self.samples[-1])}", flush=True)

    def line(self, sample):
        memory, verified, files, threads = sample
        return f"{memory / MIB:.1f} MiB, {verified:.0f} tokens verified, {files} files, {threads} threads"

    def growth(self):
        """From the first third to the last; what is needed once only is needed by the end of the warm-up."""
        after = self.samples[int(len(self.samples) * WARM_UP):]
        third = len(after) // 3
        parts = (zip(*after[:third]), zip(*after[-third:]))
        (first, early), (last, late) = ([statistics.median(row) for row in list(part)[:2]] for part in parts)
        print(f"memory: {first / MIB:.1f} MiB in the first third after the warm-up, {last / MIB:.1f} in the last, "
              f"with {late - early:.0f} tokens more")
        return last - first - TOKEN * (late - early)

    def check(self):
        """After the load is over."""
        self.over.set()
        self.join()
        try:
            until("all is given back", lambda: self.held() == self.at_first, 30)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.held()} instead of {self.at_first}") from None
        until("threads have ended", lambda: self.gateway.threads() <= self.threads + LASTING, 30)
        most = GROWTH_AT_FIRST if self.seconds < FIRST else GROWTH
        assert self.growth() < most, f"memory grows by more than {most / MIB} MiB and its tokens"
