"""Where a step of the fused engine spends its time on this CPU, and how near each phase is to what the machine can do.

    roofline = measure_roofline(batch_size=1024); print(roofline.as_text())

A real run on simulated cells is listened to; then each phase is repeated alone, with nothing else running. The
machine's own bounds are a large matrix product and a large copy, with the same number of threads.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..datasets import DatasetLibrary
from ..settings import Settings
from ..training import let_idle_threads_sleep, train, tune_allocator
from ..types import DatasetRef, PrepareSpec, RunSpec
from ..words import counted, percent

# torch hands over its optimizer through a callback that knows no types: ``Any``.

# The phases by the names that the fused engine gives them.
GATHER, ENCODER_FORWARD, ENCODER_BACKWARD = "row gather", "encoder, forward", "encoder, backward"
MATMUL_FORWARD, KERNEL, MATMUL_BACKWARD = "matmul, forward", "likelihood kernel", "matmul, backward"
OPTIMIZER, STEP = "optimizer", "step"
ORDER = (GATHER, ENCODER_FORWARD, MATMUL_FORWARD, KERNEL, MATMUL_BACKWARD, ENCODER_BACKWARD, OPTIMIZER)
SHARED = (MATMUL_FORWARD, KERNEL, MATMUL_BACKWARD, ENCODER_BACKWARD, OPTIMIZER)  # side by side on all threads
Calls = list[Callable[[], Any]]

STEPS = 24  # in an epoch; the second epoch is listened to
REPEATS = 5  # of a phase alone; the best counts
N_HIDDEN, HEADS = 128, 2  # of a default SCVI: hidden units; scale and dropout
ADAM_BYTES = 28  # read parameter, gradient and two moments, write three of them, 4 bytes each


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase of a step. ``amount`` is in ``unit``, GFLOP or GB, and ``rate`` in it a second; None: not counted."""

    phase: str
    milliseconds: float  # in a step, median; of what all threads share, the mean over these
    share: float  # of the step
    alone_milliseconds: float | None  # the same call with nothing else running, best of ``REPEATS``
    amount: float | None = None
    unit: str = ""
    overlapped: bool = False  # on a thread of its own, beside the step

    @property
    def rate(self) -> float | None:
        return self.amount / (self.milliseconds / 1e3) if self.amount else None

    @property
    def reached(self) -> float | None:
        """How near the phase in the step is to the same phase alone."""
        return self.alone_milliseconds / self.milliseconds if self.alone_milliseconds else None


@dataclass(frozen=True, slots=True)
class Roofline:
    batch_size: int
    n_vars: int
    density: float
    step_milliseconds: float
    matmul_bound: float  # GFLOP/s of a large float32 product
    copy_bound: float  # GB/s read and written by a large copy
    phases: tuple[PhaseRow, ...]

    def bound(self, row: PhaseRow) -> float | None:
        """The share of the machine's bound that the phase reaches."""
        if row.rate is None:
            return None
        return row.rate / (self.matmul_bound if row.unit == "GFLOP" else self.copy_bound)

    def as_text(self) -> str:
        lines = [
            f"One step of {self.batch_size} cells x {counted(self.n_vars, 'gene')} ({percent(self.density)} non-zero): "
            f"{self.step_milliseconds:.1f} ms, {self.batch_size / self.step_milliseconds * 1e3:,.0f} cells/s",
            f"The machine: {self.matmul_bound:,.0f} GFLOP/s in matrix products, {self.copy_bound:.1f} GB/s copied",
            f"{'phase':<26}{'ms':>8}{'share':>8}{'amount':>14}{'rate':>16}{'of bound':>10}{'of alone':>10}",
        ]
        for row in self.phases:
            bound, reached = self.bound(row), row.reached
            lines.append(
                f"{row.phase:<26}{row.milliseconds:>8.1f}"
                + (f"{'beside':>8}" if row.overlapped else f"{row.share:>8.0%}")
                + (f"{row.amount:>9.2f} {row.unit:<4}" if row.amount else " " * 14).rjust(14)
                + (f"{row.rate:>8.1f} {row.unit}/s" if row.rate else "").rjust(16)
                + (f"{bound:>10.0%}" if bound else " " * 10)
                + (f"{reached:>10.0%}" if reached else "")
            )
        return "\n".join(line.rstrip() for line in lines)


def measure_roofline(batch_size: int = 1024, n_vars: int = 20_000, density: float = 0.08) -> Roofline:
    """Train two short epochs on simulated cells and take the steps of the second apart."""
    let_idle_threads_sleep()  # before torch is imported, as in any run
    tune_allocator()
    with tempfile.TemporaryDirectory(prefix="scvi-studio-roofline-") as folder:
        dataset = _cells(Path(folder), batch_size * STEPS, n_vars, density)
        heard = listen(dataset, batch_size, Path(folder) / "run")
        alone = {
            name: 1e3 * _best(calls, alone=True) / heard.share_of(name) for name, calls in heard.calls.items()
        }
    amounts = _amounts(batch_size, n_vars, dataset.density * n_vars, heard.n_parameters)
    step = 1e3 * heard.step_seconds
    rows = []
    for name, seconds in heard.phases.items():
        amount, unit = amounts[name]
        milliseconds = 1e3 * seconds
        beside = name == GATHER
        rows.append(PhaseRow(name, milliseconds, milliseconds / step, alone.get(name), amount, unit, beside))
    rest = step - sum(row.milliseconds for row in rows if not row.overlapped)
    rows.append(PhaseRow("everything else", rest, rest / step, None))
    return Roofline(batch_size, n_vars, dataset.density, step, _matmul_bound(), _copy_bound(), tuple(rows))


