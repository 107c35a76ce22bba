"""The map of a run is made by itself when it has ended, and no run waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.analysis import KINDS, Cells, FirstLook
from backend.types import Job, JobState, RunRecord, RunStatus
from tests.analysis.room import RUN, Room
from tests.analysis.small_run import SmallRun, on_copy, train_small


class Queue:
    """Runs as the first look sees them."""

    def __init__(self, room: Any) -> None:
        self._room = room
        self.training: RunRecord | None = None
        self.waiting: list[RunRecord] = []

    def get(self, run_id: str) -> RunRecord:
        return self._room.registry.get(run_id)

    def queue(self) -> list[RunRecord]:
        return self.waiting

    def active(self) -> RunRecord | None:
        return self.training


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path, "thread")
    yield room
    room.close()


def looking(room: Any) -> tuple[FirstLook, Queue]:
    queue = Queue(room)
    return FirstLook(room.analyses, Cells(room.datasets, room.analyses, queue), queue), queue


def job_of(room: Room) -> Job | None:
    return room.analyses.find(RUN, "first_look")


def held_map(room: Room) -> tuple[threading.Event, threading.Event]:
    """A map that is under way until the second event, or until it is asked to end."""
    begun, go = threading.Event(), threading.Event()

    def perform(context: Any, options: Any, progress: Any) -> None:
        begun.set()
        while not go.wait(0.01):
            context.check()

    room.kinds["umap"] = replace(KINDS["umap"], perform=perform, needs=lambda options: ())
    room.kinds["resolution"] = replace(KINDS["resolution"], perform=perform, needs=lambda options: ())
    return begun, go


def test_a_run_that_ended_gets_its_map_with_clusters_and_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    small: SmallRun = on_copy(train_small(tmp_path / "made"), tmp_path / "workspace")
    small.registry.update(RUN, spec=small.registry.get(RUN).spec.replace(batch_key="batch"))
    queue = Queue(small)

    class Data:
        def dataset(self, dataset_id: str) -> Any:
            return small.ref

    FirstLook(small.analyses, Cells(Data(), small.analyses, queue), queue).ended(RUN)
    for kind in ("umap", "resolution", "before"):
        assert small.analyses.result(RUN, kind) is not None
    assert small.analyses.result(RUN, "mixing", batch="batch", label=None) is not None
    small.registry.close()


def test_no_map_is_begun_while_a_run_trains_or_waits(room: Room) -> None:
    look, queue = looking(room)
    _, go = held_map(room)
    go.set()
    queue.training = queue.get(RUN)
    look.ended(RUN)
    assert job_of(room) is None
    queue.training, queue.waiting = None, [queue.get(RUN)]
    look.turn()
    assert job_of(room) is None
    queue.waiting = []
    look.turn()
    job = job_of(room)
    assert job is not None
    assert room.settled(job).state is JobState.DONE


def test_a_map_under_way_makes_way_for_a_run_and_is_made_after_it(room: Room) -> None:
    look, queue = looking(room)
    begun, go = held_map(room)
    look.ended(RUN)
    assert begun.wait(20)
    queue.waiting = [queue.get(RUN)]
    look.turn()
    job = job_of(room)
    assert job is not None
    assert room.settled(job).state is JobState.CANCELED
    queue.waiting = []
    go.set()
    look.turn()
    assert room.settled(job).state is JobState.DONE


def test_a_map_that_somebody_cancelled_stays_cancelled(room: Room) -> None:
    look, _ = looking(room)
    begun, _ = held_map(room)
    look.ended(RUN)
    assert begun.wait(20)
    job = job_of(room)
    assert job is not None
    room.analyses.cancel(job.job_id)
    assert room.settled(job).state is JobState.CANCELED
    look.turn()
    assert room.settled(job).state is JobState.CANCELED


@pytest.mark.parametrize("change", [{"group_id": "g1"}, {"status": RunStatus.FAILED}])
def test_runs_of_a_group_and_runs_without_a_model_get_none(room: Room, change: dict[str, Any]) -> None:
    room.registry.update(RUN, **change)
    look, _ = looking(room)
    look.ended(RUN)
    assert job_of(room) is None
