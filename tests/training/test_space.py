"""A disk that is too small: said before training, never the end of it, and waited for with the model in memory."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scvi
import torch

from backend.errors import NoSpace
from backend.training import checkpoint_epoch, train
from backend.types import DatasetRef, Notice, RunSpec, TrainingResult
from backend.words import sentence
from tests.training.conftest import Told


class Disk:
    """Refuses to take a checkpoint, or a model, while it is ``full``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.refused: list[str] = []
        self.free_after = 10**9
        self._save_checkpoint, self._save_model = torch.save, scvi.model.SCVI.save
        monkeypatch.setattr(torch, "save", self.save_checkpoint)
        monkeypatch.setattr(
            scvi.model.SCVI, "save", lambda model, *args, **more: self.save_model(model, *args, **more)
        )

    def _take(self, what: str) -> None:
        if self.full:
            self.refused.append(what)
            self.full = len(self.refused) < self.free_after
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save_checkpoint(self, what: Any, place: Any, *args: Any, **more: Any) -> None:
        if "checkpoint" in str(place):
            self._take("checkpoint")
        self._save_checkpoint(what, place, *args, **more)

    def save_model(self, model: Any, *args: Any, **more: Any) -> None:
        self._take("model")
        self._save_model(model, *args, **more)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr("backend.training._space._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("backend.training._space._TRY_SECONDS", 0.05)
    return Disk(monkeypatch)


class Run:
    def __init__(self, told: Told, spec: RunSpec, ref: DatasetRef, folder: Path) -> None:
        self.told, self.spec, self.ref, self.folder = told, spec, ref, folder
        self.standing: list[tuple[Notice, ...]] = []
        self.at_epoch: dict[int, Callable[[], None]] = {}
        self.should_stop: Callable[[], bool] = lambda: False

    def train(self, *, resume: bool = False, seconds: float = 0) -> TrainingResult:
        def hear(point: Any) -> None:
            self.told.points.append(point)
            if point.name == "memory_bytes":
                self.at_epoch.pop(point.epoch, lambda: None)()

        return train(
            self.spec,
            self.ref,
            self.folder,
            on_metric=hear,
            on_phase=self.told.phases.append,
            on_start=self.told.starts.append,
            should_stop=lambda: self.should_stop(),
            resume=resume,
            checkpoint_seconds=seconds,
            on_standing=self.standing.append,
        )

    @property
    def codes(self) -> list[list[str]]:
        return [[one.code for one in notices] for notices in self.standing]


@pytest.fixture
def run(told: Told, spec: RunSpec, ref: DatasetRef, tmp_path: Path) -> Run:
    return Run(told, spec, ref, tmp_path / "run")


def test_what_does_not_fit_is_said_before_training_with_the_bytes_that_are_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(5000))
    with pytest.raises(NoSpace, match=r"checkpoint and model.*Free at least .*MB") as refused:
        run.train()
    assert refused.value.missing
    assert run.told.points == []
    assert "training" not in run.told.phases


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_space_is_held_while_training_and_given_back(run: Run) -> None:
    held: list[int] = []

    def look() -> None:
        held.append(sum(path.stat().st_size for path in run.folder.glob(".tmp-*.reserve")))

    run.at_epoch = {1: look, 3: look}
    run.train()
    sizes = sum(path.stat().st_size for path in run.folder.rglob("*") if path.is_file())
    assert held[0] > sizes  # enough for all that was left in the end
    assert 0 < held[1] < held[0]  # a checkpoint is on disk by then
    assert not [*run.folder.glob(".tmp-*")]


def test_a_checkpoint_that_does_not_fit_leaves_training_alive_and_says_since_when(
    run: Run, disk: Disk
) -> None:
    run.spec = run.spec.replace(max_epochs=5)
    run.at_epoch = {2: lambda: setattr(disk, "full", True)}
    disk.free_after = 1
    result = run.train()
    assert (result.outcome, result.epochs) == ("finished", 5)
    assert disk.refused == ["checkpoint"]
    assert run.codes == [["not_saved"], []]
    said = sentence(run.standing[0][0])
    assert "Not saved since epoch 1" in said
    assert "because the disk" in said
    assert run.standing[0][0].severity == "warning"
    assert checkpoint_epoch(run.folder) == 5
    assert (run.folder / "model" / "model.pt").exists()


@pytest.mark.parametrize("what", ["checkpoint", "model"])
def test_the_end_waits_for_space_with_the_model_in_memory(run: Run, disk: Disk, what: str) -> None:
    last = run.spec.max_epochs
    if what == "checkpoint":
        run.at_epoch = {last: lambda: setattr(disk, "full", True)}
    else:
        save = disk.save_model
        disk.save_model = lambda *args, **more: (
            setattr(disk, "full", disk.refused == []),
            save(*args, **more),
        )  # type: ignore[method-assign]
    disk.free_after = 3 if what == "checkpoint" else 1
    result = run.train()
    assert (result.outcome, result.epochs) == ("finished", last)
    assert run.told.phases[-3:] == ["saving", "waiting for disk space", "saving"] or what == "checkpoint"
    assert run.codes[-2:] == [["waiting_for_space"], []]
    assert "kept in memory" in sentence(run.standing[-2][0])
    assert checkpoint_epoch(run.folder) == last
    assert (run.folder / "model" / "model.pt").exists()
    assert not [*run.folder.rglob(".tmp-*")]


class Leave(BaseException):
    """As the worker raises it."""


def test_a_run_left_while_it_waits_can_be_resumed_and_loses_no_saved_epoch(run: Run, disk: Disk) -> None:
    run.spec = run.spec.replace(max_epochs=4)
    run.at_epoch = {3: lambda: setattr(disk, "full", True)}

    def leave_while_waiting() -> bool:
        if run.told.phases[-1] == "waiting for disk space":
            raise Leave
        return False

    run.should_stop = leave_while_waiting
    with pytest.raises(Leave):
        run.train()
    assert checkpoint_epoch(run.folder) == 2
    assert not (run.folder / "model").exists()
    assert not [*run.folder.rglob(".tmp-*")]
    disk.full = False
    run.should_stop = lambda: False
    result = run.train(resume=True)
    assert (result.outcome, result.epochs) == ("finished", 4)
    assert run.told.starts[-1].first_epoch == 3


def test_a_checkpoint_is_not_written_before_the_numbers_it_stands_for(run: Run, tmp_path: Path) -> None:
    run.spec = run.spec.replace(max_epochs=4)
    kept = iter([True, False, True, True, True, True])
    seen: list[int] = []

    def before() -> bool:
        seen.append(checkpoint_epoch(run.folder))
        return next(kept)

    train(
        run.spec,
        run.ref,
        run.folder,
        on_metric=lambda point: None,
        on_phase=lambda phase: None,
        on_start=lambda info: None,
        should_stop=lambda: False,
        checkpoint_seconds=0,
        before_checkpoint=before,
        on_standing=run.standing.append,
    )
    assert seen[:2] == [0, 1]
    assert run.codes == [["not_saved"], []]
    assert checkpoint_epoch(run.folder) == 4


def test_a_folder_that_is_gone_is_not_made_anew(run: Run, disk: Disk) -> None:
    run.spec = run.spec.replace(max_epochs=4)
    run.at_epoch = {2: lambda: shutil.rmtree(run.folder)}
    began = time.monotonic()

    def give_up() -> bool:
        assert time.monotonic() - began < 60
        if run.told.phases[-1] == "waiting for disk space":
            raise Leave
        return False

    run.should_stop = give_up
    with pytest.raises(Leave):
        run.train()
    assert not run.folder.exists()
    assert ["not_saved"] in run.codes
