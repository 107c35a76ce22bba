"""A full disk holds up a run and says so; nothing stalls for good, Stop works, and space can be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.errors import NoSpace
from backend.types import Notice, RunStatus, find_notice, notice
from backend.words import sentence
from tests.runs.conftest import MakeRoom, Room, is_over, until
from tests.runs.full_disk import FullDisk
from tests.runs.gate import Gate


def fill_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Every writing method of the registry refuses together."""
    methods = ("append", "update", "transition", "add", "remove", "truncate", "place", "remember")
    disks = [FullDisk(room, method, monkeypatch) for method in methods]

    def fill(full: bool) -> None:
        for disk in disks:
            disk.full = full

    return fill


@pytest.mark.parametrize(
    ("ask", "ends"), [("stop", RunStatus.STOPPED), ("cancel", RunStatus.CANCELED)], ids=["stop", "discard"]
)
def test_a_run_obeys_though_nothing_can_be_written_and_its_end_is_written_when_it_can_be(
    threaded: Room, monkeypatch: pytest.MonkeyPatch, ask: str, ends: RunStatus
) -> None:
    fill, gate = fill_all(threaded, monkeypatch), Gate()
    threaded.train.at[3] = gate
    run_id = threaded.submit(epochs=100_000).run_id
    behind = threaded.submit().run_id
    gate.wait_until_reached()
    fill(True)
    asked = getattr(threaded.runs, ask)(run_id)
    assert asked.requested == ask
    assert threaded.runs.get(run_id).requested == ask  # and the page says so
    assert [one.requested for one in threaded.runs.list(status=RunStatus.RUNNING)] == [ask]
    gate.open()
    until(threaded.runs.trouble)
    assert threaded.runs.trouble() == "The disk is full."
    fill(False)
    until(lambda: is_over(threaded, run_id))
    record = threaded.runs.get(run_id)
    assert (record.status, record.requested) == (ends, "")
    until(lambda: is_over(threaded, behind))
    assert threaded.runs.get(behind).status is RunStatus.FINISHED
    assert threaded.runs.trouble() == ""


