"""Peak resident memory of a process, or of its children, sampled from a thread."""

from __future__ import annotations

import threading
import time

import psutil


def settled(pid: int, *, quiet: float = 8, seconds: float = 180) -> None:
    """Wait until a fresh server has loaded what it loads in the background: its memory stays as it is."""
    process = psutil.Process(pid)
    last, since = process.memory_info().rss, time.monotonic()
    deadline = since + seconds
    while time.monotonic() - since < quiet:
        now = process.memory_info().rss
        if abs(now - last) > 1e6:
            last, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise TimeoutError("the server's memory did not settle")
        time.sleep(0.2)


class PeakMemory:
    """``with PeakMemory(pid) as peak: …`` then ``peak.extra``: bytes above what it was at the beginning."""

    def __init__(self, pid: int, *, children: bool = False, interval: float = 0.02) -> None:
        self.process = psutil.Process(pid)
        self.children = children
        self.interval = interval
        self.start = 0
        self.peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    @property
    def extra(self) -> int:
        return self.peak - self.start

    def __enter__(self) -> PeakMemory:
        self.start = self.peak = self._now()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _now(self) -> int:
        processes = self.process.children(recursive=True) if self.children else [self.process]
        total = 0
        for process in processes:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    def _sample(self) -> None:
        while not self._done.wait(self.interval):
            self.peak = max(self.peak, self._now())
