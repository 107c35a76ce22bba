"""What a piece of work sees of its job: where to report, whether to end, and how to wait for others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..storage import FileLock
from ..types import JobState
from ._child import OnProgress, WorkCanceled

Progress = Callable[[JobState, float | None, str], None]
_LOOK_EVERY = 0.2  # seconds between looks at a lock that somebody else holds


class JobContext:
    """What a piece of work sees of its job."""

    def __init__(self, job_id: str, cancel: threading.Event, progress: Progress) -> None:
        self._progress = progress
        self.job_id = job_id
        self.cancel = cancel

    def report(self, progress: float | None, phase: str) -> None:
        """Say how far the work is. Raises ``WorkCanceled`` when it should end."""
        self._progress(JobState.WORKING, progress, phase)
        self.check()

    def waiting(self, phase: str) -> None:
        self._progress(JobState.WAITING, None, phase)
        self.check()

    def check(self) -> None:
        if self.cancel.is_set():
            raise WorkCanceled

    def part(self, start: float, end: float) -> OnProgress:
        """A report function for a step that is only a part of the whole."""

        def report(progress: float | None, phase: str) -> None:
            self.report(None if progress is None else start + (end - start) * progress, phase)

        return report

    def hold(self, lock: FileLock, phase: str) -> None:
        """Wait until ``lock`` is ours."""
        while not lock.acquire():
            self.waiting(phase)
            self.cancel.wait(_LOOK_EVERY)
        if self.cancel.is_set():
            lock.release()
            raise WorkCanceled
