from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.runs import RunService
from backend.settings import Settings
from backend.types import RunRecord, RunSpec
from backend.workers import Executor, LocalWorker, make_executor
from tests.runs.fakes import DATASET, FakeDatasets, FakeDevices, FakeTrain


@dataclass
class Room:
    """A run service with everything around it made up, except the registry, the executor and the disk."""

    settings: Settings
    registry: RunRegistry
    executor: Executor
    runs: RunService
    train: FakeTrain
    datasets: FakeDatasets
    devices: FakeDevices

    def submit(self, epochs: int = 3, **spec: Any) -> RunRecord:
        given = {"accelerator": "cpu", "max_epochs": epochs, **spec}
        return self.runs.submit(RunSpec(DATASET.dataset_id, **given))

    def settle(self, run_id: str = "") -> Any:
        """Wait until the executor has done all there was; the record of a run then."""
        while not self.executor.idle:
            self.executor.submit(lambda: None).result(20)
        return self.runs.get(run_id) if run_id else None

    def close(self) -> None:
        self.runs.close()
        self.executor.close()
        self.registry.close()


MakeRoom = Callable[..., Room]


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[MakeRoom]:
    """Rooms over one workspace: a second one is what the next start of the server sees."""
    rooms: list[Room] = []

    def make(kind: str = "inline", *, conditions_seconds: float = 2.0, **parts: Any) -> Room:
        settings = Settings(tmp_path / "workspace")
        registry = RunRegistry(settings.registry_path)
        registry.open()
        executor, train, datasets = make_executor(kind), FakeTrain(), FakeDatasets()
        devices = FakeDevices()
        parts.setdefault("look_seconds", 0.05)
        parts.setdefault("worker", LocalWorker(executor, train, conditions_seconds=conditions_seconds))
        jobs = JobBoard(settings.workspace / "jobs", executor)
        runs = RunService(settings, registry, datasets, executor, devices, jobs, **parts)
        rooms.append(Room(settings, registry, executor, runs, train, datasets, devices))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


@pytest.fixture
def room(make_room: MakeRoom) -> Room:
    room = make_room("inline")
    room.runs.start()
    return room


@pytest.fixture
def threaded(make_room: MakeRoom) -> Room:
    room = make_room("thread")
    room.runs.start()
    return room


@pytest.fixture(params=["inline", "thread"])
def any_room(request: pytest.FixtureRequest, make_room: MakeRoom) -> Room:
    room = make_room(request.param)
    room.runs.start()
    return room


def until(done: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def is_over(room: Room, run_id: str) -> bool:
    return room.runs.get(run_id).status.is_over