def _cells(folder: Path, n_obs: int, n_vars: int, density: float) -> DatasetRef:
    library = DatasetLibrary(Settings(workspace=folder))
    library.start()
    try:
        source_id = library.wait(library.simulate(n_obs, n_vars, density).job_id).result_id
        return library.dataset(library.wait(library.prepare(source_id, PrepareSpec()).job_id).result_id)
    finally:
        library.close()


def _amounts(
    batch_size: int, n_vars: int, nnz_per_cell: float, n_parameters: int
) -> dict[str, tuple[float, str]]:
    """What a phase has to do at the least: arithmetic in GFLOP where that bounds it, else bytes in GB."""
    product = 2 * batch_size * HEADS * n_vars * N_HIDDEN / 1e9
    sparse = 2 * batch_size * nnz_per_cell * N_HIDDEN / 1e9
    logits = 4 * batch_size * HEADS * n_vars / 1e9
    nnz = batch_size * nnz_per_cell
    return {
        GATHER: (2 * nnz * 16 / 1e9, "GB"),  # indices and counts read and written, by cell and by gene
        ENCODER_FORWARD: (sparse, "GFLOP"),
        ENCODER_BACKWARD: (sparse, "GFLOP"),
        MATMUL_FORWARD: (product, "GFLOP"),
        KERNEL: (2 * logits, "GB"),  # read and overwritten
        MATMUL_BACKWARD: (2 * product, "GFLOP"),
        OPTIMIZER: (ADAM_BYTES * n_parameters / 1e9, "GB"),
    }


def _best(calls: Iterable[Callable[[], object]], *, alone: bool = False) -> float:
    """Seconds of calls, made again with nothing beside them; ``alone``: on one thread, as in a step."""
    import torch

    from ..kernels import one_thread

    calls = list(calls)
    times = []
    with torch.no_grad(), one_thread() if alone else nullcontext():
        for _ in range(REPEATS):
            start = time.perf_counter()
            for again in calls:
                again()
            times.append(time.perf_counter() - start)
    return min(times)


def _matmul_bound() -> float:
    import torch

    from ..network import products

    a, b = torch.rand(4096, 4096), torch.rand(4096, 4096)
    out = torch.empty(4096, 4096)
    with products():  # of the library that the engine uses
        return 2 * 4096**3 / _best([lambda: torch.mm(a, b, out=out)]) / 1e9


def _copy_bound() -> float:
    import torch

    a = torch.rand(64 * 1024 * 1024)  # 256 MB: more than most caches
    b = torch.empty_like(a)
    return 2 * 4 * a.numel() / _best([lambda: b.copy_(a)]) / 1e9


# --- listening to a run


@dataclass(frozen=True, slots=True)
class Heard:
    phases: dict[str, float]  # seconds in a step, median over the steps of the second epoch
    calls: dict[str, Calls]  # of the last step
    step_seconds: float  # from one step's end to the next one's
    n_parameters: int  # that the optimizer moves
    threads: int
    minibatches_gathered: float  # at once

    def share_of(self, name: str) -> float:
        """By what the seconds of a phase's calls are divided to be those of the step."""
        if name == GATHER:
            return self.minibatches_gathered
        return self.threads if name in SHARED else 1


class _Ear:
    """Sums up phases until the step that they belong to is over. Gathering goes on beside and is kept apart."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.ends: list[float] = []
        self.calls: dict[str, Calls] = {}
        self.gathered: list[float] = []
        self.n_parameters = 0
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._calls: dict[str, Calls] = defaultdict(list)

    def __call__(self, name: str, seconds: float, again: Callable[[], Any]) -> None:
        if name == GATHER:
            self.gathered.append(seconds)
            self.calls[GATHER] = [again]
        elif name == STEP:
            self.steps.append(self._seconds)
            self.ends.append(time.perf_counter())
            self.calls = {**self._calls, GATHER: self.calls.get(GATHER, [])}
            self._seconds, self._calls = defaultdict(float), defaultdict(list)
        else:
            with self._lock:
                self._seconds[name] += seconds
                self._calls[name].append(again)
            if name == OPTIMIZER:
                self.n_parameters = again.func.__self__.n_parameters  # type: ignore[attr-defined]  # ``Adam.move``


def listen(dataset: DatasetRef, batch_size: int, run_dir: Path) -> Heard:
    """Train two epochs without validation; the second one counts."""
    import torch

    from ..kernels import listening

    ear = _Ear()
    spec = RunSpec(
        dataset.dataset_id,
        engine="fused",
        accelerator="cpu",
        batch_size=batch_size,
        max_epochs=2,
        train_size=1.0,
    )
    with listening(ear):
        train(
            spec,
            dataset,
            run_dir,
            on_metric=lambda point: None,
            on_phase=lambda name: None,
            on_start=lambda info: None,
            should_stop=lambda: False,
        )
    half = len(ear.steps) // 2
    steps, ends = ear.steps[half + 1 :], ear.ends[half:]
    threads = torch.get_num_threads()
    phases = {
        name: statistics.median(step.get(name, 0.0) for step in steps) / (threads if name in SHARED else 1)
        for name in ORDER[1:]
    }
    return Heard(
        phases={GATHER: statistics.median(ear.gathered) * len(ear.gathered) / len(ear.steps), **phases},
        calls=ear.calls,
        step_seconds=statistics.median(b - a for a, b in pairwise(ends)),
        n_parameters=ear.n_parameters,
        threads=threads,
        minibatches_gathered=len(ear.steps) / len(ear.gathered),
    )
