"""Background work as everybody sees it: what it is, how far it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ._message import Message
from ._runs import Problem


class JobState(StrEnum):
    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Job(Message):
    """One piece of background work. The id names the work: asked for twice it is one job."""

    job_id: str
    kind: str  # fetch, inspect, prepare, simulate; umap, leiden and the other analyses; check
    title: str  # "Preparing pbmc.h5ad"
    state: JobState
    started_at: float
    progress: float | None = None  # 0..1, None: unknown
    phase: str = ""  # "reading block 3 of 40"
    result_id: str = ""  # source_id or dataset_id when done
    problem: Problem | None = None
    area: str = "data"  # data, analysis, check, calibration, export
    subject: str = ""  # what it is about: the run of an analysis, the device of a check

    @property
    def is_over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELED)
