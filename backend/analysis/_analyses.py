"""``Analyses``: everything heavy that looks into a run, as jobs on the one compute thread, between training runs.

    job = analyses.request(run_id, "leiden", resolution=1.0)    # the same request is the same job
    analyses.result(run_id, "leiden", resolution=1.0)           # None until it is there; quick
    analyses.find(run_id, "leiden"); analyses.cancel(job.job_id)

Results live as long as the run is not trained further. What holds Python's lock for seconds runs in a process of its
own, for which the compute thread waits, so there is still one computation at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import Conflict, StudioError
from ..jobs import JobBoard, JobContext, Request, Work, part, run_child
from ..settings import Settings
from ..types import DatasetRef, Job, RunRecord, RunStatus
from ..words import status_word
from ._annotations import Annotations
from ._cluster_names import ClusterNames
from ._kept_cells import keep_cells
from ._kind import Kind
from ._kinds import KINDS
from ._results import AnalysisResult, ResultStore
from ._work import Run, missing, perform_steps

AREA = "analysis"
_SEEN_FIRST = ("neighbours", "umap", "resolution", "before", "mixing")
_GRACE = 1.0  # seconds: a canceled map has nothing to put in order


class Runs(Protocol):
    def get(self, run_id: str) -> RunRecord: ...


class Datasets(Protocol):
    def dataset(self, dataset_id: str) -> DatasetRef: ...


class Analyses:
    def __init__(
        self,
        settings: Settings,
        runs: Runs,
        datasets: Datasets,
        jobs: JobBoard,
        *,
        children: bool = True,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self._settings = settings
        self._runs = runs
        self._datasets = datasets
        self._jobs = jobs
        self._children = children  # False: even what wants a process of its own is done in this one
        self._kinds = kinds
        self.names = ClusterNames(
            settings.runs_dir, lambda run_id, options: self.result(run_id, "leiden", **options)
        )
        self.annotations = Annotations(settings.runs_dir)
        jobs.employ(AREA, self._perform, on_compute_thread=True)

    # --- asking ---

    def result(self, run_id: str, kind: str, **options: Any) -> AnalysisResult | None:
        """What ``request`` with the same arguments has made of the run as it is now, or None."""
        return self._store(run_id).find(self._kinds[kind].wanted(options))

    def knows(self, kind: str) -> bool:
        """Whether there is such a kind of analysis."""
        return kind in self._kinds

    def find(self, run_id: str, kind: str, **options: Any) -> Job | None:
        """The job for this request, whatever its state, without starting one."""
        return self._jobs.find(self._work(run_id, self._kinds[kind], options).job_id)

    def first_look(self, run_id: str, kind: str) -> Job | None:
        """The job under way that makes what is seen of a run first, where ``kind`` is among that."""
        if kind not in _SEEN_FIRST:
            return None
        jobs = self._jobs.list(AREA)
        return next(
            (j for j in jobs if j.kind == "first_look" and j.subject == run_id and not j.is_over), None
        )

    def get(self, job_id: str) -> Job:
        return self._jobs.get(job_id)

    def active(self) -> Job | None:
        """The job being worked on now; its subject is the run."""
        return self._jobs.active(AREA)

    def stamp(self, run_id: str) -> str:
        """What a result on disk carries to count as one of the run as it is now."""
        return self._store(run_id).stamp()

    # --- doing ---

    def request(self, run_id: str, kind: str, **options: Any) -> Job:
        """Start the work, or return the job that does it already; done at once where a result is there.

        Raises
        ------
        Conflict
            The run has nothing to look into yet.
        """
        chosen = self._kinds[kind]
        record = self._runs.get(run_id)
        work = self._work(run_id, chosen, options, record.name)
        if self._store(run_id).find(chosen.wanted(options)) is not None:
            return self._jobs.answered(work)
        self._refuse_unfit(record, chosen)
        return self._jobs.begin(work)

    def cancel(self, job_id: str) -> None:
        """A waiting job leaves the line, a working one ends soon. Asking one that has ended changes nothing."""
        self._jobs.cancel(job_id)

    def keep_cells(self, run_id: str, cells: npt.NDArray[np.integer[Any]]) -> str:
        """A name for chosen cells (their positions), for the options of an analysis."""
        return keep_cells(self._settings.runs_dir / run_id, cells)

    # --- inside ---

    def _store(self, run_id: str) -> ResultStore:
        return ResultStore(self._settings.runs_dir / run_id)

    def _work(self, run_id: str, kind: Kind, options: Mapping[str, Any], of: str = "") -> Work:
        wanted = kind.wanted(options)
        request = {"run_id": run_id, "kind": kind.name, "options": wanted.options}
        title = f"{kind.title} of {of}"
        return Work(AREA, f"{run_id}-{wanted.key}", kind.name, title, request, subject=run_id)

    def _refuse_unfit(self, record: RunRecord, kind: Kind) -> None:
        if not kind.needs_latent:
            return
        if record.status in (RunStatus.RUNNING, RunStatus.QUEUED):
            raise Conflict(
                f"{record.name} is {status_word(record.status)}. Its cells can be looked at when it is done."
            )
        if not (self._settings.runs_dir / record.run_id / "latent.npy").is_file():
            raise Conflict(f"{record.name} has no latent space: it did not end with a model.")

    def _perform(self, request: Request, job: JobContext) -> str:
        record = self._runs.get(request["run_id"])  # as it is by now
        self._refuse_unfit(record, self._kinds[request["kind"]])
        store = self._store(record.run_id)
        store.tidy()
        run = Run(
            record,
            self._dataset(record),
            self._settings.runs_dir / record.run_id,
            self._settings.threads,
        )
        steps = missing(store, self._kinds, request["kind"], request["options"])
        total = sum(self._kinds[name].weight for name, _ in steps)
        done = 0.0
        for apart, neighbours in groupby(
            steps, lambda step: self._children and self._kinds[step[0]].separate
        ):
            together = list(neighbours)
            weight = sum(self._kinds[name].weight for name, _ in together)
            progress = part(job.report, done / total, (done + weight) / total)
            if apart:
                progress(None, "loading the libraries")
                asked = {"run": run.to_dict(), "steps": together}
                run_child(f"{__package__}._work", asked, job.log, progress, job.cancel, grace=_GRACE)
            else:
                perform_steps(together, run, self._kinds, progress, job.check)
            done += weight
        return ""

    def _dataset(self, record: RunRecord) -> DatasetRef | None:
        try:
            return self._datasets.dataset(record.spec.dataset_id)
        except StudioError:  # removed; an analysis of the latent space alone needs none
            return None
