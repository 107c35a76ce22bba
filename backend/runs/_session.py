"""The record of a run that is being trained: what its worker tells is written down here, and how it ended.

Nothing here trains. ``take`` may be called again with the same events where they could not be written.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from ..errors import NoSpace, NotFound, Unwritable
from ..registry import RunRegistry
from ..storage import FileLock
from ..types import (
    ELBO,
    KL_WEIGHTED,
    Events,
    MetricPoint,
    Notice,
    Problem,
    RunRecord,
    RunStatus,
    StartInfo,
    TrainingResult,
    find_notice,
    lasting,
    notice,
)
from ..workers import WORKER_LOST
from . import _undo

logger = logging.getLogger(__name__)

OnProgress = Callable[[str | MetricPoint | Notice], None]


class RunSession:
    """``puller``: the thread that fetches what the worker tells."""

    def __init__(
        self,
        record: RunRecord,
        run_dir: Path,
        registry: RunRegistry,
        lock: FileLock,
        puller: int,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.run_id = record.run_id
        self.spec = record.spec
        self.lock = lock
        self.puller = puller
        self.pulling = threading.RLock()
        self.news = threading.Event()
        self.cursor = 0
        self.polled_at = 0.0  # when the registry was last asked what another process wants of it
        self.handed_over = False  # to its worker, which knows of it from then on
        self.asked = ""  # stop or cancel, whether or not that could be written
        self.ending = False  # the training has ended, and what is left is to write that down
        self.over = False
        self.dropped = False
        self._record = record.replace(notices=lasting(record.notices))
        self._standing: tuple[Notice, ...] = ()  # holds now
        self._told: tuple[Notice, ...] = ()  # of these, to the follower
        self._trouble: Notice | None = None
        self._run_dir = run_dir
        self._registry = registry
        self._on_progress = on_progress
        self._progress = Progress()
        self._before: RunRecord | None = None
        self._held_since: float | None = None  # could not be written since then
        self._closing = threading.Lock()
        self._written = False

    def recall(self, first_epoch: int) -> None:
        """Take up the numbers of earlier sessions, without those the training will make again."""
        self._registry.truncate(self.run_id, first_epoch)
        self._progress.add(sorted(self._registry.epoch_points(self.run_id), key=lambda point: point.epoch))
        self._registry.update(self.run_id, **self._progress.fields())

    def take(self, events: Events) -> None:
        """Write down what was told; raises where that cannot be done now."""
        if self.dropped:
            self.cursor, self.over = events.cursor, events.end is not None
            return
        fields: dict[str, Any] = {}
        if events.phases:
            fields["phase"] = events.phases[-1].name
        if events.start is not None:
            fields |= self._started(events.start)
        if events.conditions is not None:
            fields["conditions"] = events.conditions
        if events.standing is not None:
            self._standing = events.standing
            fields["notices"] = self._notices
        if self._progress.add(events.points):
            fields |= self._progress.fields()
        try:
            self._registry.append(self.run_id, *events.points, **fields)
        except (NoSpace, Unwritable):
            self._held_since = self._held_since or time.time()
            raise
        self.cursor = events.cursor - (events.end is not None)
        self._tell(events)
        if self._held_since is not None:
            self._say_how_long_it_waited()
        if events.end is not None:
            self.ending = True
            self._conclude(events.end)
            self.cursor = events.cursor

    def declare_interrupted(self) -> None:
        """Write down ``interrupted`` for a training that does not come back in time."""
        self._end(RunStatus.INTERRUPTED)

    def fail(self, problem: Problem) -> None:
        """It could not even begin, or went wrong."""
        if not self._give_back(problem=problem):
            self._end(RunStatus.FAILED, problem=problem)

    def drop(self) -> None:
        """Nothing more is written down, but the end of the training is waited for."""
        self.dropped, self.over = True, False

    # --- inside ---

    def _started(self, info: StartInfo) -> dict[str, Any]:
        self._add_notices(info.notices)
        return {
            "device": info.device,
            "device_name": info.device_name,
            "implementation": info.implementation,
            "preparation_seconds": (self._record.preparation_seconds or 0.0) + info.preparation_seconds,
            "notices": self._notices,
            "environment": {**info.environment, "engine": info.engine},
            "n_obs": info.n_obs,
            "n_vars": info.n_vars,
        }

    def _add_notices(self, notices: Iterable[Notice]) -> tuple[Notice, ...]:
        self._record = self._record.replace(notices=tuple(dict.fromkeys([*self._record.notices, *notices])))
        return self._notices

    @property
    def _notices(self) -> tuple[Notice, ...]:
        return (*self._record.notices, *self._standing)

    def _say_how_long_it_waited(self) -> None:
        assert self._held_since is not None
        late = notice("written_late", seconds=time.time() - self._held_since)
        self._registry.update(self.run_id, notices=self._add_notices([late]))
        self._held_since = None

    def _tell(self, events: Events, *more: Notice) -> None:
        if self._on_progress is None:
            return
        told = {one.code for one in self._told}
        order: list[tuple[int, str | MetricPoint | Notice]] = [
            *((phase.at, phase.name) for phase in events.phases),
            *((number, point) for number, point in enumerate(events.points)),
            *((len(events.points), one) for one in (*more, *self._standing) if one.code not in told),
        ]
        self._told = self._standing
        try:
            for _, event in sorted(
                order, key=lambda entry: entry[0]
            ):  # stable: a phase comes before its points
                self._on_progress(event)
        except Exception:
            logger.warning("nobody can follow the run any more; it goes on", exc_info=True)
            self._on_progress = None

    # --- how it ends ---

    def _conclude(self, result: TrainingResult) -> None:
        self._standing = ()
        if self._discarded() and result.outcome != "failed":
            result = TrainingResult("canceled")
        has_model = (self._run_dir / "model").is_dir()
        ended: dict[str, Any] = {
            "problem": result.problem,
            "notices": self._add_notices(result.notices),
            "elapsed": result.elapsed,
        }
        if result.outcome == "finished":
            self._end(RunStatus.FINISHED, **ended)
        elif result.outcome == "interrupted" and self._resumes_by_itself(result.problem):
            self._end(RunStatus.QUEUED, notices=self._add_notices([_lost(result.problem)]), ended_at=None)
        elif result.outcome == "interrupted":
            self._end(RunStatus.INTERRUPTED, problem=result.problem)
        elif result.outcome == "canceled":
            if not self._give_back(problem=None):
                _undo.discard_products(self._run_dir)
                self._end(RunStatus.CANCELED)
        elif result.outcome == "failed" or (result.outcome == "diverged" and not has_model):
            self.fail(result.problem or Problem("diverged", "error", "The loss is no longer a number."))
        elif has_model:
            self._end(RunStatus.STOPPED, **ended)
        else:
            notices = self._add_notices([notice("stopped_before_model")])
            self._end(RunStatus.CANCELED, **{**ended, "notices": notices})

    def _resumes_by_itself(self, problem: Problem | None) -> bool:
        """Whether its worker died, for the first time, and nobody has asked it to end."""
        lost = problem is not None and problem.code == WORKER_LOST
        return lost and not self.asked and find_notice(self._record.notices, WORKER_LOST) is None

    def _discarded(self) -> bool:
        """Whether it was asked to be, by whatever process, before this end was written."""
        if self.asked == "cancel":
            return True
        try:
            return self._registry.get(self.run_id).requested == "cancel"
        except NotFound:
            return False

    def say(self, trouble: Notice) -> None:
        """Tell the follower what holds up the run, once."""
        if trouble != self._trouble:
            self._trouble = trouble
            self._tell(Events(self.cursor), trouble)

    def _give_back(self, problem: Problem | None) -> bool:
        """Return to the model of before, where this session was to continue one."""
        self._before = before = self._before or _undo.kept(self._run_dir)
        if before is None or not before.status.has_model:
            return False
        _undo.bring_back(self._run_dir)
        self._registry.truncate(self.run_id, before.epoch)
        self._end(before.status, **_undo.restored_fields(before), problem=problem or before.problem)
        return True

    def _end(self, status: RunStatus, **fields: Any) -> None:
        with self._closing:
            if self._written:
                return
            if status not in (RunStatus.INTERRUPTED, RunStatus.QUEUED):
                _undo.forget(self._run_dir)
            self._standing = ()
            notices = self._notices
            final = {
                **self._progress.fields(),
                "notices": notices,
                "ended_at": time.time(),
                "phase": "",
                "requested": "",
            }
            try:
                self._registry.update(self.run_id, **{**final, **fields, "status": status})
            except NotFound:
                logger.info("run %s was deleted while it ran", self.run_id)
            self._written = self.over = True


def _lost(problem: Problem | None) -> Notice:
    assert problem is not None
    worker, signal = problem.params["worker"], problem.params["signal"]
    return notice("worker_lost", severity="warning", worker=worker, signal=signal)


class Progress:
    """What the metric points of a run add up to. A point that comes twice changes nothing."""

    def __init__(self) -> None:
        self.epoch = 0
        self.elapsed = 0.0
        self._judged: dict[str, dict[int, float]] = {ELBO: {}, KL_WEIGHTED: {}}
        self._memory: int | None = None
        self._speeds: dict[str, dict[int, float]] = {"epoch_seconds": {}, "cells_per_second": {}}
        self._warm_up = {1}  # the first epoch of each session: it stays out of the median

    def add(self, points: Iterable[MetricPoint]) -> bool:
        """Take points in; True where there is something worth showing among them."""
        return any([self._add(point) for point in points])

    def fields(self) -> dict[str, Any]:
        """The fields of a ``RunRecord`` that progress decides."""
        return {
            "epoch": self.epoch,
            "elapsed": self.elapsed,
            **self._quality(),
            "seconds_per_epoch": self._steady("epoch_seconds"),
            "cells_per_second": self._steady("cells_per_second"),
            "peak_memory": self._memory,
        }

    def _add(self, point: MetricPoint) -> bool:
        self.elapsed = max(self.elapsed, point.seconds)
        if point.step is not None:
            return False
        self.epoch = max(self.epoch, point.epoch)
        if point.name in self._speeds:
            self._speeds[point.name][point.epoch] = point.value
        elif point.name == "warm_up" and point.value:
            self._warm_up.add(point.epoch)
        elif point.name == "memory_bytes":
            self._memory = max(self._memory or 0, int(point.value))
        elif point.name in self._judged and math.isfinite(point.value):
            self._judged[point.name][point.epoch] = point.value
        return True

    def _quality(self) -> dict[str, Any]:
        name = ELBO if self._judged[ELBO] else KL_WEIGHTED
        values = self._judged[name]
        best = min(values, key=lambda epoch: (values[epoch], epoch), default=None)
        return {
            "judged_by": name,
            "best_validation": None if best is None else values[best],
            "best_epoch": best,
            "last_validation": values[max(values)] if values else None,
        }

    def _steady(self, name: str) -> float | None:
        values = self._speeds[name]
        steady = [value for epoch, value in values.items() if epoch not in self._warm_up]
        return median(steady or values.values()) if values else None
