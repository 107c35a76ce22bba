"""A data library for tests of pages: one uploaded file, the built-in one, and work that ends when told to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.datasets import FolderFile, PublicSet
from backend.errors import BadFile, NotAllowed, NotFound
from backend.types import (
    ColumnAdvice,
    DatasetRef,
    DatasetReport,
    Histogram,
    Job,
    JobState,
    MatrixVerdict,
    PrepareSpec,
    Problem,
    Remedy,
    SourceRef,
)

NAME = "lung_*atlas* :material/delete:.h5ad"
DROP = Remedy("Drop 12 empty cells", "prepare", {"drop_empty_cells": True})
FILL = Remedy("Fill donor", "prepare", {"fill_missing": ["donor"]})
EMPTY = Problem("empty_cells", "error", "12 of 900 cells have no counts.", (DROP,))
LOG = MatrixVerdict(
    "X", "log1p", "3.1 % of values are not whole numbers", 900, 1500, 9, 0, 8.4, 0.0, "CSR", "e"
)
COUNTS = MatrixVerdict(
    "layers/counts", "counts", "all values are whole numbers", 900, 1500, 9, 0, 40, 1.0, "CSR", usable=True
)
RAW = MatrixVerdict("raw/X", "counts", "all whole", 900, 2000, 9, 0, 40, 1.0, "CSR", usable=True)
DONOR = ColumnAdvice("donor", 85, 3, 4, "recommended", "Named like a batch.", ("a_*b*", "b", "c"), (1, 1, 1))
LABEL = ColumnAdvice("cell_type", -5, 8, 0, "unsuitable", "Looks like cell types.")


def report(**changes: Any) -> DatasetReport:
    plain = DatasetReport(
        source_id="lung",
        n_obs=900,
        n_vars=1500,
        matrices=(LOG, COUNTS, RAW),
        counts="layers/counts",
        density=0.1,
        counts_per_cell=Histogram((2.0, 2.5, 3.0), (3, 4), 400.0, log10=True),
        genes_per_cell=Histogram((0.0, 100.0, 200.0), (3, 4), 120.0),
        columns=(DONOR, LABEL),
        batch_key="donor",
        problems=(EMPTY,),
        empty_cells=12,
        genes_in_few_cells=7,
        recommended=PrepareSpec("layers/counts", drop_empty_cells=True, fill_missing=("donor",)),
    )
    return plain.replace(**changes)


@dataclass
class Library:
    """A library of one uploaded file and the built-in one; preparing is done when the test says so."""

    folder: Path
    reports: dict[str, DatasetReport] = field(default_factory=lambda: {"lung": report()})
    known: dict[str, Job] = field(default_factory=dict)
    ready: list[DatasetRef] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    files: list[FolderFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    slow: bool = False  # what is begun goes on until the test ends it
    broken: set[str] = field(default_factory=set)  # files that turn out to be incomplete

    def sources(self) -> list[SourceRef]:
        lung = SourceRef("lung", NAME, "/x/lung.h5ad", 9_000_000, "upload", time.time())
        return [one for one in (lung, self.demo()) if one.source_id not in self.removed]

    def demo(self) -> SourceRef:
        return SourceRef("demo", "PBMC", "/x/demo.h5ad", 1_000_000, "demo", 1.0, note="Real cells.")

    def source(self, source_id: str) -> SourceRef:
        for one in self.sources():
            if one.source_id == source_id:
                return one
        raise NotFound("This data set is no longer in the library.")

    def check_source(self, source_id: str) -> None:
        return None

    def report(self, source_id: str) -> DatasetReport | None:
        return self.reports.get(source_id)

    def remove_source(self, source_id: str) -> None:
        self.removed.append(source_id)

    def jobs(self) -> list[Job]:
        return list(self.known.values())

    def job(self, job_id: str) -> Job:
        if job_id not in self.known:
            raise NotFound("This job is no longer known.")
        return self.known[job_id]

    def cancel_job(self, job_id: str) -> None:
        self.known[job_id] = self.known[job_id].replace(state=JobState.CANCELED)

    def dismiss_job(self, job_id: str) -> None:
        self.known.pop(job_id, None)

    def inspect(self, source_id: str) -> Job:
        return self._begin("inspect", source_id)

    def prepare(self, source_id: str, plan: PrepareSpec) -> Job:
        return self._begin("prepare", self.dataset_id(source_id, plan), plan)

    def simulate(self, n_obs: int, n_vars: int, **more: Any) -> Job:
        return self._begin("simulate", "new", n_obs, n_vars, more)

    def fetch_url(self, url: str) -> Job:
        if "10.0.0.1" in url:
            raise NotAllowed("10.0.0.1 is a private address.")
        return self._begin("fetch", url)

    def fetch_public(self, key: str) -> Job:
        return self._begin("public", key)

    def public_sets(self) -> list[PublicSet]:
        return [PublicSet("pbmc3k", "PBMC 3k", "Blood cells.", 5_900_000, 2700, "scanpy")]

    def browse(self) -> list[FolderFile]:
        return self.files

    def open_local(self, path: Path) -> Job:
        return self._begin("open", path.stem, path)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Time passes: a file that is read quickly has been read."""
        job = self.known[job_id]
        if self.slow:
            return job
        if job.job_id in self.broken:
            raise BadFile("The file is incomplete.")
        self.known[job_id] = job.replace(state=JobState.DONE, result_id="lung")
        return self.known[job_id]

    def dataset_id(self, source_id: str, plan: PrepareSpec) -> str:
        return f"{source_id}-{abs(hash(plan))}"

    def prepared(self) -> list[DatasetRef]:
        return self.ready

    def finish(self, plan: PrepareSpec, source_id: str = "lung") -> DatasetRef:
        ref = DatasetRef(self.dataset_id(source_id, plan), source_id, "lung", "/x", 888, 1500, 9, plan)
        self.ready.append(ref)
        return ref

    def _begin(self, kind: str, *what: Any) -> Job:
        self.asked.append((kind, *what))
        job = Job(f"{kind}-{what[0]}", kind, f"Working on {NAME}", JobState.WORKING, 1.0, 0.4, "block 2 of 5")
        self.known[job.job_id] = job
        return job
