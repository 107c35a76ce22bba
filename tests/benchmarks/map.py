"""The map of 50,000 cells: neighbours, UMAP and Leiden, each from a process of its own, as the application does it."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from backend.analysis import KINDS
from backend.jobs import Child
from backend.types import RunRecord, RunSpec, RunStatus
from tests.benchmarks._memory import PeakMemory
from tests.benchmarks._report import Row

CELLS, DIMENSIONS, GROUPS = 50_000, 10, 20
REPEATS = 3
STEPS = {
    "neighbours": ("neighbours", {}),
    "UMAP": ("umap", {}),
    "Leiden": ("leiden", {"resolution": 1.0}),
    "Leiden, another resolution": ("leiden", {"resolution": 0.5}),
}
NOTE = (
    f"{CELLS:,} simulated cells in {GROUPS} groups, {DIMENSIONS} latent dimensions. Each step is a process of its own, "
    "its imports included; UMAP and Leiden take the neighbours from disk. The first turn of a fresh installation "
    "compiles UMAP besides, some 10 s."
)


def simulated(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middle = 2.0 * rng.normal(size=(GROUPS, DIMENSIONS))
    group = rng.choice(GROUPS, CELLS, p=rng.dirichlet(np.full(GROUPS, 2.0)))
    spread = rng.uniform(0.4, 0.9, (GROUPS, DIMENSIONS))
    return (middle[group] + rng.normal(size=(CELLS, DIMENSIONS)) * spread[group]).astype(np.float32)


def measure() -> list[Row]:
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    memory: dict[str, list[float]] = {name: [] for name in STEPS}
    for seed in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
            run_dir = Path(folder) / "run"
            run_dir.mkdir()
            np.save(run_dir / "latent.npy", simulated(seed))
            for name, (kind, options) in STEPS.items():
                began = time.perf_counter()
                memory[name].append(perform(run_dir, kind, options) / 1e6)
                seconds[name].append(time.perf_counter() - began)
    whole = tuple(sum(parts) for parts in zip(*(seconds[name] for name in list(STEPS)[:3]), strict=True))
    return [
        Row("neighbours, UMAP and Leiden, time", "s", whole, note=NOTE),
        *(Row(f"{name}, time", "s", tuple(values)) for name, values in seconds.items()),
        *(Row(f"{name}, peak memory", "MB", tuple(values)) for name, values in memory.items()),
    ]


def perform(run_dir: Path, kind: str, options: dict[str, object]) -> int:
    """Do one step in the child process of the application; its peak memory in bytes."""
    record = RunRecord("run", RunSpec("d"), RunStatus.FINISHED, "benchmark", 0.0, n_obs=CELLS)
    run = {"record": record.to_dict(), "dataset": None, "run_dir": str(run_dir), "threads": None}
    request = {"run": run, "steps": [(kind, KINDS[kind].wanted(options).options)]}
    with Child("backend.analysis._work", request, run_dir / "log.txt") as child:
        with PeakMemory(child.pid) as peak:
            told = [*child.messages(threading.Event())]
            child.exit_code()
        if not any("result" in message for message in told):
            raise RuntimeError(f"{kind}: {child.last_words()}")
    return peak.peak
