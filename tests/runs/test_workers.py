"""Several workers: runs spread over them, a duel stays on one, and the death of one harms nobody else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.types import GroupRecord, RunRecord, RunSpec, RunStatus, find_notice
from backend.words import sentence
from backend.workers import Desk, ProcessWorker, desks
from tests.runs.conftest import MakeRoom, Room
from tests.runs.fakes import DATASET, FakeTrain
from tests.runs.gate import Gate
from tests.workers.pretended import PretendedProcess

MakeWorkers = Callable[..., "Workers"]


class Workers:
    """A room with worker processes that are threads, and what each of them trains by."""

    def __init__(self, make_room: MakeRoom, places: tuple[Desk, ...]) -> None:
        self.trains = {desk.name: FakeTrain() for desk in places}
        self.processes: dict[str, PretendedProcess] = {}
        self.worker = ProcessWorker(places, self._start)
        self.room: Room = make_room("thread", worker=self.worker, look_seconds=0.1)
        self.room.runs.start()

    def hold(self, name: str, epoch: int = 2) -> Gate:
        """Let the worker stop before an epoch until the gate is opened."""
        self.trains[name].at[epoch] = gate = Gate()
        return gate

    def get(self, record: RunRecord) -> RunRecord:
        return self.room.runs.get(record.run_id)

    def until(self, record: RunRecord, *status: RunStatus) -> RunRecord:
        deadline = time.monotonic() + 20
        while (now := self.get(record)).status not in status:
            assert time.monotonic() < deadline, f"it is {now.status}"
            time.sleep(0.01)
        return now

    def _start(self, desk: Desk) -> PretendedProcess:
        self.processes[desk.name] = PretendedProcess(desk, self.trains[desk.name])
        return self.processes[desk.name]


@pytest.fixture
def two(make_room: MakeRoom) -> Workers:
    return Workers(make_room, desks(2, (), 1))


def test_two_workers_train_two_runs_at_once_and_the_third_waits_for_either(two: Workers) -> None:
    first, second = two.hold("worker 1"), two.hold("worker 2")
    a, b, c = (two.room.submit(seed=n) for n in range(3))
    first.wait_until_reached()
    second.wait_until_reached()
    assert {run.worker for run in two.room.runs.running()} == {"worker 1", "worker 2"}
    assert [place.run_ids for place in two.room.runs.workers()] == [(a.run_id,), (b.run_id,)]
    assert two.get(c).status is RunStatus.QUEUED
    assert two.room.runs.in_the_way("cpu") is not None
    second.open()
    assert two.until(c, RunStatus.FINISHED).worker == "worker 2"
    assert two.get(a).status is RunStatus.RUNNING
    assert two.room.runs.in_the_way("cpu") is None
    first.open()
    for run in (a, b):
        assert two.until(run, RunStatus.FINISHED).epoch == 3
        assert two.room.registry.history(run.run_id)["train_loss"] == [100, 50, 100 / 3]


def test_stop_and_cancel_reach_the_run_they_are_meant_for(two: Workers) -> None:
    first, second = two.hold("worker 1"), two.hold("worker 2")
    a, b = (two.room.submit(epochs=100_000, seed=n) for n in range(2))
    first.wait_until_reached()
    second.wait_until_reached()
    two.room.runs.cancel(a.run_id)
    two.room.runs.stop(b.run_id)
    first.open()
    second.open()
    assert two.until(a, RunStatus.CANCELED).worker == "worker 1"
    assert two.until(b, RunStatus.STOPPED).worker == "worker 2"


def test_another_process_can_end_every_one_of_several_runs(two: Workers, make_room: MakeRoom) -> None:
    """The looks into the registry are a run's own, or one run would take those of the other."""
    first, second = two.hold("worker 1"), two.hold("worker 2")
    runs = [two.room.submit(epochs=100_000, seed=n) for n in range(2)]
    first.wait_until_reached()
    second.wait_until_reached()
    other = make_room("inline")
    for run in runs:
        other.runs.cancel(run.run_id)
    first.open()
    second.open()
    for run in runs:
        two.until(run, RunStatus.CANCELED)


