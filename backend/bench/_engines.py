"""The engines side by side: same cells, split, seed and epochs, each in a fresh process.

    rows = measure_engines(["--simulate", "20000x20000"], workspace, on_row=print)

A row is one engine at one minibatch size, trained by ``python -m backend train``. The first epoch of each is left
out of its speed. The runs stay in ``workspace``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import TrainingFailed
from ..types import Message

ROOT = Path(__file__).resolve().parents[2]
BATCH_SIZES = (128, 1024)
BASE = ("stock", 128)  # what every speed is compared with: scvi-tools as it comes


@dataclass(frozen=True, slots=True)
class EngineRow(Message):
    """One engine at one minibatch size. ``speed_up`` is against ``BASE`` on the same data, None without it."""

    data: str
    engine: str  # as executed
    batch_size: int
    lr: float
    n_train: int
    n_vars: int
    seconds_per_epoch: tuple[float, ...]  # all epochs, validation included
    cells_per_second: float  # median of the epochs after the first
    peak_memory: int  # bytes, of the whole process
    validation_loss: tuple[float, ...]  # one an epoch
    speed_up: float | None = None


def measure_engines(
    data: Sequence[str],
    workspace: Path,
    *,
    engines: Sequence[str] = ("stock", "fused"),
    batch_sizes: Sequence[int] = BATCH_SIZES,
    max_epochs: int = 3,
    accelerator: str = "cpu",
    on_row: Callable[[EngineRow], object] = lambda row: None,
) -> list[EngineRow]:
    """Train every engine at every minibatch size. Sizes above the number of training cells are left out.

    Parameters
    ----------
    data
        What ``python -m backend train`` takes to name its cells, for example ``["--demo"]``.
    max_epochs
        At least 2: the first epoch warms up.

    Raises
    ------
    TrainingFailed
        A run did not finish; the sentence is the run's own.
    """
    assert max_epochs >= 2
    title = " ".join(word.removeprefix("--") for word in data)
    rows: list[EngineRow] = []
    base: float | None = None
    n_train = None
    for batch_size in batch_sizes:
        for engine in engines:
            if n_train is not None and batch_size > n_train:
                continue
            run, peak = _train(data, workspace, engine, batch_size, max_epochs, accelerator)
            row = _row(title, run, peak, base)
            n_train = row.n_train
            if (row.engine, batch_size) == BASE:
                base = row.cells_per_second
                row = row.replace(speed_up=1.0)
            rows.append(row)
            on_row(row)
    return rows


def _row(title: str, run: dict[str, Any], peak: int, base: float | None) -> EngineRow:
    history, spec = run["history"], run["spec"]
    speeds, seconds = history["cells_per_second"], history["epoch_seconds"]
    speed = statistics.median(speeds[1:])
    return EngineRow(
        data=title,
        engine=run["engine"],
        batch_size=spec["batch_size"],
        lr=spec["lr"],
        n_train=round(speeds[0] * seconds[0]),
        n_vars=run["n_vars"],
        seconds_per_epoch=tuple(seconds),
        cells_per_second=speed,
        peak_memory=peak,
        validation_loss=tuple(history["validation_loss"]),
        speed_up=speed / base if base else None,
    )


def _train(
    data: Sequence[str], workspace: Path, engine: str, batch_size: int, max_epochs: int, accelerator: str
) -> tuple[dict[str, Any], int]:
    """What the command says of its run, and the peak of its memory in bytes."""
    command = [sys.executable, "-m", "backend", "train", *data, "--json", "--accelerator", accelerator]
    command += ["--workspace", str(workspace), "--engine", engine]
    command += ["--batch-size", str(batch_size), "--max-epochs", str(max_epochs)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)  # the only way to the peak memory of just this process
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        said, complaint = out.read(), errors.read()
    if process.returncode:
        raise TrainingFailed(
            complaint.strip().splitlines()[-1].removeprefix("error: ")
            if complaint.strip()
            else "A run ended early."
        )
    return json.loads(said), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
