"""What waits after training: the latent space of all cells, and differential expression of two groups of 2,000.

In a process set up as a worker's is. The model is not trained: what is computed takes as long with any weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.settings import Settings
from backend.types import RunSpec
from tests.benchmarks._report import Row

CELLS, DENSITY = {2000: 50_000, 20_000: 6000}, 0.1
REPEATS, GROUP = 3, 2000
NOTE = (
    f"Simulated, {DENSITY:.0%} of the counts not zero. Differential expression decodes a sample of each group, at most "
    "30 million values: all 2,000 cells with 2,000 genes, 1,500 with 20,000; raw means are of all."
)


def measure() -> list[Row]:
    from backend.datasets import DatasetLibrary
    from backend.training import let_idle_threads_sleep, tune_allocator

    let_idle_threads_sleep()
    tune_allocator()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        library = DatasetLibrary(Settings(workspace=Path(folder)))
        library.start()
        try:
            for genes, cells in CELLS.items():
                source = library.wait(library.simulate(cells, genes, DENSITY).job_id).result_id
                library.wait(library.inspect(source).job_id)
                report = library.report(source)
                assert report is not None
                made = library.wait(
                    library.prepare(source, report.recommended.replace(n_top_genes=None)).job_id
                )
                rows += _of(library.dataset(made.result_id))
        finally:
            library.close()
    return rows


def _of(dataset: Any) -> list[Row]:
    import numpy as np

    from backend.analysis._differential import differential, n_samples, raw_statistics
    from backend.datasets import open_prepared
    from backend.training._model import build_model, release_model, save_latent

    adata = open_prepared(dataset)
    model = build_model(RunSpec(dataset.dataset_id), adata)
    model.is_trained_ = True
    model.module.eval()
    one, other = np.arange(GROUP), np.arange(GROUP, 2 * GROUP)

    def compare() -> None:
        samples = n_samples(adata.n_vars)
        differential(model, one, other, delta=0.25, samples=samples, progress=lambda done: None)
        for cells in (one, other):
            raw_statistics(adata.X, cells, lambda: None)

    with tempfile.TemporaryDirectory() as folder:
        latent, latent_cpu = _timed(lambda: save_latent(model, Path(folder)))
    expression, expression_cpu = _timed(compare)
    release_model(model)
    genes = f"{adata.n_vars:,} genes"
    speed, least = tuple(adata.n_obs / took for took in latent), 40_000.0 if adata.n_vars == 2000 else None
    return [
        Row(f"latent space, {genes}", "cells/s", speed, goal=least, at_least=True, note=NOTE),
        Row(
            f"latent space, {genes}, a core", "cells/CPU s", tuple(adata.n_obs / took for took in latent_cpu)
        ),
        Row(f"differential expression, {genes}", "s", expression, goal=5.0),
        Row(f"differential expression, {genes}", "CPU s", expression_cpu),
    ]


def _timed(work: Callable[[], object]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    wall, cpu = [], []
    for _ in range(REPEATS + 1):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    return tuple(wall[1:]), tuple(cpu[1:])  # the first one warms up
