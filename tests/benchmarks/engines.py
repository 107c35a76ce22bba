"""The engines side by side: speed, memory and validation loss, each in a fresh process.

20,000 simulated cells with 2,000, 4,000 and 20,000 genes, and the built-in data. Both engines train the same cells with
the same split, seed and epochs on the CPU, so the losses must agree. The first epoch of each is left out of its speed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from backend.bench import EngineRow, measure_engines
from tests.benchmarks._report import Row

# Genes: how many times as fast as stock at 128 the fused engine is to be, at 128 and at 1,024.
SPEED = {2_000: (7.0, 9.0), 4_000: (6.5, 9.0), 20_000: (4.5, 8.0)}


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as workspace:
        measured = {
            f"20000x{genes}": measure_engines(["--simulate", f"20000x{genes}"], Path(workspace), max_epochs=4)
            for genes in SPEED
        }
        measured["built-in data"] = measure_engines(
            ["--demo"], Path(workspace), batch_sizes=(128,), max_epochs=12
        )
    rows = [row for one in measured.values() for each in one for row in _rows(each)]
    return rows + [row for title, one in measured.items() for row in _bars(title, one)]


def _rows(row: EngineRow) -> list[Row]:
    title = f"{row.data}, {row.engine} at {row.batch_size}"
    return [
        Row(f"{title}, speed", "cells/s", (row.cells_per_second,)),
        Row(f"{title}, later epochs", "s", row.seconds_per_epoch[1:]),
        Row(f"{title}, peak memory", "MB", (row.peak_memory / 1e6,)),
        Row(f"{title}, validation loss, last epoch", "nats", (row.validation_loss[-1],)),
        Row(f"{title}, against stock at 128", "times", (row.speed_up or 0.0,)),
    ]


def _bars(title: str, rows: list[EngineRow]) -> list[Row]:
    found = {(row.engine, row.batch_size): row for row in rows}
    bars = [
        Row(
            f"{title}, fused at {size} against stock at 128",
            "times",
            (found["fused", size].speed_up or 0.0,),
            goal=goal,
            at_least=True,
        )
        for size, goal in zip((128, 1024), SPEED.get(rows[0].n_vars, ()), strict=False)
    ]
    for size in sorted({row.batch_size for row in rows}):
        fused, stock = found["fused", size], found["stock", size]
        memory = fused.peak_memory / stock.peak_memory
        loss = abs(fused.validation_loss[-1] / stock.validation_loss[-1] - 1)
        bars += [
            Row(f"{title} at {size}, peak memory of fused over stock's", "times", (memory,), goal=1.0),
            Row(f"{title} at {size}, validation loss, fused from stock", "relative", (loss,), goal=1e-4),
        ]
    return bars
