"""Executes runs in this process, one at a time: the queue on the compute thread, or one right here."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..registry import RunRegistry
from ..storage import FileLock
from ..types import DatasetRef, RunRecord
from ..workers import Executor
from ._folders import RunFolders
from ._queue import RunQueue
from ._session import OnProgress, RunSession, Train

logger = logging.getLogger(__name__)


class RunWorker:
    def __init__(
        self,
        registry: RunRegistry,
        folders: RunFolders,
        queue: RunQueue,
        executor: Executor,
        dataset: Callable[[str], DatasetRef],
        train: Train,
        checkpoint_seconds: float,
    ) -> None:
        self._registry = registry
        self._folders = folders
        self._queue = queue
        self._executor = executor
        self._dataset = dataset
        self._train = train
        self._checkpoint_seconds = checkpoint_seconds
        self._session: RunSession | None = None
        self._idle = threading.Event()  # no session in this process
        self._idle.set()
        self._open = False
        self._woken = False  # a turn of ours is in the line already
        self._waking = threading.Lock()

    @property
    def run_id(self) -> str | None:
        """The run being executed here."""
        session = self._session
        return session.run_id if session else None

    def open(self) -> None:
        """Begin to take runs from the queue."""
        self._open = True
        self.wake()

    def wake(self) -> None:
        """There may be something in the queue.

        One turn in the line is enough: many would keep other work out until all runs are done.
        """
        with self._waking:
            if self._woken or not self._open:
                return
            self._woken = True
        self._executor.submit(self._work)

    def ask(self, run_id: str, what: str) -> None:
        """Pass ``stop`` or ``cancel`` on, if the run is executed here."""
        session = self._session
        if session is not None and session.run_id == run_id:
            session.ask(what)

    def execute(self, record: RunRecord, lock: FileLock, on_progress: OnProgress | None = None) -> None:
        """Train a claimed run in this thread and let go of its lock."""
        session = RunSession(
            record,
            self._folders.path(record.run_id),
            self._registry,
            self._train,
            checkpoint_seconds=self._checkpoint_seconds,
            on_progress=on_progress,
        )
        self._session = session
        self._idle.clear()
        try:
            session.execute(self._dataset)
        finally:
            lock.release()
            self._session = None
            self._idle.set()

    def close(self, timeout: float) -> None:
        """Take no more; what is running becomes ``interrupted`` within ``timeout`` seconds."""
        self._open = False
        session = self._session
        if session is not None:
            session.interrupt()
            if not self._idle.wait(timeout):
                session.declare_interrupted()

    def _work(self) -> None:
        """One run a turn, so that other work of the compute thread gets between two runs."""
        with self._waking:
            self._woken = False
        if not self._open:
            return
        taken = self._queue.take_next()
        if taken is None:
            return
        try:
            self.execute(*taken)
        except Exception:
            logger.exception("the run %s could not be executed", taken[0].run_id)
        self.wake()
