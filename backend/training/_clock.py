"""Seconds in which this process was awake: a laptop that sleeps, or a suspended program, does not train.

    with AwakeClock() as clock: clock(); ...; clock.suspended

A thread looks twice a second. Where nobody looked for longer, and the process used next to no processor meanwhile, it
was suspended. A busy machine, or a library that holds the interpreter, uses the processor and is not mistaken for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

_EVERY = 0.5  # seconds
_LONG = 3.0  # seconds without a look that are worth a question
_ASLEEP = 0.1  # share of them that the process may have worked


class AwakeClock:
    """``monotonic`` and ``worked`` (processor seconds of this process) are replaced in tests, where nobody looks by
    himself either."""

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
    ) -> None:
        self._monotonic = monotonic
        self._worked = worked
        self._lock = threading.Lock()
        self._seen = (monotonic(), worked())
        self._over = threading.Event()
        self.suspended = 0.0  # seconds so far

    def __enter__(self) -> AwakeClock:
        threading.Thread(target=self._watch, name="awake", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def __call__(self) -> float:
        with self._lock:
            now, worked = self._monotonic(), self._worked()
            gap = now - self._seen[0]
            if gap > _LONG and worked - self._seen[1] < _ASLEEP * gap:
                self.suspended += gap
            self._seen = (now, worked)
            return now - self.suspended

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self()
