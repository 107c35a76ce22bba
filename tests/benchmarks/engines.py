"""The engines side by side: speed, memory and validation loss at every minibatch size, each in a fresh process.

Simulated 20,000 x 20,000 and the built-in data. All train the same cells with the same split, seed and epochs on the
CPU, so the losses must agree where the minibatch size does. The first epoch of each is left out of its speed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backend.bench import EngineRow, measure_engines
from tests.benchmarks._report import Row

SIMULATED = ["--simulate", "20000x20000"]
AT_BEST, AT_128 = 8.0, 4.5  # times stock at 128


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as workspace:
        simulated = measure_engines(SIMULATED, Path(workspace))
        demo = measure_engines(["--demo"], Path(workspace), batch_sizes=(128, 256, 512), max_epochs=12)
    return [row for one in [*simulated, *demo] for row in _rows(one)] + _bars(simulated)


def _rows(row: EngineRow) -> list[Row]:
    title = f"{row.data}, {row.engine} at {row.batch_size}"
    return [
        Row(f"{title}, speed", "cells/s", (row.cells_per_second,)),
        Row(f"{title}, later epochs", "s", row.seconds_per_epoch[1:]),
        Row(f"{title}, peak memory", "MB", (row.peak_memory / 1e6,)),
        Row(f"{title}, validation loss, last epoch", "nats", (row.validation_loss[-1],)),
        Row(f"{title}, against stock at 128", "times", (row.speed_up or 0.0,)),
    ]


def _bars(rows: list[EngineRow]) -> list[Row]:
    found = {(row.engine, row.batch_size): row for row in rows}
    fused = [row for row in rows if row.engine == "fused"]
    best = max(fused, key=lambda row: row.cells_per_second)
    memory = max(row.peak_memory / found["stock", row.batch_size].peak_memory for row in fused)
    loss = max(
        abs(row.validation_loss[-1] / found["stock", row.batch_size].validation_loss[-1] - 1) for row in fused
    )
    return [
        Row(
            f"fused at its best, {best.batch_size}, against stock at 128",
            "times",
            (best.speed_up or 0.0,),
            goal=AT_BEST,
            at_least=True,
        ),
        Row(
            "fused at 128, against stock at 128",
            "times",
            (found["fused", 128].speed_up or 0.0,),
            goal=AT_128,
            at_least=True,
        ),
        Row("peak memory of fused over stock's, at the worst size", "times", (memory,), goal=1.0),
        Row("validation loss, fused from stock, at the worst size", "relative", (loss,), goal=1e-3),
    ]
