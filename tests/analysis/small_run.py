"""A run trained on three kinds of cells that differ in known genes, and ``Analyses`` on it without threads.

bench = SmallRun.train(folder); bench.analyses.request(bench.run_id, "markers", ...)
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from backend.analysis import KINDS, Analyses, AnalysisResult, Context, Kind
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.training import train
from backend.types import DatasetRef, JobState, PrepareSpec, RunRecord, RunSpec, RunStatus
from backend.workers import make_executor

RUN = "run-1"
N, G = 180, 60
MARKERS = {"T": range(0, 6), "B": range(6, 12), "odd <b>$x$</b>": range(12, 18)}
NASTY = '=HYPERLINK("http://x","<img>")'


def write_cells(path: Path) -> DatasetRef:
    rng = np.random.default_rng(0)
    kinds = np.repeat(list(MARKERS), N // 3)
    rate = np.full((N, G), 1.0)
    for kind, genes in MARKERS.items():
        rate[np.ix_(kinds == kind, list(genes))] = 12.0
    counts = sparse.csr_matrix(rng.poisson(rng.gamma(3.0, 1 / 3.0, (N, G)) * rate).astype(np.float32))
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical(kinds),
            "batch": pd.Categorical(rng.choice(["a", "b"], N)),
            "some": pd.Categorical(np.where(np.arange(N) % 2, "yes", None)),
        },
        index=[f"c{i}" for i in range(N)],
    )
    var = pd.DataFrame(index=[NASTY, *(f"gene{i}" for i in range(1, G))])
    anndata.AnnData(X=counts, obs=obs, var=var).write_h5ad(path)
    lay_out(path)
    return DatasetRef("d1", "s1", "three kinds", str(path), N, G, counts.nnz, PrepareSpec())


def lay_out(path: Path) -> None:
    """The counts in one piece each, as preparing leaves them."""
    with h5py.File(path, "r+") as file:
        group = file["X"]
        for name in ("data", "indices", "indptr"):
            values = group[name][()]
            del group[name]
            group.create_dataset(name, data=values)


class OneDataset:
    def __init__(self, ref: DatasetRef) -> None:
        self._ref = ref

    def dataset(self, dataset_id: str) -> DatasetRef:
        return self._ref


@dataclass
class SmallRun:
    settings: Settings
    registry: RunRegistry
    analyses: Analyses
    ref: DatasetRef
    kinds: dict[str, Kind]
    jobs: JobBoard
    run_id: str = RUN

    @property
    def run_dir(self) -> Path:
        return self.settings.runs_dir / self.run_id

    def put_clusters(self, labels: np.ndarray) -> AnalysisResult:
        """Clusters as an analysis would have left them."""

        def given(context: Context, options: object, progress: object) -> dict[str, Any]:
            context.save("labels", labels.astype(np.int32))
            sizes = np.bincount(labels).tolist()
            return {"n_clusters": len(sizes), "sizes": sizes}

        self.kinds["leiden"] = replace(KINDS["leiden"], perform=given, needs=lambda options: ())
        return self.done("leiden")

    def done(self, kind: str, **options: object) -> AnalysisResult:
        """The result of an analysis that must end well."""
        job = self.analyses.request(self.run_id, kind, **options)
        job = self.analyses.get(job.job_id)
        assert job.state is JobState.DONE, job.problem
        result = self.analyses.result(self.run_id, kind, **options)
        assert result is not None
        return result


def train_small(folder: Path) -> tuple[Path, DatasetRef]:
    """The run's folder, made once; copied for each test."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    ref = write_cells(folder / "cells.h5ad")
    spec = RunSpec("d1", "three kinds", engine="stock", accelerator="cpu", batch_size=32, max_epochs=20, lr=0.01,
                   n_hidden=16, n_latent=4, n_epochs_kl_warmup=10)  # fmt: skip
    nothing = lambda *_: None  # noqa: E731
    train(
        spec,
        ref,
        folder / RUN,
        on_metric=nothing,
        on_phase=nothing,
        on_start=nothing,
        should_stop=lambda: False,
    )
    torch.set_num_threads(before)
    return folder / RUN, ref


def on_copy(trained: tuple[Path, DatasetRef], workspace: Path) -> SmallRun:
    run_dir, ref = trained
    settings = Settings(workspace=workspace, threads=1)
    shutil.copytree(run_dir, settings.runs_dir / RUN)
    registry = RunRegistry(settings.registry_path)
    registry.open()
    registry.add(
        RunRecord(
            RUN, RunSpec("d1"), RunStatus.FINISHED, "Small", 0.0, n_obs=N, n_vars=G, device="cpu", epoch=20
        )
    )
    kinds = dict(KINDS)
    jobs = JobBoard(workspace / "jobs", make_executor("inline"))
    analyses = Analyses(settings, registry, OneDataset(ref), jobs, children=False, kinds=kinds)
    return SmallRun(settings, registry, analyses, ref, kinds, jobs)
