"""What a piece of work sees of its job: where to report, whether to end, how to wait for others, its own child process.

``report`` and ``waiting`` raise ``JobCanceled`` when the work should end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from ..storage import FileLock
from ..types import JobState
from ._child import OnProgress

Tell = Callable[[JobState, float | None, str], None]
_LOOK_EVERY = 0.2  # seconds between looks at a lock that somebody else holds


class JobCanceled(BaseException):
    """The work was asked to end before it was done. No ``Exception``: nothing on the way may absorb it."""


class JobContext:
    """What a piece of work sees of its job. ``log`` is where a child process of it writes."""

    def __init__(self, job_id: str, log: Path, cancel: threading.Event, tell: Tell) -> None:
        self.job_id = job_id
        self.log = log
        self.cancel = cancel
        self._tell = tell

    def report(self, progress: float | None, phase: str) -> None:
        """Say how far the work is, from 0 to 1, or None where that is not known."""
        self._tell(JobState.WORKING, None if progress is None else min(1.0, max(0.0, progress)), phase)
        self.check()

    def waiting(self, phase: str) -> None:
        self._tell(JobState.WAITING, None, phase)
        self.check()

    def check(self) -> None:
        if self.cancel.is_set():
            raise JobCanceled

    def hold(self, lock: FileLock, phase: str) -> None:
        """Wait until ``lock`` is ours."""
        while not lock.acquire():
            self.waiting(phase)
            self.cancel.wait(_LOOK_EVERY)
        if self.cancel.is_set():
            lock.release()
            raise JobCanceled


def part(report: OnProgress, start: float, end: float) -> OnProgress:
    """A report function for a step that is only the part from ``start`` to ``end`` of the whole."""

    def tell(progress: float | None, phase: str) -> None:
        known = start or None if progress is None else start + (end - start) * min(1.0, max(0.0, progress))
        report(known, phase)

    return tell
