"""What a large minibatch costs on real data, and what batch normalisation's running averages have to do with it.

    FOLDER=/path/to/h5ad make bench ONLY=minibatch_sizes

scvi-tools' own values but for the minibatch size and the learning rate, 0.001 x size / 128, trained by the fused
engine: with its momentum of 0.01; with a momentum by the number of planned steps; with 0.01 and batch-norm
recalibration. The ELBO of held-out cells after the last epoch (negative, lower is better) and the share of each cell's
15 nearest neighbours with its label. The cells are those of ``presets``.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import Any

from backend.training import learning_rate, training_cells
from tests.benchmarks import presets
from tests.benchmarks._report import Row

SIZES = (128, 512)
EPOCHS = (5, 20, 60)
CONSTANTS = 10  # of the running averages' exponential decay in a run, where the momentum follows its length
NOTE = "Each median, p95 and max is of one run of the first seed, so all three are the same."


def measure() -> list[Row]:
    given = os.environ.get("FOLDER")
    if not given:
        raise RuntimeError("FOLDER=/path/to/h5ad says where the files of tests/benchmarks/presets.json are")
    presets._one_thread()
    with tempfile.TemporaryDirectory(prefix="studio-minibatch-sizes-") as folder:
        return [
            row
            for data in presets._prepared(Path(given), Path(folder))
            for size in SIZES
            for epochs in EPOCHS
            for row in _rows(data, size, epochs, Path(folder))
        ]


def _rows(data: presets.Data, size: int, epochs: int, folder: Path) -> list[Row]:
    spec = presets._spec(data, 0).replace(batch_size=size, lr=learning_rate(size), max_epochs=epochs)
    steps = epochs * math.ceil(training_cells(spec.train_size, data.dataset.n_obs) / size)
    ways: dict[str, dict[str, Any]] = {
        "momentum 0.01": {},
        f"momentum {planned(steps):.2g} by steps": {"norm_momentum": planned(steps)},
        "momentum 0.01, recalibrated": {"norm_recalibration": True},
    }
    rows = []
    for way, changes in ways.items():
        (found,) = presets._trained(data, [spec.replace(**changes)], folder)
        what = f"{data.name}, {size} a minibatch, {epochs} epochs ({steps} steps), {way}"
        rows.append(Row(f"{what}: ELBO", "nats", (found["elbo"],), note=NOTE))
        rows.append(Row(f"{what}: purity", "", (found["purity"],)))
        print(what, found["elbo"], found["purity"], flush=True)
    return rows


def planned(steps: int) -> float:
    """A momentum whose running averages have forgotten the start of a run long before its end; at least 0.01."""
    return min(0.5, max(0.01, CONSTANTS / steps))