def test_the_two_of_a_duel_train_one_after_the_other_on_the_same_worker(two: Workers) -> None:
    two.room.registry.add_group(GroupRecord("g1", "duel", "Duel", 1.0, DATASET.dataset_id))
    first, second = two.hold("worker 1"), two.hold("worker 2")
    spec = RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=3)
    a, b = (two.room.runs.submit(spec.replace(seed=n), group_id="g1") for n in range(2))
    other = two.room.submit(seed=7)
    first.wait_until_reached()
    second.wait_until_reached()
    assert two.get(b).status is RunStatus.QUEUED  # though it came before the other
    assert two.get(other).worker == "worker 2"
    second.open()
    two.until(other, RunStatus.FINISHED)
    first.open()
    assert two.until(b, RunStatus.FINISHED).worker == two.until(a, RunStatus.FINISHED).worker == "worker 1"


def test_a_killed_worker_harms_no_other_run_and_its_own_goes_on_by_itself_once(two: Workers) -> None:
    first, second = two.hold("worker 1", 3), two.hold("worker 2")
    a, b = (two.room.submit(epochs=5, seed=n) for n in range(2))
    first.wait_until_reached()
    second.wait_until_reached()
    again = two.hold("worker 1", 4)
    two.processes["worker 1"].die()
    again.wait_until_reached()
    resumed = two.get(a)
    assert (resumed.status, resumed.epoch) == (RunStatus.RUNNING, 3)
    assert two.trains["worker 1"].firsts == [1, 3]
    told = find_notice(resumed.notices, "worker_lost")
    assert told is not None
    assert "(worker 1) was ended by the system" in sentence(told)
    assert two.get(b).status is RunStatus.RUNNING
    two.processes["worker 1"].die(11)
    dead = two.until(a, RunStatus.INTERRUPTED)
    assert dead.problem is not None
    assert "crashed (signal 11)" in dead.problem.message
    two.room.runs.resume(a.run_id)
    done = two.until(a, RunStatus.FINISHED)
    assert (done.epoch, done.problem) == (5, None)
    assert two.room.registry.history(a.run_id)["train_loss"] == [100, 50, 100 / 3, 25, 20]
    second.open()
    two.until(b, RunStatus.FINISHED)
    first.open()
    again.open()


def test_a_run_that_was_to_be_canceled_when_its_worker_died_is_canceled(two: Workers) -> None:
    gate = two.hold("worker 1")
    run = two.room.submit()
    gate.wait_until_reached()
    two.room.runs.cancel(run.run_id)
    two.processes["worker 1"].die()
    two.until(run, RunStatus.CANCELED)
    gate.open()


def test_a_run_goes_to_a_worker_that_has_its_device(make_room: MakeRoom) -> None:
    cards = desks(1, ("0", "GPU-7f"), None)
    assert [(desk.accelerators, desk.card) for desk in cards] == [
        (("cpu", "cuda", "mps"), "0"),
        (("cuda",), "GPU-7f"),
    ]
    workers = Workers(make_room, desks(2, ("0",), 1))
    gates = [workers.hold(f"worker {n}") for n in (1, 2)]
    one, two, three = (workers.room.submit(seed=n) for n in range(3))
    gates[1].wait_until_reached()
    assert workers.get(one).worker == "worker 2"  # the card is left to those that need it
    for gate in gates:
        gate.open()
    for run in (one, two, three):
        workers.until(run, RunStatus.FINISHED)


def test_closing_leaves_every_run_to_be_resumed(two: Workers, make_room: MakeRoom) -> None:
    gates = [two.hold(f"worker {n}", 3) for n in (1, 2)]
    runs = [two.room.submit(epochs=4, seed=n) for n in range(2)]
    for gate in gates:
        gate.wait_until_reached()
    two.room.close()
    after: Any = make_room("inline")
    after.runs.start(work=False)
    for run in runs:
        left = after.runs.get(run.run_id)
        assert (left.status, left.epoch) == (RunStatus.INTERRUPTED, 2)
        assert left.problem is None
    for gate in gates:
        gate.open()
