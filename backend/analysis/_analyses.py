"""``Analyses``: everything heavy that looks into a run, as jobs on the one compute thread, between training runs.

    job = analyses.request(run_id, "leiden", resolution=1.0)    # the same request is the same job
    analyses.result(run_id, "leiden", resolution=1.0)           # None until it is there; quick
    analyses.jobs(run_id); analyses.cancel(job.job_id); analyses.dismiss(job.job_id)

Jobs live as long as this process, results as long as the run is not trained further. What fails becomes a
sentence in ``job.problem`` and a traceback in the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..errors import Conflict, NotFound, StudioError
from ..registry import RunRegistry
from ..settings import Settings
from ..types import AnalysisJob, DatasetRef, JobState, RunRecord, RunStatus
from ._child import run_in_child
from ._failures import as_problem
from ._kind import Kind
from ._kinds import KINDS
from ._labels import ClusterNames
from ._results import FOLDER, AnalysisResult, ResultStore, request_hash
from ._steps import Plan, missing, perform_step
from ._stopping import AnalysisCanceled


@dataclass
class _Entry:
    job: AnalysisJob
    kind: Kind
    canceled: threading.Event = field(default_factory=threading.Event)
    future: Future[Any] | None = None


class Analyses(ClusterNames):
    def __init__(
        self,
        settings: Settings,
        registry: RunRegistry,
        datasets: Any,
        executor: Any,
        *,
        children: bool = True,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._datasets = datasets
        self._executor = executor
        self._children = children  # False: even what wants a process of its own is done in this one
        self._lock = threading.RLock()
        self._entries: dict[str, _Entry] = {}
        self._closed = False

    # --- asking ---

    def result(self, run_id: str, kind: str, **options: Any) -> AnalysisResult | None:
        """What ``request`` with the same arguments has made of the run as it is now, or None."""
        return self._store(run_id).find(KINDS[kind], options)

    @staticmethod
    def knows(kind: str) -> bool:
        """Whether there is such a kind of analysis."""
        return kind in KINDS

    def jobs(self, run_id: str | None = None) -> list[AnalysisJob]:
        """Jobs not dismissed, in the order of asking. Those that ended well leave by themselves."""
        with self._lock:
            jobs = [entry.job for entry in self._entries.values()]
        return [job for job in jobs if job.state is not JobState.DONE and run_id in (None, job.run_id)]

    def find(self, run_id: str, kind: str, **options: Any) -> AnalysisJob | None:
        """The job for this request, whatever its state, without starting one."""
        with self._lock:
            entry = self._entries.get(_job_id(run_id, KINDS[kind], options))
        return entry.job if entry else None

    def get(self, job_id: str) -> AnalysisJob:
        with self._lock:
            if job_id not in self._entries:
                raise NotFound("This job is no longer known; it may have been dismissed in another window.")
            return self._entries[job_id].job

    def active(self) -> AnalysisJob | None:
        """The job being worked on now."""
        with self._lock:
            return next((e.job for e in self._entries.values() if e.job.state is JobState.WORKING), None)

    def stamp(self, run_id: str) -> str:
        """What a result on disk carries to count as one of the run as it is now."""
        return self._store(run_id).stamp()

    # --- doing ---

    def request(self, run_id: str, kind: str, **options: Any) -> AnalysisJob:
        """Start the work, or return the job that does it already; done at once where a result is there.

        Raises
        ------
        Conflict
            The run has nothing to look into yet.
        """
        chosen = KINDS[kind]
        complete = chosen.complete(options)
        record = self._registry.get(run_id)
        job_id = _job_id(run_id, chosen, complete)
        with self._lock:
            known = self._entries.get(job_id)
            if known and not known.job.is_over:
                return known.job
            job = AnalysisJob(
                job_id,
                run_id,
                kind,
                f"{chosen.title} of {record.name}",
                JobState.WAITING,
                time.time(),
                complete,
            )
            if self._store(run_id).find(chosen, complete) is not None:
                job = job.replace(state=JobState.DONE, progress=1.0)
                self._entries[job_id] = _Entry(job, chosen)
                return job
            self._refuse_unfit(record, chosen)
            entry = _Entry(job, chosen)
            self._entries.pop(job_id, None)  # to the end of the line
            self._entries[job_id] = entry
        future = self._executor.submit(partial(self._work, entry))
        with self._lock:
            entry.future = future
            if entry.canceled.is_set():
                future.cancel()
            return entry.job

    def cancel(self, job_id: str) -> None:
        """A waiting job leaves the line, a working one ends soon. Asking one that has ended changes nothing."""
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None or entry.job.is_over:
                return
            entry.canceled.set()
            if entry.job.state is JobState.WAITING:
                if entry.future is not None:
                    entry.future.cancel()
                entry.job = entry.job.replace(state=JobState.CANCELED, phase="")
            else:
                entry.job = entry.job.replace(phase="ending")

    def dismiss(self, job_id: str) -> None:
        """Forget a job that has ended."""
        with self._lock:
            if job_id in self._entries and self._entries[job_id].job.is_over:
                del self._entries[job_id]

    def close(self) -> None:
        """End what is under way and take no more."""
        with self._lock:
            self._closed = True
            names = list(self._entries)
        for name in names:
            self.cancel(name)

    # --- inside ---

    def _store(self, run_id: str) -> ResultStore:
        return ResultStore(self._settings.runs_dir / run_id)

    def _refuse_unfit(self, record: RunRecord, kind: Kind) -> None:
        if self._closed:
            raise Conflict("The program is ending.")
        if not kind.needs_latent:
            return
        if record.status in (RunStatus.RUNNING, RunStatus.QUEUED):
            raise Conflict(f"{record.name} is {record.status}. Its cells can be looked at when it is done.")
        if not (self._settings.runs_dir / record.run_id / "latent.npy").is_file():
            raise Conflict(f"{record.name} has no latent space: it did not end with a model.")

    def _work(self, entry: _Entry) -> None:
        with self._lock:
            if entry.job.is_over:
                return
            entry.job = entry.job.replace(state=JobState.WORKING, phase="starting")
        try:
            self._perform(entry)
        except AnalysisCanceled:
            ended: dict[str, Any] = {"state": JobState.CANCELED}
        except Exception as error:
            if entry.canceled.is_set():
                ended = {"state": JobState.CANCELED}
            else:
                ended = {"state": JobState.FAILED, "problem": as_problem(entry.job, error)}
        else:
            ended = {"state": JobState.DONE, "progress": 1.0}
        with self._lock:
            entry.job = entry.job.replace(**{"phase": "", **ended})

    def _perform(self, entry: _Entry) -> None:
        job = entry.job
        record = self._registry.get(job.run_id)  # as it is by now
        self._refuse_unfit(record, entry.kind)
        store = self._store(job.run_id)
        store.tidy()
        plan = missing(store, entry.kind, job.options)
        dataset = self._dataset(record)
        done = 0
        while done < len(plan):
            first = done
            apart = self._children and plan[first][0].separate
            done += 1
            while apart and done < len(plan) and plan[done][0].separate:
                done += 1
            tell = partial(self._tell, entry, [kind.weight for kind, _ in plan], first)
            if apart:
                self._in_child(entry, record, dataset, plan[first:done], tell)
            else:
                self._here(entry, record, dataset, *plan[first], partial(tell, 0))

    def _here(
        self,
        entry: _Entry,
        record: RunRecord,
        dataset: DatasetRef | None,
        kind: Kind,
        options: dict[str, Any],
        tell: Callable[[float | None, str], None],
    ) -> None:
        def check() -> None:
            if entry.canceled.is_set():
                raise AnalysisCanceled

        def progress(fraction: float | None, phase: str = "") -> None:
            check()
            tell(fraction, phase)

        check()
        perform_step(
            kind,
            options,
            record=record,
            dataset=dataset,
            run_dir=self._settings.runs_dir / record.run_id,
            progress=progress,
            check=check,
            threads=self._settings.threads,
        )

    def _in_child(
        self,
        entry: _Entry,
        record: RunRecord,
        dataset: DatasetRef | None,
        group: Plan,
        tell: Callable[[int, float | None, str], None],
    ) -> None:
        run_dir = self._settings.runs_dir / record.run_id
        request = {
            "record": record.to_dict(),
            "dataset": dataset.to_dict() if dataset else None,
            "run_dir": str(run_dir.resolve()),
            "steps": [(kind.name, options) for kind, options in group],
            "threads": self._settings.threads,
        }
        tell(0, None, "loading the libraries")
        run_in_child(request, run_dir / FOLDER, tell, entry.canceled)

    def _tell(
        self, entry: _Entry, weights: list[float], first: int, step: int, fraction: float | None, phase: str
    ) -> None:
        step += first
        share = weights[step] * min(1.0, max(0.0, fraction or 0.0))
        overall = (sum(weights[:step]) + share) / sum(weights)
        known = fraction is not None or step > 0
        with self._lock:
            if not entry.canceled.is_set():
                entry.job = entry.job.replace(progress=overall if known else None, phase=phase)

    def _dataset(self, record: RunRecord) -> DatasetRef | None:
        try:
            return self._datasets.dataset(record.spec.dataset_id)
        except StudioError:  # removed; an analysis of the latent space alone needs none
            return None


def _job_id(run_id: str, kind: Kind, options: dict[str, Any]) -> str:
    return f"{run_id}-{kind.name}-{request_hash(kind, options)}"
