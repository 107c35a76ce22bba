"""Work on a run that was trained: a map of its cells, clusters, a gene's expression, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._jobs import JobState
from ._message import Message
from ._runs import Problem


@dataclass(frozen=True, slots=True)
class AnalysisJob(Message):
    """One analysis of one run. The id follows from run, kind and options: asked for twice it is one job."""

    job_id: str
    run_id: str
    kind: str  # a name in backend.analysis' table of kinds: neighbours, umap, leiden, ...
    title: str  # "Map of the cells of PBMC 700 cells"
    state: JobState
    created_at: float
    options: dict[str, Any] = field(default_factory=dict)  # as executed, defaults included
    progress: float | None = None  # 0..1, None: unknown
    phase: str = ""  # "placing the cells"
    problem: Problem | None = None

    @property
    def is_over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED, JobState.CANCELED)
