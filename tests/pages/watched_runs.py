"""Runs that learn when a test says so: the service's side of a live run, from memory.

runs = WatchedRuns(); run = runs.begin("demo", max_epochs=25); runs.learn(run.run_id, 3)
"""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

from backend.errors import Conflict
from backend.types import MetricBatch, MetricPoint, RunRecord, RunSpec, RunStatus
from tests.pages.scene import FakeRuns


def lesson(epoch: int, *, steps: int = 6, seconds: float = 0.5, seed: int = 0) -> list[MetricPoint]:
    """The points one epoch leaves, as scvi-tools names them; a curve that falls and levels off."""
    chance = random.Random(1000 * seed + epoch)
    began = (epoch - 1) * seconds + (1.5 if epoch > 1 else 0.0)
    took = seconds + (1.5 if epoch == 1 else 0.03 * chance.random())
    level = 320 + 5 * seed + 210 * math.exp(-epoch / 6)
    points = [
        MetricPoint(
            "train_loss_step",
            epoch,
            level * (1 + 0.05 * chance.gauss(0, 1)),
            began + took * (i + 1) / steps,
            (epoch - 1) * steps + i + 1,
        )
        for i in range(steps)
    ]
    end = began + took
    kl = 22 * (1 - math.exp(-epoch / 4))
    validation = level * 1.02 + chance.random()
    weight = min(1.0, epoch / 40)  # of the KL part, in the losses that are minimised
    values = {
        "train_loss": level - (1 - weight) * kl,
        "validation_loss": validation - (1 - weight) * kl,
        "elbo_train": level,
        "elbo_validation": validation,
        "reconstruction_loss_train": level - 0.05 * kl,
        "reconstruction_loss_validation": level * 1.02 - 0.05 * kl,
        "kl_local_train": kl,
        "kl_local_validation": kl * 1.03,
        "epoch_seconds": took,
        "cells_per_second": 630 / took,
        "memory_bytes": 6.1e8 + 1e6 * epoch,
    }
    return points + [MetricPoint(name, epoch, value, end) for name, value in values.items()]


class WatchedRuns(FakeRuns):
    def __init__(self, log_dir: Path | None = None) -> None:
        super().__init__()
        self.points: dict[str, list[MetricPoint]] = {}
        self.asked: list[tuple[str, ...]] = []
        self.reads: list[int] = []
        self.log_dir = log_dir or Path("/nowhere")

    # --- for tests ---

    def begin(self, name: str = "First look", **spec: Any) -> RunRecord:
        wanted = RunSpec("demo-ready", "Blood cells (PBMC)", **{"max_epochs": 25, **spec})
        run = self.add(RunStatus.RUNNING, spec=wanted, name=name, started_at=time.time())
        self.change(
            run.run_id,
            device="cpu",
            device_name="Two-thread test processor",
            phase="training",
            n_obs=700,
            n_vars=765,
            environment={"scvi-tools": "1.4.2", "torch": "2.13.0"},
        )
        return self.get(run.run_id)

    def learn(self, run_id: str, epochs: int = 1, **how: Any) -> None:
        run = self.get(run_id)
        for epoch in range(run.epoch + 1, run.epoch + epochs + 1):
            points = lesson(epoch, **how)
            self.points.setdefault(run_id, []).extend(points)
            validation = [p for p in self.points[run_id] if p.name == "elbo_validation"]
            best = min(validation, key=lambda p: p.value)
            self.change(
                run_id,
                epoch=epoch,
                elapsed=points[-1].seconds,
                best_validation=best.value,
                best_epoch=best.epoch,
                last_validation=validation[-1].value,
                judged_by="elbo_validation",
                seconds_per_epoch=0.5,
                cells_per_second=1260.0,
            )

    def end(self, run_id: str, status: RunStatus = RunStatus.FINISHED, **fields: Any) -> None:
        self.change(run_id, status=status, ended_at=time.time(), requested="", phase="", **fields)

    # --- as RunService ---

    def metrics_since(self, run_id: str, cursor: int) -> MetricBatch:
        points = self.points.get(run_id, [])
        self.reads.append(len(points) - cursor)
        return MetricBatch(tuple(points[cursor:]), len(points))

    def stop(self, run_id: str) -> None:
        self.asked.append(("stop", run_id))
        self.change(run_id, requested="stop")

    def cancel(self, run_id: str) -> None:
        self.asked.append(("cancel", run_id))
        self.end(run_id, RunStatus.CANCELED)

    def resume(self, run_id: str) -> None:
        self.asked.append(("resume", run_id))
        if self.active():
            raise Conflict("Another run is in the way.")
        self.change(run_id, status=RunStatus.RUNNING, started_at=time.time(), ended_at=None)

    def extend(self, run_id: str, n_epochs: int) -> None:
        self.asked.append(("extend", run_id, str(n_epochs)))
        spec = self.get(run_id).spec
        self.change(
            run_id,
            status=RunStatus.RUNNING,
            started_at=time.time(),
            ended_at=None,
            spec=spec.replace(max_epochs=spec.max_epochs + n_epochs),
        )

    def move(self, run_id: str, where: str) -> None:
        self.asked.append(("move", run_id, where))
        waiting = [run.run_id for run in self.queue()]
        at = waiting.index(run_id)
        to = {"up": max(0, at - 1), "down": at + 1, "top": 0}[where]
        waiting.insert(to, waiting.pop(at))
        others = {k: v for k, v in self.records.items() if k not in waiting}
        self.records = others | {name: self.records[name] for name in waiting}

    def rename(self, run_id: str, name: str) -> None:
        self.change(run_id, name=name)

    def annotate(self, run_id: str, note: str) -> None:
        self.change(run_id, note=note)

    def tag(self, run_id: str, tags: tuple[str, ...]) -> None:
        self.change(run_id, tags=tags)

    def delete(self, run_id: str) -> None:
        self.asked.append(("delete", run_id))
        del self.records[run_id]

    def log_path(self, run_id: str) -> Path:
        return self.log_dir / run_id / "log.txt"

    def log(self, run_id: str) -> str:
        path = self.log_path(run_id)
        return path.read_text() if path.exists() else ""