def test_looking_at_runs_works_while_nothing_can_be_written(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, gate = fill_all(threaded, monkeypatch), Gate()
    threaded.train.at[2] = gate
    run_id = threaded.submit().run_id
    gate.wait_until_reached()
    fill(True)
    assert threaded.runs.get(run_id).status is RunStatus.RUNNING
    assert threaded.runs.active() is not None
    assert threaded.runs.queue() == []
    assert threaded.runs.metrics_since(run_id).points
    fill(False)
    gate.open()


def test_a_start_on_a_full_disk_shows_what_is_there(
    make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room("thread")
    dead = room.submit().run_id
    room.registry.update(dead, status=RunStatus.RUNNING)  # and nobody trains it
    fill = fill_all(room, monkeypatch)
    fill(True)
    room.runs.start()
    assert [one.run_id for one in room.runs.list()] == [dead]
    fill(False)
    until(lambda: room.runs.get(dead).status is RunStatus.INTERRUPTED)


def test_a_run_that_cannot_begin_goes_back_into_the_queue_and_is_trained_later(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(threaded, "truncate", monkeypatch)  # after the run was claimed
    disk.full = True
    run_id = threaded.submit().run_id
    until(lambda: disk.refused > 1)
    disk.full = False
    until(lambda: is_over(threaded, run_id))
    assert threaded.runs.get(run_id).status is RunStatus.FINISHED


def test_a_run_that_can_neither_begin_nor_go_back_is_not_taken_for_dead(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = fill_all(threaded, monkeypatch)
    take = threaded.registry.transition

    def claim_the_last_bytes(run_id: str, *args: Any, **fields: Any) -> Any:
        claimed = take(run_id, *args, **fields)
        if fields.get("status") is RunStatus.RUNNING:
            fill(True)
            threaded.registry.transition = take  # type: ignore[method-assign]
        return claimed

    threaded.registry.transition = claim_the_last_bytes  # type: ignore[method-assign]
    run_id = threaded.submit().run_id
    until(threaded.runs.trouble)
    fill(False)
    until(lambda: is_over(threaded, run_id))
    assert threaded.runs.get(run_id).status is RunStatus.FINISHED


def test_a_run_that_could_not_be_queued_leaves_no_folder(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_all(threaded, monkeypatch)(True)
    with pytest.raises(NoSpace):
        threaded.submit()
    assert [path.name for path in threaded.settings.runs_dir.glob("*")] == []


def test_a_run_can_be_deleted_when_the_disk_has_no_byte_left(
    threaded: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = threaded.settle(threaded.submit().run_id).run_id
    disk = FullDisk(threaded, "remove", monkeypatch)
    disk.full, disk.frees_itself_after = True, 1  # its files were what filled the disk
    threaded.runs.delete(run_id)
    assert threaded.runs.list() == []
    assert not threaded.runs.run_dir(run_id).exists()


def standing(room: Room, run_id: str) -> list[str]:
    return [
        one.code for one in room.runs.get(run_id).notices if one.code in ("not_saved", "waiting_for_space")
    ]


def test_what_could_not_be_saved_stands_on_the_run_until_it_is_saved(threaded: Room) -> None:
    gates = {epoch: Gate() for epoch in (2, 3, 4)}
    threaded.train.at.update(gates)
    threaded.train.standing = {
        1: (notice("not_saved", epoch=0, missing=37, severity="warning"),),
        2: (),
        3: (notice("waiting_for_space", epoch=2, missing=12, severity="warning"),),
    }
    run_id = threaded.submit(epochs=4).run_id
    for epoch, expected in ((2, ["not_saved"]), (3, []), (4, ["waiting_for_space"])):
        gates[epoch].wait_until_reached()
        until(lambda expected=expected: standing(threaded, run_id) == expected)
        gates[epoch].open()
    record = threaded.settle(run_id)
    assert standing(threaded, run_id) == []
    assert find_notice(record.notices, "text") is not None  # what lasts is there


def test_the_command_line_is_told_what_stands(make_room: MakeRoom) -> None:
    room = make_room("thread")
    room.train.standing = {1: (notice("not_saved", epoch=0, missing=37, severity="warning"),), 2: ()}
    told: list[Any] = []
    room.runs.run_here(room.submit(epochs=3).run_id, told.append)
    said = [sentence(one) for one in told if isinstance(one, Notice)]
    assert said == ["Not saved yet, because the disk is full: free 37 MB. Training goes on meanwhile."]


def test_the_command_line_is_told_once_that_nothing_can_be_written(
    make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = make_room("thread")
    disk = FullDisk(room, "append", monkeypatch)
    room.train.at[2] = lambda: setattr(disk, "full", True)
    disk.frees_itself_after = 3
    told: list[Any] = []
    record = room.runs.run_here(room.submit(epochs=3).run_id, told.append)
    assert record.status is RunStatus.FINISHED
    assert [sentence(one) for one in told if isinstance(one, Notice)] == ["On hold: The disk is full."]


def test_a_dead_run_says_no_more_that_training_goes_on(make_room: MakeRoom) -> None:
    room = make_room("inline")
    dead = room.submit().run_id
    stood = notice("not_saved", epoch=3, missing=1, severity="warning")
    room.registry.update(dead, status=RunStatus.RUNNING, notices=(stood, notice("no_gpu")))
    room.runs.start()
    record = room.runs.get(dead)
    assert record.status is RunStatus.INTERRUPTED
    assert record.notices == (notice("no_gpu"),)


@pytest.mark.parametrize("kind", ["inline", "thread"])
def test_a_discard_while_the_model_is_saved_is_obeyed(make_room: MakeRoom, kind: str) -> None:
    """The second Ctrl-C comes when the loop has ended already: what was said is what happens."""
    room = make_room(kind)
    room.runs.start()
    room.train.at_saving = lambda: room.runs.cancel(room.runs.list()[0].run_id)
    record = room.settle(room.submit().run_id)
    assert record.status is RunStatus.CANCELED
    assert not (room.runs.run_dir(record.run_id) / "model").exists()
