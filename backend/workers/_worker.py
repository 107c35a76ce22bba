"""The protocol of all workers, the one that trains in this process, and the run's own log.

What Python logs in the training thread goes to ``run_dir/log.txt``; other threads, and so other runs and the pages,
are left out of it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from .. import training
from ..errors import NotFound
from ..types import (
    Events,
    MetricPoint,
    Notice,
    Phase,
    Place,
    Problem,
    StartInfo,
    TrainingResult,
    TrainJob,
)
from ._conditions import Conditions
from ._executor import Executor

# scvi-tools and Lightning may not pass their records on to the root logger, so they are asked as well.
_SOURCES = ("", "scvi", "lightning", "lightning.pytorch", "lightning.fabric", "py.warnings")


class RunLog(logging.Handler):
    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._path = path
        self._thread: int | None = None

    def __enter__(self) -> RunLog:
        self._thread = threading.get_ident()
        ours = logging.getLogger("backend")
        if ours.level == logging.NOTSET:
            ours.setLevel(logging.INFO)
        for name in _SOURCES:
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in _SOURCES:
            logging.getLogger(name).removeHandler(self)
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread or getattr(record, "_in_run_log", None) is self:
            return
        record._in_run_log = self  # a record that propagates comes by more than once
        self._write(self.format(record))

    def line(self, text: str) -> None:
        self._write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}")

    def traceback(self) -> None:
        """Write the error being handled, in full."""
        self._write(traceback.format_exc())

    def _write(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(text.rstrip("\n") + "\n")
        except OSError:
            pass  # a full disk must not end the training; the record carries the sentence


logger = logging.getLogger(__name__)

Train = Callable[..., TrainingResult]  # called as ``backend.training.train`` is

_NEWS_SECONDS = 0.1  # how often, at most, it is said that points wait to be fetched
_KEPT_SECONDS = (
    10.0  # how long a checkpoint, or the end, waits for the numbers before it to be in safe keeping
)
_AT_ONCE = 5_000  # events in one answer
_MOST = 50_000  # events kept for fetching; a training that is faster waits


WORKER_LOST = "worker_lost"  # the code of the problem of a run whose worker died, though the server did not

# Of a training that is no more, though nobody said how it ended.
LOST = TrainingResult(
    "interrupted",
    problem=Problem(
        "interrupted",
        "error",
        "What trained this run is gone. Resume the run to go on from its last checkpoint.",
    ),
)


class Worker(Protocol):
    def listen(self, news: Callable[[], None]) -> None:
        """``news`` is called, from any thread, when something should be fetched soon."""

    def when_free(self, then: Callable[[], None]) -> None:
        """Call ``then``, from any thread, as soon as a training that it starts would begin at once."""

    def places(self) -> tuple[Place, ...]:
        """Where it trains, and what there is under way."""

    def start(self, job: TrainJob) -> None:
        """Train. An inline worker comes back when that has ended, others at once."""

    def events(self, run_id: str, cursor: int) -> Events:
        """What the training told after ``cursor``, all before which may be forgotten. Never blocks.

        Raises
        ------
        NotFound
            The worker does not know the run: it never heard of it, or all was fetched, or it is another one by now.
        """

    def ask(self, run_id: str, what: Literal["stop", "cancel"]) -> None:
        """End after the minibatch under way, with a model or without. A Cancel is not taken back by a Stop."""

    def close(self, timeout: float) -> None:
        """Take no more, and leave what is being trained: it ends as ``interrupted``, if within ``timeout`` seconds."""


class LocalWorker:
    """Trains on an executor of this process, in the line with its other work."""

    def __init__(
        self, executor: Executor, train: Train | None = None, *, conditions_seconds: float = 2.0
    ) -> None:
        """``conditions_seconds``: between looks at what else the machine is doing."""
        self._executor = executor
        self._train = train
        self._conditions_seconds = conditions_seconds
        self._news: Callable[[], None] = lambda: None
        self._trainings: dict[str, _Training] = {}
        self._turn = 0  # the thread that ``when_free`` called back in, while it does
        self._handed: _Training | None = None
        self._closed = False

    def listen(self, news: Callable[[], None]) -> None:
        self._news = news

    def places(self) -> tuple[Place, ...]:
        busy = tuple(run_id for run_id, one in list(self._trainings.items()) if not one.ended.is_set())
        return (Place(room=0 if busy else 1, run_ids=busy),)

    def when_free(self, then: Callable[[], None]) -> None:
        self._executor.submit(partial(self._take_turn, then))

    def start(self, job: TrainJob) -> None:
        conditions = Conditions(job.conditions, every=self._conditions_seconds)
        made = _Training(job, self._train or partial(_train, job.threads), self._news, conditions)
        self._trainings[job.run_id] = made
        if self._closed:
            made.leave()
        if self._turn == threading.get_ident():
            self._handed = made
        else:
            self._executor.submit(made.run).add_done_callback(partial(self._ensure_end, made))

    def events(self, run_id: str, cursor: int) -> Events:
        found = self._trainings.get(run_id)
        if found is None:
            raise NotFound("This run is not trained here.")
        events = found.since(cursor)
        if found.fetched:
            self._trainings.pop(run_id, None)
        return events

    def ask(self, run_id: str, what: Literal["stop", "cancel"]) -> None:
        found = self._trainings.get(run_id)
        if found is not None:
            found.ask(what)

    def close(self, timeout: float) -> None:
        self._closed = True
        deadline = time.monotonic() + timeout
        every = list(self._trainings.values())
        for one in every:
            one.leave()
        for one in every:
            one.ended.wait(max(0.0, deadline - time.monotonic()))

    def _take_turn(self, then: Callable[[], None]) -> None:
        self._turn = threading.get_ident()
        try:
            then()
        finally:
            self._turn = 0
            made, self._handed = self._handed, None
        if made is not None:
            made.run()

    @staticmethod
    def _ensure_end(made: _Training, done: Future[None]) -> None:
        made.end(LOST)  # changes nothing where it has ended


class _Abandoned(BaseException):
    """Raised through a training to end it at once. No ``Exception``: nothing on the way may absorb it."""


class _Training:
    """One job: trained by ``run`` in the thread that calls it, watched and asked from others."""

    def __init__(self, job: TrainJob, train: Train, news: Callable[[], None], conditions: Conditions) -> None:
        self._job = job
        self._train = train
        self._news = news
        self._conditions = conditions
        self._changed = threading.Condition()
        self._told: list[_Event] = []  # and not yet in safe keeping
        self._before = 0  # events that are
        self._asked = ""
        self._leaving = False
        self._said_at = 0.0
        self.ended = threading.Event()

    # --- from other threads ---

    def since(self, cursor: int) -> Events:
        with self._changed:
            assert cursor >= self._before, "what was fetched before is gone"
            if cursor > self._before:
                del self._told[: cursor - self._before]
                self._before = cursor
                self._changed.notify_all()
            return _as_events(cursor, self._told[:_AT_ONCE])

    @property
    def fetched(self) -> bool:
        """Nothing is left to be told."""
        with self._changed:
            return self.ended.is_set() and not self._told

    def ask(self, what: str) -> None:
        with self._changed:
            if self._asked != "cancel":
                self._asked = what
            self._changed.notify_all()

    def leave(self) -> None:
        """The process ends: leave the training where it is; its last checkpoint makes it resumable."""
        with self._changed:
            self._leaving = True
            self._changed.notify_all()

    def end(self, result: TrainingResult) -> None:
        with self._changed:
            if self.ended.is_set():
                return
            self._told.append(result)
            self.ended.set()
        self._news()

    # --- in the thread that trains ---

    def run(self) -> None:
        """Train and tell how it ended. Raises only what is meant for the process, such as an exit."""
        job = self._job
        with RunLog(Path(job.run_dir) / "log.txt") as log:
            log.line(f"--- {job.name} ({job.run_id}), from epoch {job.resume_from + 1}")
            log.line(json.dumps(job.spec.to_dict()))
            leave: BaseException | None = None
            try:
                self._enter("starting")
                result = self._train(
                    job.spec,
                    job.dataset,
                    Path(job.run_dir),
                    on_metric=self._tell,
                    on_phase=self._enter,
                    on_start=self._start,
                    should_stop=self._should_stop,
                    resume=job.resume_from > 0,
                    checkpoint_seconds=job.checkpoint_seconds,
                    before_checkpoint=partial(self._wait_until_kept, patient=False),
                    on_standing=self._stand,
                )
                log.line(f"{result.outcome} after {result.epochs} epochs and {result.elapsed:.1f} s")
            except _Abandoned as reason:
                log.line(f"ended before its time: {reason}")
                result = TrainingResult(str(reason))
            except Exception as error:
                log.traceback()
                ours = training.translate(error, job.spec, job.spec.accelerator)
                result = TrainingResult("failed", problem=ours.as_problem())
            except BaseException as error:
                log.line(f"told to end: {error!r}")
                result, leave = TrainingResult("interrupted", problem=_left(error)), error
        with self._changed:
            self._told.append(self._conditions.fields())
        self.end(result)
        self._wait_until_kept()  # what comes next on this thread finds the run as it ended
        if leave is not None:
            raise leave

    def _tell(self, event: _Event) -> None:
        with self._changed:
            self._told.append(event)
            full = len(self._told) >= _MOST
        while full:
            self._obey()
            self._news()
            with self._changed:
                full = not self._changed.wait_for(lambda: len(self._told) < _MOST, 0.5)

    def _enter(self, phase: str) -> None:
        self._tell(phase)
        self._news()
        self._should_stop()  # a Cancel need not wait for the first minibatch

    def _start(self, info: StartInfo) -> None:
        self._tell(info)
        self._news()

    def _stand(self, notices: tuple[Notice, ...]) -> None:
        self._tell(notices)
        self._news()

    def _should_stop(self) -> bool:
        if self._conditions.sample():
            self._tell(self._conditions.fields())
        now = time.monotonic()
        if self._told and now - self._said_at >= _NEWS_SECONDS:
            self._said_at = now
            self._news()
        return self._obey()

    def _obey(self) -> bool:
        """Whether to stop and keep the model; to discard it is raised."""
        if self._leaving:
            raise _Abandoned("interrupted")
        if self._asked == "cancel":
            raise _Abandoned("canceled")
        return self._asked == "stop"

    def _wait_until_kept(self, *, patient: bool = True) -> bool:
        """Until all that was told is in safe keeping: a resumed run does not tell it again."""

        def enough() -> bool:
            return not self._told or self._leaving or (not patient and self._asked == "cancel")

        self._news()
        with self._changed:
            return self._changed.wait_for(enough, _KEPT_SECONDS)


# a phase; what stands; conditions
_Event = MetricPoint | StartInfo | TrainingResult | str | tuple[Notice, ...] | dict[str, Any]


def _as_events(cursor: int, told: Iterable[_Event]) -> Events:
    points: list[MetricPoint] = []
    phases: list[Phase] = []
    rest: dict[str, Any] = {}
    for event in told:
        cursor += 1
        match event:
            case MetricPoint():
                points.append(event)
            case str():
                phases.append(Phase(event, len(points)))
            case tuple():
                rest["standing"] = event
            case StartInfo():
                rest["start"] = event
            case TrainingResult():
                rest["end"] = event
            case _:
                rest["conditions"] = event
    return Events(cursor, tuple(points), tuple(phases), **rest)


def _train(threads: int | None, *args: Any, **hooks: Any) -> TrainingResult:
    """The training proper, with this thread made ready for it: the number of threads is a setting of a thread."""
    training.use_threads(threads)
    try:
        return training.train(*args, **hooks)
    finally:
        training.give_back_memory()


def _left(error: BaseException) -> Problem:
    return Problem(
        "interrupted",
        "error",
        f"The training was told to end from inside ({error!r}). Resume the run to go on from its last checkpoint.",
    )
