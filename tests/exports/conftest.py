"""A workspace in which small runs can be trained for real, within this process."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from backend.comparison import Comparer
from backend.errors import NotFound
from backend.exports import Exporter
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.settings import Settings
from backend.training import train
from backend.types import (
    DatasetRef,
    Groups,
    Labels,
    MetricPoint,
    Notice,
    PrepareSpec,
    RunRecord,
    RunSpec,
    RunStatus,
    SourceRef,
    StartInfo,
)


def raw_file(path: Path, *, n_obs: int = 120, n_vars: int = 60) -> Path:
    """Cells as they come: counts in a layer, an empty cell, rare genes, gaps, names that mean something to others."""
    rng = np.random.default_rng(0)
    table = rng.poisson(rng.gamma(0.4, 2.0, (n_obs, n_vars))).astype(np.float64)
    table[3], table[:, 5] = 0, 0
    counts = sparse.csr_matrix(table)
    obs = pd.DataFrame(
        {
            'it\'s a "batch"': pd.Categorical(rng.choice(["b", "a"], n_obs), categories=["b", "a", "unused"]),
            "donor": [None if n % 7 == 0 else f"d{n % 3}" for n in range(n_obs)],
            "stress": rng.normal(size=n_obs),
        },
        index=[f"cell{n}" for n in range(n_obs)],
    )
    cells = anndata.AnnData(counts.log1p(), obs=obs, layers={"counts": counts})
    cells.var_names = ['"""; import os', *(f"gene{n}" for n in range(1, n_vars))]
    cells.write_h5ad(path)
    return path


@dataclass
class Result:
    """As an analysis gives it."""

    folder: Path
    options: dict[str, Any]
    values: np.ndarray[Any, Any]
    facts: dict[str, Any] = field(default_factory=dict)

    def array(self, name: str) -> np.ndarray[Any, Any]:
        return self.values


