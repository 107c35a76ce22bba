"""The first look at a run: its map, and where it has a batch key the cells before and after, made when it has ended.

    look = FirstLook(analyses, cells, runs)
    look.ended(run_id)      # a run of the queue has ended; the map follows once nothing waits to be trained
    look.turn()             # the queue has changed: a map under way leaves the compute thread to the next run

No run waits for a map: it is begun when nothing trains and nothing is queued, and ends when a run is queued meanwhile,
to be begun again after it; what was done by then is kept. A map that somebody cancelled stays cancelled.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from ..errors import StudioError
from ..types import Job, RunRecord
from ._analyses import Analyses
from ._cells import Cells
from ._maps import FIRST_LOOK

logger = logging.getLogger(__name__)


class Runs(Protocol):
    def get(self, run_id: str) -> RunRecord: ...

    def queue(self) -> Sequence[RunRecord]: ...

    def active(self) -> RunRecord | None: ...


class FirstLook:
    def __init__(self, analyses: Analyses, cells: Cells, runs: Runs) -> None:
        self._analyses = analyses
        self._cells = cells
        self._runs = runs
        self._waiting: list[str] = []  # runs whose map is to be made
        self._begun: dict[str, Job] = {}
        self._lock = threading.Lock()

    def ended(self, run_id: str) -> None:
        try:
            record = self._runs.get(run_id)
        except StudioError:  # deleted meanwhile
            return
        # the runs of a sweep or a duel are compared by their curves; a map of each is made where one is opened
        if record.status.has_model and not record.group_id:
            with self._lock:
                self._waiting = [*(other for other in self._waiting if other != run_id), run_id]
        self.turn()

    def turn(self) -> None:
        try:
            busy = bool(self._runs.queue()) or self._runs.active() is not None
            self._make_way() if busy else self._begin()
        except StudioError:
            logger.warning("the map of a run could not be begun", exc_info=True)

    def _make_way(self) -> None:
        with self._lock:
            begun, self._begun = self._begun, {}
        for run_id, job in begun.items():
            if not self._analyses.get(job.job_id).is_over:
                self._analyses.cancel(job.job_id)
                with self._lock:
                    self._waiting.append(run_id)

    def _begin(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for run_id in waiting:
            try:
                record = self._runs.get(run_id)
                job = self._analyses.request(run_id, FIRST_LOOK.name, **self._columns(record))
            except StudioError:
                logger.warning("the map of %s could not be begun", run_id, exc_info=True)
                continue
            with self._lock:
                self._begun[run_id] = job

    def _columns(self, record: RunRecord) -> dict[str, str | None]:
        if not record.spec.batch_key:
            return {}
        try:
            batch, label = self._cells.likely(record)
        except StudioError:  # the data set was removed
            return {}
        return {"batch": batch, "label": label} if batch else {}
