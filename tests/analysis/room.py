"""A run with a latent space that was never trained, and ``Analyses`` on it: for tests of the jobs themselves.

room = Room(tmp_path); room.probe(lambda context, options, progress: ...); room.analyses.request(RUN, "probe")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backend.analysis import KINDS, Analyses, Kind
from backend.errors import NotFound
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.types import DatasetRef, Job, RunRecord, RunSpec, RunStatus
from backend.workers import make_executor

RUN = "run-1"


class NoDatasets:
    """No data set is there, until a test puts one in."""

    ref: DatasetRef | None = None

    def dataset(self, dataset_id: str) -> DatasetRef:
        if self.ref is None:
            raise NotFound("This data set is not here any more.")
        return self.ref


def three_groups(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points in 4 dimensions, in three groups far apart and of different size; and the group of each."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    middle = np.array([[0, 0, 0, 0], [9, 0, 0, 0], [0, 9, 0, 0]])
    return (middle[group] + rng.normal(size=(n, 4))).astype(np.float32), group


class Room:
    def __init__(self, folder: Path, executor: str = "inline", *, children: bool = False) -> None:
        self.settings = Settings(workspace=folder, threads=1)
        self.registry = RunRegistry(self.settings.registry_path)
        self.registry.open()
        self.executor = make_executor(executor)
        self.kinds = dict(KINDS)
        self.jobs = JobBoard(folder / "jobs", self.executor)
        self.datasets = NoDatasets()
        self.analyses = Analyses(
            self.settings, self.registry, self.datasets, self.jobs, children=children, kinds=self.kinds
        )
        self.calls: list[str] = []
        self.registry.add(RunRecord(RUN, RunSpec("d1"), RunStatus.FINISHED, "Lung *1*", 0.0, n_obs=90))
        self.put_latent(three_groups()[0])

    @property
    def run_dir(self) -> Path:
        return self.settings.runs_dir / RUN

    def put_latent(self, points: np.ndarray, seconds: int = 1_000_000) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        path = self.run_dir / "latent.npy"
        np.save(path, points)
        os.utime(path, (seconds, seconds))

    def probe(self, perform: Callable[..., Any], name: str = "probe", **how: Any) -> None:
        """A kind of analysis for this test."""

        def counted(context: Any, options: Any, progress: Any) -> Any:
            self.calls.append(name)
            return perform(context, options, progress)

        self.kinds[name] = Kind(name, f"The {name}", counted, **{"defaults": {"size": 1}, **how})

    def close(self) -> None:
        self.jobs.close()
        self.executor.close(5.0)
        self.registry.close()

    def settled(self, job: Job, timeout: float = 20.0) -> Job:
        """The job once it is over. Work submitted behind it marks that."""
        passed = threading.Event()
        self.executor.submit(passed.set)
        assert passed.wait(timeout)
        return self.analyses.get(job.job_id)
