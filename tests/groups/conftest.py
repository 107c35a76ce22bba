from __future__ import annotations

from typing import Any

import pytest

from backend.groups import Groups
from backend.types import Accelerator, Pace, RunSpec, SweepPlan
from tests.runs.conftest import MakeRoom, Room, make_room  # noqa: F401
from tests.runs.fakes import DATASET, FakeDevices


class Machine(FakeDevices):
    def __init__(self, gpu: str = "") -> None:
        self._gpu = gpu

    def accelerators(self) -> list[Accelerator]:
        return [Accelerator("cpu", "CPU", True), Accelerator("mps", "MPS", self._gpu == "mps")]


def groups_of(room: Room, gpu: str = "") -> Groups:
    return Groups(room.registry, room.runs, room.datasets, Machine(gpu))


def plan(**axes: Any) -> SweepPlan:
    base = RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=axes.pop("epochs", 3))
    return SweepPlan(base, **{"batch_sizes": (128, 256), "engines": ("stock",), **axes})


@pytest.fixture
def waiting(make_room: MakeRoom) -> Room:  # noqa: F811
    """Nothing is taken from the queue."""
    room = make_room("inline")
    room.runs.start(work=False)
    return room


@pytest.fixture(autouse=True)
def measured_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.training.calibrate", lambda *of: Pace(1.0, 0.0))
