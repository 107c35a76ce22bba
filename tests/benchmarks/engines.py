"""The engines side by side on simulated cells: speed, memory and validation loss, each in a fresh process.

Both train the same cells with the same split, seed and epochs on the CPU, so the losses must agree where the minibatch
size does. The first epoch of each is left out of its speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks._report import Row

ROOT = Path(__file__).resolve().parents[2]
CELLS = "6000x20000"
EPOCHS = 4
CONTESTANTS = [("stock", 128), ("fused", 128), ("stock", 512), ("fused", 512), ("fused", 1024)]


def train(workspace: str, engine: str, batch_size: int) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "backend",
        "train",
        "--workspace",
        workspace,
        "--simulate",
        CELLS,
        "--json",
    ]
    options = {
        "--engine": engine,
        "--batch-size": str(batch_size),
        "--max-epochs": str(EPOCHS),
        "--lr": "0.001",
        "--accelerator": "cpu",
    }
    done = subprocess.run(
        [*command, *(word for option in options.items() for word in option)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def measure() -> list[Row]:
    rows = []
    speeds: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as workspace:
        for engine, batch_size in CONTESTANTS:
            run = train(workspace, engine, batch_size)
            history, title = run["history"], f"{engine}, minibatch size {batch_size}"
            later = sorted(history["cells_per_second"][1:])
            speeds[engine, batch_size] = later[len(later) // 2]
            rows += [
                Row(f"{title}, later epochs", "cells/s", tuple(history["cells_per_second"][1:])),
                Row(f"{title}, memory of the process", "MB", (max(history["memory_bytes"]) / 1e6,)),
                Row(f"{title}, validation loss, last epoch", "nats", (history["validation_loss"][-1],)),
            ]
    base = speeds["stock", 128]
    rows += [
        Row(f"{engine} at {batch_size}, against stock at 128", "times", (speed / base,))
        for (engine, batch_size), speed in speeds.items()
    ]
    return rows
