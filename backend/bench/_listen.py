"""Listens to a real run of the fused engine: the seconds of every phase in a step, and its calls to make again."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..kernels import listening
from ..training import train
from ..types import DatasetRef, RunSpec

# The phases by the names that the fused engine gives them.
GATHER, ENCODER_FORWARD, ENCODER_BACKWARD = "row gather", "encoder, forward", "encoder, backward"
MATMUL_FORWARD, KERNEL, MATMUL_BACKWARD = "matmul, forward", "likelihood kernel", "matmul, backward"
OPTIMIZER, GRADIENTS, STEP = "optimizer", "gradients", "step"
ORDER = (GATHER, ENCODER_FORWARD, MATMUL_FORWARD, KERNEL, MATMUL_BACKWARD, ENCODER_BACKWARD, OPTIMIZER)
Calls = list[Callable[[], Any]]


@dataclass(frozen=True, slots=True)
class Heard:
    phases: dict[str, float]  # seconds in a step, median over the steps of the second epoch
    calls: dict[str, Calls]  # of the last step
    step_seconds: float  # from one step's end to the next one's
    n_parameters: int  # that the optimizer moves


class _Ear:
    """Sums up phases until the step that they belong to is over. Gathering goes on beside and is kept apart."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.ends: list[float] = []
        self.calls: dict[str, Calls] = {}
        self.gathered: list[float] = []
        self.optimizer: Any = None
        self._seconds: dict[str, float] = defaultdict(float)
        self._calls: dict[str, Calls] = defaultdict(list)

    def __call__(self, name: str, seconds: float, again: Callable[[], Any]) -> None:
        if name == GATHER:
            self.gathered.append(seconds)
            self.calls[GATHER] = [again]
            return
        self._seconds[name] += seconds
        if name not in (GRADIENTS, STEP):
            self._calls[name].append(again)
        if name == STEP:
            self.optimizer = again.args[2]  # type: ignore[attr-defined]  # optimizer_step(epoch, index, optimizer, ...)
            self._seconds[OPTIMIZER] = self._seconds.pop(STEP) - self._seconds.pop(GRADIENTS)
            self.steps.append(self._seconds)
            self.ends.append(time.perf_counter())
            self.calls = {**self._calls, GATHER: self.calls.get(GATHER, [])}
            self._seconds, self._calls = defaultdict(float), defaultdict(list)


def listen(dataset: DatasetRef, batch_size: int, run_dir: Path) -> Heard:
    """Train two epochs without validation; the second one counts."""
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
    phases = {name: statistics.median(step.get(name, 0.0) for step in steps) for name in ORDER[1:]}
    return Heard(
        phases={GATHER: statistics.median(ear.gathered[half:]), **phases},
        calls=ear.calls,
        step_seconds=statistics.median(b - a for a, b in pairwise(ends)),
        n_parameters=sum(p.numel() for group in ear.optimizer.param_groups for p in group["params"]),
    )
