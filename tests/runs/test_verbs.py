"""Naming, noting, deleting, reading: what a page does with a run besides training it."""

from __future__ import annotations

import pytest

from backend.errors import BadInput, Conflict, NotFound
from backend.types import RunStatus
from tests.runs.conftest import MakeRoom, Room


def test_rename_and_annotate(room: Room) -> None:
    run_id = room.submit().run_id
    assert room.runs.rename(run_id, " better ").name == "better"
    assert room.runs.annotate(run_id, "first try\nlooks good").note == "first try\nlooks good"
    with pytest.raises(BadInput, match="needs a name"):
        room.runs.rename(run_id, "  ")
    assert [r.run_id for r in room.runs.list(search="better good")] == [run_id]


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("a\u202egnp.exe\u2066", "a gnp.exe"),  # turned around on the screen
        ("\x1b[2Jgone\x00", "[2Jgone"),
        ("two\nlines\ttabs", "two lines tabs"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
        ("\ud800broken", "broken"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_name_is_one_line_of_visible_characters(room: Room, typed: str, kept: str) -> None:
    run_id = room.submit().run_id
    assert room.runs.rename(run_id, typed).name == kept
    assert room.runs.get(run_id).name == kept
    with pytest.raises(BadInput, match="needs a name"):
        room.runs.rename(run_id, "\u200e\u202e")


def test_a_deleted_run_is_gone_with_its_files(room: Room) -> None:
    run_id = room.submit().run_id
    run_dir = room.runs.run_dir(run_id)
    assert run_dir.exists()
    room.runs.delete(run_id)
    assert not run_dir.exists()
    assert list(room.settings.runs_dir.iterdir()) == []
    with pytest.raises(NotFound):
        room.runs.get(run_id)


def test_a_running_run_is_not_deleted(room: Room) -> None:
    refused: list[str] = []

    def try_to_delete() -> None:
        active = room.runs.active()
        assert active is not None
        with pytest.raises(Conflict, match="running") as caught:
            room.runs.delete(active.run_id)
        refused.append(str(caught.value))

    room.train.at[2] = try_to_delete
    assert room.settle(room.submit().run_id).status is RunStatus.FINISHED
    assert "Stop or cancel it first" in refused[0]


def test_a_queued_run_can_be_deleted(make_room: MakeRoom) -> None:
    idle = make_room("inline")
    run_id = idle.submit().run_id
    idle.runs.delete(run_id)
    assert idle.runs.queue() == idle.runs.list() == []


def test_a_page_reads_increments(room: Room) -> None:
    run_id = room.submit(epochs=2).run_id
    first = room.runs.metrics_since(run_id, 0, names=["validation_loss"])
    assert [p.value for p in first.points] == [100, 50]
    room.runs.extend(run_id, 1)
    assert {p.epoch for p in room.runs.metrics_since(run_id, first.cursor).points} == {3}


@pytest.mark.parametrize("run_id", ["../../etc", "", "a/b", ".lock", "a" * 65])
def test_an_id_never_leads_out_of_the_workspace(room: Room, run_id: str) -> None:
    with pytest.raises(NotFound):
        room.runs.run_dir(run_id)
    with pytest.raises(NotFound):
        room.runs.log(run_id)


def test_a_data_set_that_is_gone_stops_a_resume_early(room: Room) -> None:
    run_id = room.submit().run_id
    room.datasets.there.clear()
    with pytest.raises(NotFound):
        room.runs.extend(run_id, 1)
    assert room.runs.get(run_id).status is RunStatus.FINISHED


def test_nothing_is_active_when_nothing_runs(room: Room) -> None:
    assert room.runs.active() is None
    room.submit()
    assert room.runs.active() is None


def test_only_the_end_of_a_long_log_is_read(room: Room) -> None:
    run_id = room.submit().run_id
    room.runs.log_path(run_id).write_text("".join(f"line {n:06d}\n" for n in range(20_000)))
    tail = room.runs.log(run_id)
    assert tail.startswith("…\nline ")
    assert tail.endswith("line 019999\n")
    assert len(tail) <= 200_002
    assert room.runs.log("20200101-000000-aaaaaa") == ""


def test_a_run_has_a_log_and_the_conditions_of_the_machine(room: Room) -> None:
    record = room.submit()
    assert record.name in room.runs.log(record.run_id)
    conditions = room.settle(record.run_id).conditions
    assert conditions["cores"] >= 1
    assert "load_average" in conditions


def test_conditions_are_written_down_while_it_runs(make_room: MakeRoom) -> None:
    room, seen = make_room("inline", conditions_seconds=0.0), []
    room.runs.start()
    room.train.at[3] = lambda: seen.append(room.runs.list()[0].conditions)
    room.submit()
    assert "other_load" in seen[0]
