"""What goes wrong around a training is said, holds up nothing else, and loses no number."""

from __future__ import annotations

import time
from typing import Any

import pytest

from backend.errors import NoSpace, NotFound
from backend.types import RunStatus, find_notice
from tests.runs.conftest import MakeRoom, Room, is_over, until
from tests.runs.full_disk import FullDisk
from tests.runs.gate import Gate


def test_an_exit_inside_a_training_ends_that_run_with_a_reason_and_the_next_is_trained(
    threaded: Room,
) -> None:
    def leave() -> None:
        raise SystemExit(3)

    threaded.train.at[2] = leave
    first, second = (threaded.submit(seed=seed).run_id for seed in (1, 2))
    ended = threaded.settle(first)
    assert ended.status is RunStatus.INTERRUPTED
    assert ended.problem is not None
    assert "SystemExit(3)" in ended.problem.message
    assert threaded.runs.get(second).status is RunStatus.FINISHED
    threaded.runs.resume(first)
    record = threaded.settle(first)
    assert (record.status, record.epoch, record.problem) == (RunStatus.FINISHED, 3, None)


def test_a_run_deleted_while_it_is_taken_does_not_hold_up_the_queue(
    make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room("inline")
    room.runs.start(work=False)
    gone, other = (room.submit(seed=seed).run_id for seed in (1, 2))
    transition = room.registry.transition

    def as_it_is_deleted(run_id: str, *args: Any, **fields: Any) -> Any:
        if run_id == gone:
            room.registry.remove(run_id)
        return transition(run_id, *args, **fields)

    monkeypatch.setattr(room.registry, "transition", as_it_is_deleted)
    room.runs.start()
    assert room.settle(other).status is RunStatus.FINISHED
    with pytest.raises(NotFound):
        room.runs.get(gone)


def test_numbers_wait_for_a_full_disk_and_the_run_says_so(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(threaded, "append", monkeypatch)

    def fill() -> None:
        disk.full = True

    threaded.train.at[2] = fill
    run_id = threaded.submit(epochs=3).run_id
    until(lambda: disk.refused > 1)
    assert threaded.runs.trouble() == "The disk is full."
    assert threaded.registry.history(run_id)["train_loss"] == [100]
    disk.full = False
    record = threaded.settle(run_id)
    assert record.status is RunStatus.FINISHED
    assert threaded.registry.history(run_id)["train_loss"] == [100, 50, 100 / 3]
    assert find_notice(record.notices, "written_late") is not None
    assert threaded.runs.trouble() == ""


def test_the_end_of_a_run_waits_for_a_full_disk_and_the_queue_goes_on(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(threaded, "update", monkeypatch)

    def fill() -> None:
        disk.full = True

    threaded.train.at[3] = fill
    first, second = (threaded.submit(seed=seed).run_id for seed in (1, 2))
    until(lambda: disk.refused > 1)
    assert threaded.runs.get(first).status is RunStatus.RUNNING
    disk.full = False
    until(lambda: is_over(threaded, second))
    assert {threaded.runs.get(one).status for one in (first, second)} == {RunStatus.FINISHED}
    assert threaded.registry.history(first)["train_loss"] == [100, 50, 100 / 3]


def test_a_queue_held_up_by_a_full_disk_goes_on_by_itself(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(threaded, "transition", monkeypatch)
    disk.full = True
    run_id = threaded.submit().run_id
    until(lambda: disk.refused > 1)
    assert threaded.runs.trouble() == "The disk is full."
    disk.full = False
    until(lambda: is_over(threaded, run_id))
    assert threaded.runs.get(run_id).status is RunStatus.FINISHED
    assert threaded.runs.trouble() == ""


def test_what_another_process_lets_go_of_is_taken_without_being_told(make_room: MakeRoom) -> None:
    command, server = make_room("inline"), make_room("thread")
    lock = command.runs.group_lock("g-1")
    assert lock.acquire()
    record = command.submit()
    command.registry.update(record.run_id, group_id="g-1")
    server.runs.start()
    server.settle()
    assert server.runs.get(record.run_id).status is RunStatus.QUEUED
    lock.release()
    until(lambda: is_over(server, record.run_id))
    assert server.runs.get(record.run_id).status is RunStatus.FINISHED


def test_a_data_set_that_is_gone_when_its_turn_comes_fails_the_run_in_a_sentence(
    make_room: MakeRoom,
) -> None:
    room = make_room("inline")
    room.runs.start(work=False)
    run_id = room.submit().run_id
    room.datasets.there.clear()
    room.runs.start()
    record = room.settle(run_id)
    assert record.status is RunStatus.FAILED
    assert record.problem is not None
    assert record.problem.message == "There is no such data set."


def test_reading_writes_nothing_and_the_revision_says_when_there_is_news(make_room: MakeRoom) -> None:
    room = make_room("inline")
    dead = room.submit().run_id
    room.registry.update(dead, status=RunStatus.RUNNING)  # and nobody trains it
    before = room.runs.revision()
    for _ in range(3):
        assert room.runs.get(dead).status is RunStatus.RUNNING
        assert [run.run_id for run in room.runs.list()] == [dead]
        assert room.runs.active() is not None
        assert room.runs.queue() == []
        assert room.runs.metrics_since(dead).points == ()
    assert room.runs.revision() == before
    room.runs.start()  # whose queue looks for the dead
    assert room.runs.get(dead).status is RunStatus.INTERRUPTED
    assert room.runs.revision() != before


def test_a_page_sees_a_number_soon_after_it_was_told(threaded: Room) -> None:
    gate = Gate()
    threaded.train.at[2] = gate  # in the middle of a training
    run_id = threaded.submit(epochs=2).run_id
    gate.wait_until_reached()
    began = time.monotonic()
    until(lambda: threaded.runs.get(run_id).epoch == 1)
    assert time.monotonic() - began < 1  # 0.2 s at most; a busy machine gets some grace
    assert threaded.runs.metrics_since(run_id).points
    gate.open()


def test_a_follower_that_fails_does_not_disturb_the_run(make_room: MakeRoom) -> None:
    room = make_room("inline")

    def broken(event: object) -> None:
        raise BrokenPipeError

    assert room.runs.run_here(room.submit().run_id, broken).status is RunStatus.FINISHED


def test_a_mistake_of_ours_ends_the_run_and_not_the_queue(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = threaded.registry.append

    def wrong(run_id: str, *points: Any, **fields: Any) -> None:
        if run_id == first:
            raise ValueError("a mistake")
        append(run_id, *points, **fields)

    gate = Gate()
    threaded.train.at[1] = gate
    first = threaded.submit(seed=1).run_id
    gate.wait_until_reached()
    monkeypatch.setattr(threaded.registry, "append", wrong)
    second = threaded.submit(seed=2).run_id
    gate.open()
    until(lambda: is_over(threaded, second))
    failed = threaded.runs.get(first)
    assert failed.status is RunStatus.FAILED
    assert failed.problem is not None
    assert "ValueError: a mistake" in failed.problem.message
    assert threaded.runs.get(second).status is RunStatus.FINISHED


def test_runs_that_cannot_be_taken_do_not_hold_up_those_behind_them(make_room: MakeRoom) -> None:
    command, server = make_room("inline"), make_room("inline")
    held = command.runs.submit(command.submit().spec, hold=True)  # first in line, of another process
    grouped = command.submit()
    command.registry.update(grouped.run_id, group_id="g-1")
    lock = command.runs.group_lock("g-1")
    assert lock.acquire()
    command.runs.move(grouped.run_id, "top")
    command.runs.move(held.run_id, "top")
    last = command.submit()
    server.runs.start()
    assert server.settle(last.run_id).status is RunStatus.FINISHED
    left = {record.run_id for record in server.runs.queue()}
    assert left == {held.run_id, grouped.run_id}
    lock.release()


def test_a_run_of_the_command_line_waits_for_the_disk_but_not_at_its_end(
    make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room("thread")
    numbers, end = (FullDisk(room, method, monkeypatch) for method in ("append", "update"))

    def fill() -> None:
        numbers.full = True

    room.train.at[2] = fill
    numbers.frees_itself_after = 2
    record = room.runs.run_here(room.submit(epochs=3).run_id)
    assert record.status is RunStatus.FINISHED
    assert room.registry.history(record.run_id)["train_loss"] == [100, 50, 100 / 3]

    def fill_for_good() -> None:
        end.full = True

    room.train.at[3] = fill_for_good
    lost = room.submit(epochs=3).run_id
    with pytest.raises(NoSpace):
        room.runs.run_here(lost)
    end.full = False
    room.runs.start()  # what the next start finds
    assert room.runs.get(lost).status is RunStatus.INTERRUPTED
    assert len(room.registry.history(lost)["train_loss"]) == 3


def test_an_exit_inside_a_training_of_the_command_line_is_on_its_record(make_room: MakeRoom) -> None:
    room = make_room("thread")
    record = room.submit()

    def leave() -> None:
        raise KeyboardInterrupt

    room.train.at[2] = leave
    ended = room.runs.run_here(record.run_id)
    assert ended.status is RunStatus.INTERRUPTED
    assert ended.problem is not None
    assert "KeyboardInterrupt" in ended.problem.message
