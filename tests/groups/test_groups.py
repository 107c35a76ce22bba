"""Groups are queued, paused, resumed, extended, canceled and deleted as one."""

from __future__ import annotations

import pytest

from backend.errors import BadInput, Conflict, DeviceUnavailable, NotFound
from backend.types import RunSpec, RunStatus, notice
from tests.groups.conftest import groups_of, plan
from tests.runs.conftest import MakeRoom, Room
from tests.runs.fakes import DATASET
from tests.runs.gate import Gate

BASE = RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=2)


def test_a_sweep_is_trained_in_its_order_to_the_end(make_room: MakeRoom) -> None:
    room = make_room("inline")
    room.runs.start()
    groups = groups_of(room)
    group = groups.sweep(plan(batch_sizes=(256, 128), engines=("fused", "stock")), "Mine")
    assert [(s.batch_size, s.engine) for s in room.train.specs] == [
        (256, "fused"),
        (256, "stock"),
        (128, "fused"),
        (128, "stock"),
    ]
    assert [run.group_id for run in groups.runs(group.group_id)] == [group.group_id] * 4
    now = groups.progress(group.group_id)
    assert (now.finished, now.total, now.state, now.seconds_left) == (4, 4, "done", 0.0)
    assert groups.list() == [groups.get(group.group_id)]
    assert (group.name, group.kind, group.dataset_id) == ("Mine", "sweep", "d1")


def test_nothing_is_queued_when_one_point_cannot_be_trained(waiting: Room) -> None:
    groups = groups_of(waiting)
    with pytest.raises(DeviceUnavailable, match="cuda cannot be used"):
        groups.sweep(plan(accelerators=("cpu", "cuda")))
    with pytest.raises(BadInput, match="no column 'nowhere'"):
        groups.sweep(plan(other={"batch_key": (None, "nowhere")}))
    assert waiting.runs.list() == []
    assert groups.list() == []


