"""A small prepared data set, and a run of it that remembers everything it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.training import train
from backend.types import DatasetRef, MetricPoint, PrepareSpec, RunSpec, StartInfo, TrainingResult


def never() -> bool:
    return False


@dataclass
class Told:
    """What a run told its callbacks."""

    points: list[MetricPoint] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    starts: list[StartInfo] = field(default_factory=list)

    def series(self, name: str) -> list[float]:
        return [p.value for p in self.points if p.name == name]

    def epochs(self, name: str) -> list[int]:
        return [p.epoch for p in self.points if p.name == name]

    def run(
        self,
        spec: RunSpec,
        ref: DatasetRef,
        run_dir: Path,
        *,
        should_stop: Callable[[], bool] = never,
        on_metric: Callable[[MetricPoint], None] | None = None,
        resume: bool = False,
        checkpoint_seconds: float = 1e9,
        before_checkpoint: Callable[[], object] = lambda: None,
    ) -> TrainingResult:
        return train(
            spec,
            ref,
            run_dir,
            on_metric=on_metric or self.points.append,
            on_phase=self.phases.append,
            on_start=self.starts.append,
            should_stop=should_stop,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            before_checkpoint=before_checkpoint,
        )

    def stop_when_asked(self, times: int) -> Callable[[], bool]:
        """Say stop at that question. It is asked after every minibatch and once more after an epoch."""
        asked = iter(range(1, 10**9))
        return lambda: next(asked) >= times


def write_prepared(path: Path, n_obs: int = 210, n_vars: int = 40, seed: int = 0) -> DatasetRef:
    """Cells as the data room prepares them: counts in uncompressed, contiguous arrays."""
    rng = np.random.default_rng(seed)
    counts = sparse.csr_matrix(rng.poisson(rng.gamma(0.5, 2.0, (n_obs, n_vars))).astype(np.float32))
    obs = pd.DataFrame(
        {
            "batch": pd.Categorical(rng.choice(["a", "b"], n_obs)),
            "donor": pd.Categorical(rng.choice(["x", "y", "z"], n_obs)),
            "stress": rng.normal(size=n_obs),
        },
        index=[f"cell{i}" for i in range(n_obs)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_vars)])
    return prepare(anndata.AnnData(X=counts, obs=obs, var=var), path)


def prepare(cells: anndata.AnnData, path: Path) -> DatasetRef:
    """Write cells with counts in CSR as the data room does."""
    cells.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        group = file["X"]
        for name in ("data", "indices", "indptr"):
            values = group[name][()]
            del group[name]
            group.create_dataset(name, data=values)
    return DatasetRef("d1", "s1", "small", str(path), cells.n_obs, cells.n_vars, cells.X.nnz, PrepareSpec())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small are slower with more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ref(tmp_path_factory: pytest.TempPathFactory) -> DatasetRef:
    return write_prepared(tmp_path_factory.mktemp("prepared") / "data.h5ad")


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def spec() -> RunSpec:
    return RunSpec(
        dataset_id="d1",
        engine="stock",  # the baseline: tests of the fused engine ask for it
        accelerator="cpu",
        batch_size=32,
        lr=2e-3,
        max_epochs=3,
        batch_key="batch",
        n_hidden=16,
        n_latent=3,
        n_epochs_kl_warmup=5,
    )
