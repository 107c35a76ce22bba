"""The fused engine from 10,000 to 300,000 cells: speed stays flat, and memory grows by no more than the data.

Simulated cells of 4,000 genes at 8 %, each size in a fresh process. The prepared file is mapped, so the part of it that
a run has touched counts as its memory; what is judged is the memory beyond that file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backend.bench import measure_engines
from tests.benchmarks._report import Row

CELLS = (10_000, 30_000, 100_000, 300_000)
GENES = 4_000
BATCH_SIZE = 512


def measure() -> list[Row]:
    rows, speeds, beyond = [], [], []
    for n_obs in CELLS:
        with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
            workspace = Path(folder)
            (row,) = measure_engines(
                ["--simulate", f"{n_obs}x{GENES}"],
                workspace,
                engines=("fused",),
                batch_sizes=(BATCH_SIZE,),
                max_epochs=3,
            )
            data = max(path.stat().st_size for path in workspace.rglob("*.h5ad"))
        speeds.append(row.cells_per_second)
        beyond.append(row.peak_memory - data)
        title = f"{n_obs:,} cells"
        rows += [
            Row(f"{title}, speed", "cells/s", (row.cells_per_second,)),
            Row(f"{title}, prepared file", "MB", (data / 1e6,)),
            Row(f"{title}, peak memory beyond it", "MB", (beyond[-1] / 1e6,)),
        ]
    return [
        *rows,
        Row("slowest over fastest", "ratio", (min(speeds) / max(speeds),), goal=0.85, at_least=True),
        Row(
            "memory beyond the data, largest set minus smallest", "MB", ((beyond[-1] - beyond[0]) / 1e6,), 100
        ),
    ]
