"""Fetch what a worker tells, as the runs room does, and remember it. Everything goes through JSON on its way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from backend.errors import NotFound
from backend.types import Events, MetricPoint, TrainingResult, TrainJob
from backend.workers import Worker
from tests.runs.fakes import DATASET


def job(folder: Path, run_id: str = "r1", epochs: int = 5, **fields: Any) -> TrainJob:
    from backend.types import RunSpec

    (folder / run_id).mkdir(parents=True, exist_ok=True)
    spec = RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=epochs)
    return TrainJob(
        **{"run_id": run_id, "spec": spec, "dataset": DATASET, "run_dir": str(folder / run_id), **fields}
    )


class Watch:
    """Follows one run of ``worker``. ``patient``: fetch only when ``until`` is called."""

    def __init__(self, worker: Worker, run_id: str = "r1", *, patient: bool = False) -> None:
        self.points: list[MetricPoint] = []
        self.order: list[str] = []  # phases, and the epochs of points between them
        self.answers: list[Events] = []
        self.end: TrainingResult | None = None
        self._worker = worker
        self._run_id = run_id
        self._cursor = 0
        self._patient = patient
        self._thread = threading.get_ident()
        worker.listen(self._hear)

    def start(self, job: TrainJob) -> None:
        self._worker.start(TrainJob.from_dict(json.loads(json.dumps(job.to_dict()))))

    def fetch(self) -> None:
        while self.end is None:
            try:
                told = self._worker.events(self._run_id, self._cursor)
            except NotFound:
                return  # it did not begin yet
            events = Events.from_dict(json.loads(json.dumps(told.to_dict())))
            assert events == told
            if events.cursor == self._cursor:
                return
            self.take(events)
        with suppress(NotFound):
            self._worker.events(self._run_id, self._cursor)  # all of it is in safe keeping

    def until(self, done: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self.fetch()
            assert time.monotonic() < deadline, "it did not come to that"
            time.sleep(0.01)

    def until_end(self, seconds: float = 20.0) -> TrainingResult:
        self.until(lambda: self.end is not None, seconds)
        assert self.end is not None
        return self.end

    def take(self, events: Events) -> None:
        self.answers.append(events)
        self._cursor = events.cursor
        phases = list(events.phases)
        for number, point in enumerate(events.points):
            while phases and phases[0].at <= number:
                self.order.append(phases.pop(0).name)
            if self.order[-1:] != [str(point.epoch)]:
                self.order.append(str(point.epoch))
        self.order += [phase.name for phase in phases]
        self.points += events.points
        self.end = events.end

    def _hear(self) -> None:
        if threading.get_ident() == self._thread and not self._patient:
            self.fetch()  # an inline worker: nobody else can
