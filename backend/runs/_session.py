"""One run executed in this process, in the calling thread: from ``running`` to its final status.

The training gets callbacks and is asked to end through them: Stop makes ``should_stop`` true, while Cancel
and a shutdown raise ``Abandoned`` out of it, so that nothing more is computed or saved.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import NotFound, OutOfMemory, StudioError, TrainingFailed
from ..registry import RunRegistry
from ..training import checkpoint_epoch
from ..types import (
    DatasetRef,
    MetricPoint,
    Problem,
    Remedy,
    RunRecord,
    RunStatus,
    StartInfo,
    TrainingResult,
    notice,
)
from . import _undo
from ._conditions import Conditions
from ._log import RunLog
from ._progress import Progress

logger = logging.getLogger(__name__)

Train = Callable[..., TrainingResult]
OnProgress = Callable[[str | MetricPoint], None]

_POLL_SECONDS = 0.3  # how often another process's request is looked for


class Abandoned(BaseException):
    """Raised through the training to end it at once. No ``Exception``: nothing on the way may absorb it."""


class RunSession:
    def __init__(
        self,
        record: RunRecord,
        run_dir: Path,
        registry: RunRegistry,
        train: Train,
        *,
        checkpoint_seconds: float = 30.0,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.run_id = record.run_id
        self._record = record
        self._run_dir = run_dir
        self._registry = registry
        self._train = train
        self._checkpoint_seconds = checkpoint_seconds
        self._on_progress = on_progress
        self._progress = Progress()
        self._conditions = Conditions(record.conditions)
        self._asked = ""
        self._polled_at = 0.0
        self._shutdown = threading.Event()
        self._ending = threading.Lock()
        self._ended = False

    # --- from other threads ---

    def ask(self, what: str) -> None:
        """``stop`` or ``cancel``: obeyed after the minibatch under way. A Cancel is not taken back by a Stop."""
        if self._asked != "cancel":
            self._asked = what

    def interrupt(self) -> None:
        """The process ends: leave the training where it is; its last checkpoint makes it resumable."""
        self._shutdown.set()

    def declare_interrupted(self) -> None:
        """Write down ``interrupted`` for a training that does not come back in time."""
        self._end(RunStatus.INTERRUPTED)

    # --- the run ---

    def execute(self, dataset: Callable[[str], DatasetRef]) -> None:
        """Train and record how it ended. Raises only what is meant for the process, such as an exit."""
        with RunLog(self._run_dir / "log.txt") as log:
            first_epoch = checkpoint_epoch(self._run_dir)
            log.line(f"--- {self._record.name} ({self.run_id}), from epoch {first_epoch + 1}")
            log.line(json.dumps(self._record.spec.to_dict()))
            try:
                self._recall(first_epoch)
                self._attend("starting")
                result = self._train(
                    self._record.spec,
                    dataset(self._record.spec.dataset_id),
                    self._run_dir,
                    on_metric=self._take_metric,
                    on_phase=self._attend,
                    on_start=self._take_start,
                    should_stop=self._should_stop,
                    resume=first_epoch > 0,
                    checkpoint_seconds=self._checkpoint_seconds,
                    before_checkpoint=self._registry.flush,
                )
            except Abandoned as reason:
                log.line(f"ended before its time: {reason}")
                self._abandon(str(reason))
            except Exception as error:
                log.traceback()
                self._fail(self._as_problem(error))
            except BaseException as error:
                log.line(f"the process was told to end: {error!r}")
                self._end(RunStatus.INTERRUPTED)
                raise
            else:
                log.line(f"{result.outcome} after {result.epochs} epochs and {result.elapsed:.1f} s")
                self._conclude(result)

    def _recall(self, first_epoch: int) -> None:
        """Take up the numbers of earlier sessions, without those the training will make again."""
        self._registry.truncate(self.run_id, first_epoch)
        self._progress.add_all(sorted(self._registry.epoch_points(self.run_id), key=lambda p: p.epoch))
        self._registry.update(self.run_id, **self._progress.fields())

    # --- called by the training ---

    def _take_metric(self, point: MetricPoint) -> None:
        self._registry.append(self.run_id, point)
        if self._progress.add(point):
            self._registry.report(self.run_id, **self._progress.fields())
        self._tell(point)

    def _attend(self, phase: str) -> None:
        self._registry.report(self.run_id, phase=phase)
        self._tell(phase)
        self._should_stop()  # a Cancel need not wait for the first minibatch

    def _take_start(self, info: StartInfo) -> None:
        notices = dict.fromkeys([*self._record.notices, *info.notices])
        self._registry.report(
            self.run_id,
            device=info.device,
            device_name=info.device_name,
            implementation=info.implementation,
            preparation_seconds=(self._record.preparation_seconds or 0.0) + info.preparation_seconds,
            notices=tuple(notices),
            environment={**info.environment, "engine": info.engine},
            n_obs=info.n_obs,
            n_vars=info.n_vars,
        )
        self._record = self._record.replace(notices=tuple(notices))

    def _should_stop(self) -> bool:
        if self._conditions.sample():
            self._registry.report(self.run_id, conditions=self._conditions.fields())
        if self._shutdown.is_set():
            raise Abandoned("interrupted")
        asked = self._asked or self._poll()
        if asked == "cancel":
            raise Abandoned("canceled")
        return asked == "stop"

    def _poll(self) -> str:
        """What another process asked for, through the registry."""
        now = time.monotonic()
        if now - self._polled_at < _POLL_SECONDS:
            return self._asked
        self._polled_at = now
        try:
            self._asked = self._registry.get(self.run_id).requested or self._asked
        except NotFound:
            self._asked = "cancel"  # deleted under our feet
        except Exception:
            logger.warning("the registry could not be read; training goes on", exc_info=True)
        return self._asked

    def _tell(self, event: str | MetricPoint) -> None:
        if self._on_progress is not None:
            self._on_progress(event)

    # --- how it ends ---

    def _conclude(self, result: TrainingResult) -> None:
        has_model = (self._run_dir / "model").is_dir()
        notices = tuple(dict.fromkeys([*self._record.notices, *result.notices]))
        ended: dict[str, Any] = {"problem": result.problem, "notices": notices, "elapsed": result.elapsed}
        if result.outcome == "finished":
            self._end(RunStatus.FINISHED, **ended)
        elif has_model:
            self._end(RunStatus.STOPPED, **ended)
        elif result.outcome == "diverged":
            self._fail(result.problem or Problem("diverged", "error", "The loss is no longer a number."))
        else:
            self._end(RunStatus.CANCELED, **{**ended, "notices": (*notices, notice("stopped_before_model"))})

    def _abandon(self, reason: str) -> None:
        if reason == "interrupted":
            self._end(RunStatus.INTERRUPTED)
        elif not self._give_back(problem=None):
            _undo.discard_products(self._run_dir)
            self._end(RunStatus.CANCELED)

    def _fail(self, problem: Problem) -> None:
        if not self._give_back(problem=problem):
            self._end(RunStatus.FAILED, problem=problem)

    def _give_back(self, problem: Problem | None) -> bool:
        """Return to the model of before, where this session was to continue one."""
        before = _undo.kept(self._run_dir)
        if before is None or not before.status.has_model:
            return False
        _undo.bring_back(self._run_dir)
        self._registry.truncate(self.run_id, before.epoch)
        self._end(before.status, **_undo.restored_fields(before), problem=problem or before.problem)
        return True

    def _end(self, status: RunStatus, **fields: Any) -> None:
        with self._ending:
            if self._ended:
                return
            self._ended = True
        if status is not RunStatus.INTERRUPTED:
            _undo.forget(self._run_dir)
        self._registry.flush()
        final = {
            **self._progress.fields(),
            "conditions": self._conditions.fields(),
            "ended_at": time.time(),
            "phase": "",
            "requested": "",
        }
        try:
            self._registry.update(self.run_id, **{**final, **fields, "status": status})
        except NotFound:
            logger.info("run %s was deleted while it ran", self.run_id)

    def _as_problem(self, error: Exception) -> Problem:
        if isinstance(error, StudioError):
            return error.as_problem()
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            half = max(2, self._record.spec.batch_size // 2)
            smaller = Remedy(f"Train with minibatches of {half}", "resubmit", {"batch_size": half})
            sentence = "The memory was not enough. Use smaller minibatches, fewer genes or fewer cells."
            return OutOfMemory(sentence, remedies=(smaller,)).as_problem()
        first_line = str(error).strip().partition("\n")[0][:200]
        detail = f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
        return TrainingFailed(
            f"Training ended with an unexpected error ({detail}). The log of the run has the details."
        ).as_problem()
