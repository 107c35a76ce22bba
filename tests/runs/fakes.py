"""A training that takes no time, data that are not there, a machine that is always the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.errors import DeviceUnavailable, NotFound
from backend.training import checkpoint_epoch
from backend.types import (
    Accelerator,
    DatasetRef,
    MetricPoint,
    Notice,
    PrepareSpec,
    Problem,
    RunSpec,
    StartInfo,
    TrainingResult,
    notice,
)

DATASET = DatasetRef(
    "d1", "s1", "PBMC 700 cells", "/nowhere/d1.h5ad", 700, 765, 50_000, PrepareSpec(), ("channel", "phase")
)


class FakeTrain:
    """Emits two losses an epoch, leaves checkpoint and model, obeys ``should_stop``.

    ``at[epoch]`` is called in the training before that epoch; ``outcome`` makes it end in another way.
    """

    def __init__(self) -> None:
        self.at: dict[int, Callable[[], Any]] = {}
        self.specs: list[RunSpec] = []
        self.firsts: list[int] = []
        self.order: list[Path] = []
        self.diverge_at: int | None = None
        self.standing: dict[int, tuple[Notice, ...]] = {}  # told after that epoch
        self.at_saving: Callable[[], Any] = lambda: None

    def __call__(
        self,
        spec: RunSpec,
        dataset: DatasetRef,
        run_dir: Path,
        *,
        on_metric: Callable[[MetricPoint], None],
        on_phase: Callable[[str], None],
        on_start: Callable[[StartInfo], None],
        should_stop: Callable[[], bool],
        resume: bool = False,
        checkpoint_seconds: float = 30,
        before_checkpoint: Callable[[], object] = lambda: None,
        on_standing: Callable[[tuple[Notice, ...]], object] = lambda notices: None,
    ) -> TrainingResult:
        done = checkpoint_epoch(run_dir) if resume else 0
        self.specs.append(spec)
        self.firsts.append(done + 1)
        self.order.append(run_dir)
        on_phase("loading data")
        on_start(
            StartInfo(
                "cpu",
                "Fake CPU",
                spec.engine,
                "made up",
                1.5,
                (notice("text", text="told at the start"),),
                {"torch": "0"},
                700,
                765,
                done + 1,
            )
        )
        on_phase("training")
        outcome = "finished"
        while done < spec.max_epochs and outcome == "finished":
            epoch = done + 1
            self.at.pop(epoch, lambda: None)()
            if self.diverge_at == epoch:
                outcome = "diverged"
            elif should_stop():
                outcome = "stopped"
            else:
                self._emit(epoch, on_metric, warm_up=epoch == self.firsts[-1])
                before_checkpoint()
                _write_checkpoint(run_dir, epoch)
                done = epoch
                if epoch in self.standing:
                    on_standing(self.standing[epoch])
        if done or outcome == "stopped":
            on_phase("saving")
            self.at_saving()
            (run_dir / "model").mkdir(exist_ok=True)
            (run_dir / "model" / "model.pt").write_text(f"{outcome} after {done}")
        problem = Problem("diverged", "error", "not a number") if outcome == "diverged" else None
        return TrainingResult(outcome, done, float(done), problem, (notice("text", text="told at the end"),))

    @staticmethod
    def _emit(epoch: int, on_metric: Callable[[MetricPoint], None], *, warm_up: bool) -> None:
        seconds = float(epoch)
        on_metric(MetricPoint("train_loss_step", epoch, 5.0, seconds, step=epoch))
        for name, value in {
            "train_loss": 100.0 / epoch,
            "validation_loss": 100.0 / epoch if epoch != 4 else 1000.0,
            "warm_up": float(warm_up),
            "epoch_seconds": 9.0 if epoch == 1 else 1.0 + epoch / 100,
            "cells_per_second": 70.0 if epoch == 1 else 630.0,
            "memory_bytes": 1000.0 * epoch,
        }.items():
            on_metric(MetricPoint(name, epoch, value, seconds))


def _write_checkpoint(run_dir: Path, epoch: int) -> None:
    shutil.rmtree(run_dir / "checkpoint", ignore_errors=True)
    (run_dir / "checkpoint").mkdir()
    (run_dir / "checkpoint" / f"epoch-{epoch:06d}.ckpt").write_text(str(epoch))


class FakeDatasets:
    def __init__(self) -> None:
        self.there = {DATASET.dataset_id: DATASET}

    def dataset(self, dataset_id: str) -> DatasetRef:
        if dataset_id not in self.there:
            raise NotFound("There is no such data set.")
        return self.there[dataset_id]


class FakeDevices:
    def resolve(self, name: str) -> Accelerator:
        if name in ("auto", "cpu"):
            return Accelerator("cpu", "CPU", True, "Fake CPU")
        raise DeviceUnavailable(f"{name} cannot be used here. Buy one.")

    def memory(self) -> tuple[int, int, int]:
        return 1, 2**40, 2**41