def test_pausing_lets_the_running_one_end_and_takes_no_other(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    groups = groups_of(room)
    room.train.at[2] = gate
    group_id = groups.sweep(plan(batch_sizes=(128, 256, 512))).group_id
    gate.wait_until_reached()
    assert groups.pause(group_id).paused
    assert groups.progress(group_id).state == "pausing"
    gate.open()
    room.settle()
    now = groups.progress(group_id)
    assert (now.finished, now.queued, now.state) == (1, 2, "paused")
    outsider = room.submit(seed=9)
    assert room.settle(outsider.run_id).status is RunStatus.FINISHED  # other runs are not held up
    groups.resume(group_id)
    room.settle()
    assert groups.progress(group_id).finished == 3


def test_a_pause_survives_a_restart(make_room: MakeRoom, waiting: Room) -> None:
    group_id = groups_of(waiting).sweep(plan()).group_id
    groups_of(waiting).pause(group_id)
    waiting.close()
    after = make_room("inline")
    after.runs.start()
    groups = groups_of(after)
    assert after.train.specs == []
    assert groups.progress(group_id).state == "paused"
    groups.resume(group_id)
    assert groups.progress(group_id).finished == 2


def test_an_interrupted_member_is_taken_up_again_first(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    room.train.at[2] = gate
    group_id = groups_of(room).sweep(plan(batch_sizes=(128, 256, 512))).group_id
    gate.wait_until_reached()
    groups_of(room).pause(group_id)
    room.runs.close(0)
    gate.open()
    room.close()
    after = make_room("inline")
    after.runs.start()
    groups = groups_of(after)
    assert groups.progress(group_id).interrupted == 1
    groups.resume(group_id)
    assert [spec.batch_size for spec in after.train.specs] == [128, 256, 512]
    assert after.train.firsts == [2, 1, 1]  # from its checkpoint
    assert groups.progress(group_id).finished == 3


def test_only_an_interrupted_member_left_says_so(waiting: Room) -> None:
    groups = groups_of(waiting)
    group_id = groups.sweep(plan(batch_sizes=(128,))).group_id
    waiting.registry.update(groups.runs(group_id)[0].run_id, status=RunStatus.INTERRUPTED)
    now = groups.progress(group_id)
    assert (now.state, now.is_over) == ("interrupted", False)


def test_cancel_discards_the_rest_and_extending_brings_it_back_without_doubles(make_room: MakeRoom) -> None:
    room, gate = make_room("thread"), Gate()
    room.runs.start()
    groups = groups_of(room)
    first = groups.sweep(plan(batch_sizes=(128,))).group_id
    room.settle()
    room.train.at[1] = gate
    groups.extend(first, plan(batch_sizes=(128, 256, 512)))
    gate.wait_until_reached()
    groups.cancel(first)
    gate.open()
    room.settle()
    now = groups.progress(first)
    assert (now.finished, now.canceled, now.state) == (1, 2, "done")
    groups.extend(first, plan(batch_sizes=(256, 512, 1024)))
    room.settle()
    assert [run.spec.batch_size for run in groups.runs(first)] == [128, 256, 512]
    assert groups.progress(first).finished == 3
    extended = groups.get(first)
    assert extended.plan is not None
    assert extended.plan.batch_sizes == (128, 256, 512, 1024)
    assert extended.notices == (notice("sizes_left_out", sizes=(1024,), cells=630),)


def test_extending_by_what_is_there_is_refused(waiting: Room) -> None:
    groups = groups_of(waiting)
    group_id = groups.sweep(plan()).group_id
    with pytest.raises(BadInput, match="has all of these points already"):
        groups.extend(group_id, plan(batch_sizes=(256,), accelerators=("auto",)))
    with pytest.raises(Conflict, match="Only a sweep"):
        groups.extend(groups.duel(BASE, ({"engine": "stock"}, {"engine": "fused"})).group_id, plan())
    assert len(groups.runs(group_id)) == 2


def test_deleting_takes_the_runs_along_unless_they_are_to_stay(waiting: Room) -> None:
    groups = groups_of(waiting)
    kept, gone = (groups.sweep(plan(seeds=(seed,))).group_id for seed in (1, 2))
    kept_ids = {run.run_id for run in groups.runs(kept)}
    groups.delete(kept, keep_runs=True)
    groups.delete(gone)
    assert groups.list() == []
    assert {run.run_id for run in waiting.runs.list()} == kept_ids
    assert {run.group_id for run in waiting.runs.list()} == {""}
    for verb in (groups.get, groups.pause, groups.delete, groups.resume):
        with pytest.raises(NotFound, match="no such group"):
            verb(gone)


def test_a_group_with_a_running_member_is_not_deleted(waiting: Room) -> None:
    groups = groups_of(waiting)
    group_id = groups.sweep(plan()).group_id
    waiting.registry.update(groups.runs(group_id)[0].run_id, status=RunStatus.RUNNING)
    with pytest.raises(Conflict, match="being trained"):
        groups.delete(group_id)
    assert len(groups.runs(group_id)) == 2


def test_names_are_told_apart_and_can_be_changed(waiting: Room) -> None:
    groups = groups_of(waiting)
    names = [groups.sweep(plan(seeds=(seed,))).name for seed in (1, 2)]
    assert names == ["Sweep on PBMC 700 cells", "Sweep on PBMC 700 cells (2)"]
    group_id = groups.list()[0].group_id
    assert groups.rename(group_id, " Night\n shift ").name == "Night shift"
    assert groups.annotate(group_id, " on battery ").note == "on battery"
    with pytest.raises(BadInput, match="needs a name"):
        groups.rename(group_id, " \n")


def test_a_duel_is_two_runs_that_differ(waiting: Room) -> None:
    groups = groups_of(waiting)
    duel = groups.duel(BASE, groups.suggested_contestants())
    assert [(r.spec.engine, r.spec.accelerator) for r in groups.runs(duel.group_id)] == [
        ("stock", "cpu"),
        ("fused", "cpu"),
    ]
    assert (duel.kind, duel.plan) == ("duel", None)
    assert groups_of(waiting, "mps").suggested_contestants() == (
        {"accelerator": "cpu"},
        {"accelerator": "mps"},
    )
    with pytest.raises(BadInput, match="are the same"):
        groups.duel(BASE, ({"accelerator": "cpu"}, {"accelerator": "auto"}))
    with pytest.raises(BadInput, match="no setting 'speed'"):
        groups.duel(BASE, ({"speed": 1}, {"engine": "fused"}))


def test_a_group_executed_by_another_process_is_left_to_it(make_room: MakeRoom) -> None:
    server, command = make_room("inline"), make_room("inline")
    server.runs.start()
    here, there = groups_of(command), groups_of(server)
    group_id = here.sweep(plan(), origin="command line", hold=True).group_id
    there.resume(group_id)  # wakes the server's worker
    assert server.train.specs == []
    now = there.progress(group_id)
    assert (now.elsewhere, now.state) == (True, "waiting")
    with pytest.raises(Conflict, match="Another process"):
        there.hold(group_id)
    record = here.next_here(group_id)
    assert record is not None
    command.runs.run_here(record.run_id)
    here.close()  # it is gone: the server goes on
    server.runs.wake()
    assert there.progress(group_id).finished == 2
    assert len(server.train.specs) == 1