class Workshop:
    """Prepares, trains and exports in the calling thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(folder / "workspace")
        self.registry = RunRegistry(self.settings.registry_path)
        self.registry.open()
        self.sources: dict[str, SourceRef] = {}
        self.datasets: dict[str, DatasetRef] = {}
        self.found: dict[str, Result] = {}
        self.named: Labels | None = None
        self.given: dict[str, Groups] = {}  # annotation columns
        self.renamed: list[tuple[str, dict[str, Any], tuple[str, ...]]] = []
        comparer = Comparer(self.registry, self)  # type: ignore[arg-type]  # as what looks into runs
        self.exporter = Exporter(
            self.settings, self.registry, self, self, comparer, JobBoard(folder / "workspace" / "jobs")
        )

    # --- as what looks into runs ---

    def result(self, run_id: str, kind: str, **options: Any) -> Result | None:
        return self.found.get(kind)

    @property
    def names(self) -> Any:
        return self

    def of(self, run_id: str, n_obs: int | None = None) -> Any:
        return self.named if n_obs is None else self.given

    @property
    def annotations(self) -> Any:
        return self

    def give(self, run_id: str, options: dict[str, Any], names: Sequence[str]) -> Labels:
        self.renamed.append((run_id, options, tuple(names)))
        return Labels(tuple(names), options)

    def stamp(self, run_id: str) -> str:
        return f"stamp of {run_id}"

    def find_out(self, kind: str, array: np.ndarray[Any, Any], run_id: str = "r1", **options: Any) -> None:
        folder = self.settings.runs_dir / run_id / "analysis" / f"{kind}-0123456789abcdef"
        folder.mkdir(parents=True, exist_ok=True)
        meta = {"made_at": 1.0, "options": options, "kind": kind, "facts": {}, "seconds": 1.0}
        names = {"umap": "xy", "leiden": "labels", "agreement": "clusters"}
        np.save(folder / f"{names.get(kind, kind)}.npy", array)
        (folder / "meta.json").write_text(json.dumps(meta))
        self.found[kind] = Result(folder, options, array)

    # --- as a library of data ---

    def source(self, source_id: str) -> SourceRef:
        if source_id not in self.sources:
            raise NotFound("gone")
        return self.sources[source_id]

    def dataset(self, dataset_id: str) -> DatasetRef:
        if dataset_id not in self.datasets:
            raise NotFound("gone")
        return self.datasets[dataset_id]

    def prepared(self) -> list[DatasetRef]:
        return list(self.datasets.values())

    # --- making things ---

    def prepare(self, path: Path, choices: PrepareSpec, name: str = "d1") -> DatasetRef:
        from backend.datasets import prepare_source

        source = SourceRef("s1", path.name, str(path), path.stat().st_size, "folder", 0.0)
        self.sources["s1"] = source
        full = None
        if choices.n_top_genes:
            full = self.prepare(path, choices.replace(n_top_genes=None, hvg_batch_key=None), f"{name}-all")
        folder = self.folder / name
        folder.mkdir()
        facts = prepare_source(
            source, choices, folder, lambda *_: None, full=Path(full.path) if full else None
        )
        ref = DatasetRef(
            name,
            "s1",
            path.name,
            str(folder / "data.h5ad"),
            facts["n_obs"],
            facts["n_vars"],
            facts["nnz"],
            choices,
            tuple(facts["obs_columns"]),
            notices=tuple(map(Notice.from_dict, facts["notices"])),
            full_path=full.path if full else str(folder / "data.h5ad"),
        )
        self.datasets[name] = ref
        return ref

    def train(
        self,
        spec: RunSpec,
        run_id: str = "r1",
        *,
        name: str = "my run",
        should_stop: Callable[[], bool] = lambda: False,
        resume: bool = False,
    ) -> RunRecord:
        """With ``resume`` a run goes on from where it ended, to ``spec.max_epochs``."""
        dataset = self.datasets[spec.dataset_id]
        spec = spec.replace(dataset_name=dataset.name)
        if resume:
            self.registry.update(run_id, spec=spec)
        else:
            self.registry.add(RunRecord(run_id, spec, RunStatus.RUNNING, name, 1.0, n_obs=dataset.n_obs))
        started: list[StartInfo] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = train(
                spec,
                dataset,
                self.settings.runs_dir / run_id,
                on_metric=lambda point: self.registry.append(run_id, point),
                on_phase=lambda phase: None,
                on_start=started.append,
                should_stop=should_stop,
                checkpoint_seconds=1e9,
                resume=resume,
            )
        return self.registry.update(
            run_id,
            status=RunStatus(result.outcome),
            epoch=result.epochs,
            elapsed=result.elapsed,
            device=started[0].device,
            device_name=started[0].device_name,
            n_obs=dataset.n_obs,
            n_vars=dataset.n_vars,
            notices=result.notices,
            environment={**started[0].environment, "engine": started[0].engine},
        )

    def pretend(self, spec: RunSpec, run_id: str = "r1", **fields: Any) -> RunRecord:
        """A finished run whose numbers are made up, for tests that look at files alone."""
        dataset = self.datasets[spec.dataset_id]
        run_dir = self.settings.runs_dir / run_id
        (run_dir / "model").mkdir(parents=True)
        (run_dir / "model" / "model.pt").write_bytes(b"weights")
        rng = np.random.default_rng(1)
        np.save(run_dir / "latent.npy", rng.normal(size=(dataset.n_obs, spec.n_latent)).astype("float32"))
        given: dict[str, Any] = {
            "name": "my run",
            "created_at": 1.0,
            "epoch": spec.max_epochs,
            "n_obs": dataset.n_obs,
            "n_vars": dataset.n_vars,
            "device": "cpu",
            "device_name": "Two-thread test processor",
            "environment": {
                "python": "3.11.7",
                "scvi-tools": "1.4.2",
                "torch": "2.13.0",
                "engine": spec.engine,
            },
        }
        spec = spec.replace(dataset_name=dataset.name)
        record = RunRecord(run_id, spec, RunStatus.FINISHED, **{**given, **fields})
        self.registry.add(record)
        for epoch in range(1, spec.max_epochs + 1):
            for name, value in (
                ("train_loss", 100 / epoch),
                ("validation_loss", 110 / epoch),
                ("epoch_seconds", 0.5),
                ("cells_per_second", 200.0),
            ):
                self.registry.append(run_id, MetricPoint(name, epoch, value, epoch * 0.5))
        return record

    def latent(self, run_id: str = "r1") -> np.ndarray[Any, Any]:
        return np.load(self.settings.runs_dir / run_id / "latent.npy")


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.registry.close()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small are slower with more."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> RunSpec:
    return RunSpec(
        dataset_id="d1",
        engine="stock",
        accelerator="cpu",
        batch_size=32,
        max_epochs=2,
        n_hidden=16,
        n_latent=4,
        seed=3,
    )


def execute(code: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict:
    """Run generated code here, which spares the seconds that importing torch takes."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
    names: dict = {"__name__": "__main__"}
    remove_unused = anndata.settings.remove_unused_categories
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "script.py", "exec"), names)
    anndata.settings.remove_unused_categories = remove_unused
    return names
