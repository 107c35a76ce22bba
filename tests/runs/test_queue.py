"""Runs wait in a queue that can be looked at, reordered and left, and that survives a restart."""

from __future__ import annotations

import pytest

from backend.errors import BadInput, Conflict
from backend.types import RunRecord, RunStatus
from tests.runs.conftest import MakeRoom, Room
from tests.runs.gate import Gate


@pytest.fixture
def idle(make_room: MakeRoom) -> Room:
    """Nothing is taken from the queue."""
    room = make_room("inline")
    room.runs.start(work=False)
    return room


def ids(records: list[RunRecord]) -> list[str]:
    return [record.run_id for record in records]


def test_queued_runs_can_be_moved(idle: Room) -> None:
    a, b, c = ids([idle.submit() for _ in range(3)])
    assert ids(idle.runs.queue()) == [a, b, c]
    assert ids(idle.runs.move(c, "up")) == [a, c, b]
    assert ids(idle.runs.move(a, "down")) == [c, a, b]
    assert ids(idle.runs.move(b, "top")) == [b, c, a]
    assert ids(idle.runs.move(b, "up")) == [b, c, a]
    assert ids(idle.runs.move(a, "down")) == [b, c, a]
    d = idle.submit().run_id
    assert ids(idle.runs.queue()) == [b, c, a, d]


def test_runs_are_trained_in_the_order_they_were_moved_to(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    room.train.at[1] = gate
    room.submit(seed=1)
    gate.wait_until_reached()
    room.submit(seed=2)
    third = room.submit(seed=3)
    room.runs.move(third.run_id, "top")
    gate.open()
    room.settle()
    assert [spec.seed for spec in room.train.specs] == [1, 3, 2]


@pytest.mark.parametrize("verb", ["cancel", "stop"])
def test_a_queued_run_leaves_the_queue_at_once(idle: Room, verb: str) -> None:
    record = idle.submit()
    left = getattr(idle.runs, verb)(record.run_id)
    assert left.status is RunStatus.CANCELED
    assert idle.runs.queue() == []
    assert idle.runs.cancel(record.run_id).status is RunStatus.CANCELED  # a second press changes nothing


def test_queued_runs_start_after_a_restart(make_room: MakeRoom, idle: Room) -> None:
    waiting = [idle.submit(seed=seed).run_id for seed in (1, 2)]
    idle.close()
    after = make_room("inline")
    after.runs.start()
    assert [spec.seed for spec in after.train.specs] == [1, 2]
    assert {after.runs.get(run_id).status for run_id in waiting} == {RunStatus.FINISHED}


def test_stop_answers_at_once_while_the_minibatch_is_still_running(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    room.train.at[2] = gate
    run_id = room.submit().run_id
    gate.wait_until_reached()
    assert room.runs.stop(run_id).requested == "stop"
    assert room.runs.get(run_id).status is RunStatus.RUNNING
    gate.open()
    assert room.settle(run_id).status is RunStatus.STOPPED


def test_a_run_held_for_this_process_is_left_alone_by_the_server(make_room: MakeRoom, room: Room) -> None:
    command = make_room("inline")
    record = command.runs.submit(room.submit().spec, origin="command line", hold=True)
    room.submit()  # makes the server look at its queue
    assert room.runs.get(record.run_id).status is RunStatus.QUEUED
    done = command.runs.run_here(record.run_id)
    assert (done.status, done.origin) == (RunStatus.FINISHED, "command line")
    assert len(command.train.specs) == 1


def test_the_server_sees_and_stops_a_run_of_the_command_line(make_room: MakeRoom, room: Room) -> None:
    command = make_room("inline", poll_seconds=0)
    record = command.runs.submit(room.submit().spec.replace(max_epochs=9), hold=True)

    def look_and_stop() -> None:
        active = room.runs.active()
        assert active is not None
        assert active.run_id == record.run_id
        assert len(room.registry.history(record.run_id)["train_loss"]) == 1
        room.runs.stop(record.run_id)

    command.train.at[2] = look_and_stop
    assert command.runs.run_here(record.run_id).status is RunStatus.STOPPED


def test_what_does_not_fit_is_refused(idle: Room) -> None:
    record = idle.submit()
    for refused in (idle.runs.resume, lambda run_id: idle.runs.extend(run_id, 1)):
        with pytest.raises(Conflict, match="queued"):
            refused(record.run_id)
    done = idle.runs.run_here(record.run_id)
    for refused in (idle.runs.resume, idle.runs.stop, idle.runs.cancel, idle.runs.run_here):
        with pytest.raises(Conflict, match="finished"):
            refused(done.run_id)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(BadInput, match="whole number"):
            idle.runs.extend(done.run_id, wrong)  # type: ignore[arg-type]


def test_the_caller_follows_a_run_it_executes(idle: Room) -> None:
    seen: list[object] = []
    idle.runs.run_here(idle.submit(epochs=1).run_id, seen.append)
    assert [event for event in seen if isinstance(event, str)] == [
        "starting",
        "loading data",
        "training",
        "saving",
    ]
    assert {event.name for event in seen if not isinstance(event, str)} >= {"train_loss", "train_loss_step"}  # type: ignore[attr-defined]
