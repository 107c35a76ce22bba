"""The map of 50,000 cells: neighbours, UMAP and Leiden, each from a process of its own, as the application does it.

Beside it, of the first cells, umap-learn's own optimisation of the same graph, in this process.
"""

from __future__ import annotations

import resource
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from scipy import sparse

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
    "compiles UMAP besides, 1 to 2 s. Neighbours kept: of the 15 nearest in the latent space, the share that is among "
    "the 15 nearest on the map. Distances: rank correlation of those on the map with those in the latent space."
)
LOOKED_AT = 3000


def simulated(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middle = 2.0 * rng.normal(size=(GROUPS, DIMENSIONS))
    group = rng.choice(GROUPS, CELLS, p=rng.dirichlet(np.full(GROUPS, 2.0)))
    spread = rng.uniform(0.4, 0.9, (GROUPS, DIMENSIONS))
    return (middle[group] + rng.normal(size=(CELLS, DIMENSIONS)) * spread[group]).astype(np.float32)


def measure() -> list[Row]:
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    processor: dict[str, list[float]] = {name: [] for name in STEPS}
    memory: dict[str, list[float]] = {name: [] for name in STEPS}
    for seed in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
            run_dir = Path(folder) / "run"
            run_dir.mkdir()
            cells = simulated(seed)
            np.save(run_dir / "latent.npy", cells)
            for name, (kind, options) in STEPS.items():
                began, began_cpu = time.perf_counter(), of_children()
                memory[name].append(perform(run_dir, kind, options) / 1e6)
                seconds[name].append(time.perf_counter() - began)
                processor[name].append(of_children() - began_cpu)
            if seed == 0:
                compared = beside_umap_learn(run_dir, cells)
    whole = tuple(sum(parts) for parts in zip(*(seconds[name] for name in list(STEPS)[:3]), strict=True))
    return [
        Row("neighbours, UMAP and Leiden, time", "s", whole, goal=15.0, note=NOTE),
        *(Row(f"{name}, time", "s", tuple(values)) for name, values in seconds.items()),
        *(Row(f"{name}, processor time", "CPU s", tuple(values)) for name, values in processor.items()),
        *(Row(f"{name}, peak memory", "MB", tuple(values)) for name, values in memory.items()),
        *compared,
    ]


def of_children() -> float:
    """Processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def beside_umap_learn(run_dir: Path, cells: np.ndarray) -> list[Row]:
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    (neighbours,), (umap,) = ((run_dir / "analysis").glob(f"{kind}-*") for kind in ("neighbours", "umap"))
    parts = (np.load(neighbours / f"graph_{name}.npy") for name in ("data", "indices", "indptr"))
    weights, ours = sparse.csr_matrix(tuple(parts)), np.load(umap / "xy.npy")
    a, b = find_ab_params(1.0, 0.5)

    def theirs() -> np.ndarray:
        return simplicial_set_embedding(
            cells, weights.tocoo(), 2, 1.0, a, b, 1.0, 5, 200, "pca", np.random.RandomState(0),
            "euclidean", {}, False, {}, False,
        )[0]  # fmt: skip

    theirs()  # compiles
    began, began_cpu = time.perf_counter(), time.process_time()
    placed = theirs()
    took = time.perf_counter() - began, time.process_time() - began_cpu
    rows = [
        Row("umap-learn's optimisation", "s", took[:1]),
        Row("umap-learn's optimisation", "CPU s", took[1:]),
    ]
    for who, xy in (("on this map", ours), ("on umap-learn's", placed)):
        kept, distances = quality(cells, xy)
        rows.append(Row(f"neighbours kept {who}", "", (kept,)))
        rows.append(Row(f"distances {who}", "", (distances,)))
    return rows


def quality(cells: np.ndarray, xy: np.ndarray) -> tuple[float, float]:
    from scipy.spatial import cKDTree
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    some = rng.choice(len(cells), LOOKED_AT, replace=False)
    near = [cKDTree(points).query(points[some], 16, workers=-1)[1][:, 1:] for points in (cells, xy)]
    kept = np.mean([len({*one} & {*other}) / 15 for one, other in zip(*near, strict=True)])
    one, other = rng.integers(0, len(cells), (2, 20_000))
    apart = [np.linalg.norm(points[one] - points[other], axis=1) for points in (cells, xy)]
    return float(kept), float(spearmanr(*apart).statistic)


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
