"""``RunService``: all a page or the command line can ask about runs, and ask of them.

    runs = RunService(settings, registry, datasets, executor, devices, jobs); runs.start()
    record = runs.submit(spec); runs.stop(record.run_id); runs.metrics_since(record.run_id, cursor)

State lives in the registry: every page, tab and process sees the same. What does not fit is a ``Conflict``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from ..errors import BadInput, Conflict, NoSpace, StudioError, Unwritable
from ..jobs import JobBoard
from ..registry import RunRegistry
from ..settings import Settings
from ..storage import FileLock
from ..training import checkpoint_epoch, use_threads
from ..types import Estimate, MetricBatch, Notice, Place, RunRecord, RunSpec, RunStatus
from ..workers import Executor, Worker
from . import _undo
from ._dispatch import Dispatcher, Request
from ._estimate import Calibrate, Estimator
from ._queue import RunFolders, RunQueue, read_tail
from ._session import OnProgress
from ._submission import (
    NO_CHECKS,
    Checks,
    Datasets,
    Devices,
    as_executed,
    cautions,
    check_more_epochs,
    clean_name,
    make_record,
)

Records = list[RunRecord]

_RESUMABLE = {RunStatus.INTERRUPTED, RunStatus.STOPPED, RunStatus.FAILED}


class RunService:
    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        datasets: Datasets,
        executor: Executor,
        devices: Devices,
        jobs: JobBoard,
        *,
        checks: Checks = NO_CHECKS,
        worker: Worker,
        calibrate: Calibrate | None = None,
        look_seconds: float = 2.0,
        poll_seconds: float = 0.3,
    ) -> None:
        """``look_seconds``: between looks for dead processes; ``poll_seconds``: for another process's requests."""
        self._settings = settings
        self._registry = registry
        self._datasets = datasets
        self._devices = devices
        self._checks = checks
        self._folders = RunFolders(settings.runs_dir)
        self._queue = RunQueue(registry, self._folders)
        self._worker = worker
        self._dispatcher = Dispatcher(
            registry,
            self._folders,
            self._queue,
            worker,
            datasets.dataset,
            settings.threads,
            settings.checkpoint_seconds,
            look_seconds,
            poll_seconds,
        )
        self._estimator = Estimator(registry, executor, devices, settings.threads, calibrate, jobs)
        self._warming_up = False
        self._held: dict[str, FileLock] = {}  # runs this process will execute itself

    def start(self, *, work: bool = True) -> None:
        """Recover from dead processes; with ``work``, begin to take runs from the queue."""
        with suppress(
            NoSpace, Unwritable
        ):  # tried again; what is there can be looked at, and removed, meanwhile
            self._queue.recover()
        if work:
            self._folders.tidy()
            self._dispatcher.open()

    def close(self, timeout: float = 1.0) -> None:
        """Leave a running training; its run becomes ``interrupted``, to be resumed from its checkpoint."""
        self._dispatcher.close(timeout)
        while self._held:
            self._held.popitem()[1].release()

    def warm_up(self) -> None:
        """Import what training needs, so that the first run starts at once. Takes seconds; for the compute thread."""
        self._warming_up = True
        try:
            use_threads(self._settings.threads)  # before packages that come with compiled code of their own
            import scvi  # noqa: F401
        finally:
            self._warming_up = False

    def listen(self, *, ended: Callable[[str], None], queued: Callable[[], None]) -> None:
        """Be told when a run of the queue has ended, and when the queue may have changed; in any thread, quickly."""
        self._dispatcher.ended, self._dispatcher.queued = ended, queued

    def trouble(self) -> str:
        """Why neither a run that trains nor one that waits goes on, as a sentence; empty where nothing is wrong."""
        return self._registry.trouble() or self._dispatcher.trouble

    def holds_up(self) -> str:
        """What the compute thread does before the next run, for the page; empty where it does nothing."""
        if self._warming_up:
            return "loading the libraries for training"
        return "measuring the speed of this computer" if self._estimator.measuring else self._checks.busy()

    # --- asking about runs ---

    def revision(self) -> int:
        """Another number once anything about any run was written: what was read before still holds until then."""
        return self._registry.revision()

    def get(self, run_id: str) -> RunRecord:
        return self._dispatcher.as_asked(self._registry.get(run_id))

    def queue(self) -> Records:
        """Queued runs, the next one first."""
        return self._queue.waiting()

    def active(self) -> RunRecord | None:
        """The run being trained: by this process, else by another one in the same workspace."""
        running = self.list(status=RunStatus.RUNNING)
        return next(
            (r for r in running if self._dispatcher.trains(r.run_id)), running[0] if running else None
        )

    def running(self) -> Records:
        """All runs that are being trained, the one that began first at the front; other processes' as well."""
        return sorted(self.list(status=RunStatus.RUNNING), key=lambda run: run.started_at or 0.0)

    def workers(self) -> tuple[Place, ...]:
        """Where this process trains."""
        return self._worker.places()

    def in_the_way(self, accelerator: str) -> RunRecord | None:
        """A run that a new one would have to wait for; None where it would begin at once."""
        places = [
            one for one in self._worker.places() if not one.accelerators or accelerator in one.accelerators
        ]
        if len(places) > 1 and sum(one.room for one in places) > len(self.queue()):
            return None
        return self.active()

    def metrics_since(
        self, run_id: str, cursor: int = 0, *, names: Iterable[str] | None = None, limit: int | None = None
    ) -> MetricBatch:
        return self._registry.read_since(run_id, cursor, names=names, limit=limit)

    def run_dir(self, run_id: str) -> Path:
        return self._folders.path(run_id)

    def log_path(self, run_id: str) -> Path:
        return self._folders.path(run_id) / "log.txt"

    def log(self, run_id: str) -> str:
        """The end of the run's log, at most 200 kB."""
        return read_tail(self.log_path(run_id))

    def estimate(self, spec: RunSpec) -> Estimate:
        """Time and memory of a run like this. Never blocks: an unknown speed is measured meanwhile."""
        return self._estimator.estimate(spec, self._datasets.dataset(spec.dataset_id))

    # --- beginning ---

    def check(self, spec: RunSpec) -> RunSpec:
        """``spec`` as a run of it would be executed; raises as ``submit`` does, and queues nothing."""
        return as_executed(spec, self._datasets.dataset(spec.dataset_id), self._devices)[0]

    def cautions(self, spec: RunSpec) -> tuple[Notice, ...]:
        """What to think of before ``spec`` is trained: its batch key, its covariates, too few optimiser steps.

        Raises
        ------
        BadInput
            A column cannot be used; ``submit`` refuses it in the same words, with the same remedies.
        """
        return cautions(spec, self._datasets.dataset(spec.dataset_id))

    def submit(
        self,
        spec: RunSpec,
        *,
        name: str = "",
        origin: str = "dashboard",
        hold: bool = False,
        group_id: str = "",
    ) -> RunRecord:
        """Queue a run. With ``hold`` no worker takes it: this process will call ``run_here``.

        Raises
        ------
        BadInput
            The spec cannot be trained; the sentence says what to change.
        """
        self._registry.ensure_in_place()
        dataset = self._datasets.dataset(spec.dataset_id)
        now = time.time()
        record = make_record(
            spec,
            dataset,
            self._devices,
            self._checks,
            run_id=self._folders.new_id(now),
            now=now,
            name=name,
            taken=self._registry.names(),
            origin=origin,
            position=self._registry.last_position() + 1,
        ).replace(group_id=group_id)
        self._registry.ensure_in_place()  # deciding took a while
        self._folders.path(record.run_id).mkdir(parents=True)
        if hold:
            self._hold(record.run_id)
        try:
            self._registry.add(record)
        except StudioError:
            self._folders.remove(record.run_id)
            raise
        if not hold:
            self._dispatcher.wake()
        return self._registry.get(record.run_id)

    def group_lock(self, group_id: str) -> FileLock:
        """Who holds it executes the queued runs of the group; no worker takes them."""
        return self._folders.group_lock(group_id)

    def wake(self) -> None:
        """Something was done to the queue that may let its next run be taken."""
        self._dispatcher.wake()

    def run_here(self, run_id: str, on_progress: OnProgress | None = None) -> RunRecord:
        """Train a queued run and come back when it has ended; ``on_progress`` gets each phase and metric point."""
        while True:
            if run_id not in self._held:
                self._hold(run_id)
            lock = self._held.pop(run_id)
            record = self._queue.claim(run_id)
            if record is None:
                lock.release()
                return self._refuse(run_id, "start")
            self._dispatcher.execute(record, lock, on_progress)
            ended = self._registry.get(run_id)
            if ended.status is not RunStatus.QUEUED:  # where its worker died
                return ended

    def resume(self, run_id: str) -> RunRecord:
        """Queue a run again, to continue from its checkpoint to the number of epochs it was to have."""
        record = self.get(run_id)
        if record.status not in _RESUMABLE:
            self._refuse(run_id, "resume")
        if record.status is RunStatus.STOPPED and record.epoch >= record.spec.max_epochs:
            raise Conflict("This run has all its epochs. Extend it to train on.")
        return self._continue(record, record.spec)

    def extend(self, run_id: str, n_epochs: int) -> RunRecord:
        """Queue a run that has a model again, to train ``n_epochs`` more on the same curve."""
        record = self.get(run_id)
        if not record.status.has_model:
            self._refuse(run_id, "extend")
        check_more_epochs(n_epochs)
        return self._continue(record, record.spec.replace(max_epochs=record.epoch + n_epochs))

    # --- changing ---

    def stop(self, run_id: str) -> RunRecord:
        """End a running run after its minibatch, keeping the model; a queued one leaves the queue."""
        return self._ask(run_id, "stop")

    def cancel(self, run_id: str) -> RunRecord:
        """Discard a run. One that was being continued goes back to what it was before."""
        return self._ask(run_id, "cancel")

    def move(self, run_id: str, where: str) -> Records:
        """Move a queued run ``up``, ``down`` or to the ``top``; the queue as it is then."""
        self._queue.move(run_id, where)
        return self.queue()

    def rename(self, run_id: str, name: str) -> RunRecord:
        if not clean_name(name):
            raise BadInput("A run needs a name. Type at least one letter.")
        return self._registry.update(run_id, name=clean_name(name))

    def annotate(self, run_id: str, note: str) -> RunRecord:
        return self._registry.update(run_id, note=note.strip()[:10_000])

    def tag(self, run_id: str, tags: Iterable[str]) -> RunRecord:
        """Give a run these tags and no others; what differs in case or spaces alone is one tag."""
        known = {tag.casefold(): tag for tag in (clean_name(tag)[:40] for tag in tags) if tag}
        return self._registry.update(run_id, tags=tuple(known.values())[:20])

    def delete(self, run_id: str) -> None:
        """Remove a run with its model, numbers and files. A running one must be stopped or canceled first."""
        record = self.get(run_id)
        if record.status is RunStatus.QUEUED:
            record = self.cancel(run_id)
        if not record.status.is_over:
            raise Conflict(f"{record.name} is still running. Stop or cancel it first, then delete it.")
        try:
            self._registry.remove(run_id)
        except NoSpace:  # its files may be what fills the disk
            self._folders.remove(run_id)
            self._registry.remove(run_id)
        self._folders.remove(run_id)

    # --- inside ---

    def _continue(self, record: RunRecord, spec: RunSpec) -> RunRecord:
        if record.imported_from:
            raise Conflict(f"{record.name} was trained on another machine and can only be looked at here.")
        run_dir = self._folders.path(record.run_id)
        self._datasets.dataset(spec.dataset_id)  # still there?
        if record.status.has_model and checkpoint_epoch(run_dir) == 0:
            raise Conflict(
                "This run has no checkpoint to continue from. Start a new run with the same settings."
            )
        _undo.keep(run_dir, record)
        queued = self._registry.transition(
            record.run_id,
            {record.status},
            status=RunStatus.QUEUED,
            spec=spec,
            position=self._registry.last_position() + 1,
            problem=None,
            requested="",
        )
        if queued is None:
            return self._refuse(record.run_id, "continue")
        self._dispatcher.wake()
        return self._registry.get(record.run_id)

    def _ask(self, run_id: str, what: Request) -> RunRecord:
        record = self.get(run_id)
        if record.status is RunStatus.QUEUED:
            left = _undo.leave_queue(self._registry, self._folders.path(run_id), record)
            if left is not None:
                return left
        if record.requested == "cancel" or record.status is RunStatus.CANCELED:
            return record  # nothing goes further than that; a button may be pressed twice
        obeyed = self._dispatcher.ask(run_id, what)
        try:
            asked = self._registry.transition(run_id, {RunStatus.RUNNING}, requested=what)
        except (NoSpace, Unwritable):
            if not obeyed:
                raise
            return self.get(run_id)
        return asked or self._refuse(run_id, what)

    def _hold(self, run_id: str) -> None:
        lock = self._folders.lock(run_id)
        if not lock.acquire():
            self._refuse(run_id, "start")
        self._held[run_id] = lock

    def _refuse(self, run_id: str, verb: str) -> RunRecord:
        status = self._registry.get(run_id).status
        raise Conflict(f"A run that is {status} cannot be asked to {verb}. Reload the page to see its state.")

    def list(
        self, *, status: RunStatus | Collection[RunStatus] | None = None, search: str = "", group_id: str = ""
    ) -> list[RunRecord]:
        """All runs, newest first, those of other processes included."""
        found = self._registry.list(status=status, search=search, group_id=group_id)
        return [self._dispatcher.as_asked(record) for record in found]
