"""A worker process: trains what its parent sends, one run after the other, and tells what the training tells.

    python -m backend.workers._serving         # started by ``ProcessWorker``, with a pipe each way

Messages, a line of JSON each. In: ``{"ready"}`` with how many threads, ``{"start"}`` a
``TrainJob``, ``{"kept"}`` run and cursor, ``{"ask"}`` run and what, ``{"leave"}``. Out: ``{"run", "events"}``. One
answer of a run is under way at a time: the next comes when the parent has kept the one before.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .. import training
from ..errors import NotFound
from ..jobs import Say, converse
from ..types import TrainJob
from ._executor import make_executor
from ._worker import LocalWorker, Train


class Serving:
    """``hear`` takes a message of the parent; ``say`` is given those for it."""

    def __init__(self, say: Say, train: Train | None = None) -> None:
        self._executor = make_executor("thread")
        self._worker = LocalWorker(self._executor, train)
        self._say = say
        self._kept: dict[str, int] = {}  # of each run, up to which the parent has everything
        self._told: dict[str, int] = {}
        self._telling = threading.RLock()
        self._worker.listen(self._news)

    def hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"ready": {"threads": threads}}:
                self._executor.submit(partial(_warm_up, threads))
            case {"start": job}:
                self._start(TrainJob.from_dict(job))
            case {"kept": [run_id, cursor]}:
                with self._telling:
                    self._kept[run_id] = cursor
                    self._tell(run_id)
            case {"ask": [run_id, what]}:
                self._worker.ask(run_id, what)
            case {"leave": _}:
                self._worker.close(0.0)

    def _start(self, job: TrainJob) -> None:
        with self._telling:
            self._kept[job.run_id] = self._told[job.run_id] = 0
        self._worker.start(job)

    def _news(self) -> None:
        with self._telling:
            for run_id in list(self._kept):
                self._tell(run_id)

    def _tell(self, run_id: str) -> None:
        kept = self._kept[run_id]
        if self._told.get(run_id, 0) > kept:
            return
        try:
            events = self._worker.events(run_id, kept)
        except NotFound:  # it is not begun yet, or all of it was told
            return
        if events.cursor > kept:
            self._told[run_id] = events.cursor
            self._say({"run": run_id, "events": events.to_dict()})


def _begin(say: Say) -> Callable[[dict[str, Any]], None]:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.captureWarnings(True)
    training.tune_allocator()
    training.let_idle_threads_sleep()
    return Serving(say).hear


def _warm_up(threads: int | None) -> None:
    """Import what training needs, so that the first run starts at once."""
    training.use_threads(threads)  # before packages that come with compiled code of their own
    import scvi  # noqa: F401


if __name__ == "__main__":
    sys.exit(converse(_begin))
