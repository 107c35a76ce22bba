"""Cancel gives back what was there before a run was continued; only what is new is discarded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.types import RunRecord, RunStatus
from tests.runs.conftest import MakeRoom, Room


@pytest.fixture
def finished(room: Room) -> RunRecord:
    return room.settle(room.submit(epochs=3).run_id)


def comparable(record: RunRecord) -> RunRecord:
    return record.replace(position=0.0)


def checkpoint_and_model(room: Room, run_id: str) -> tuple[list[str], str]:
    run_dir = room.runs.run_dir(run_id)
    return [p.name for p in (run_dir / "checkpoint").iterdir()], (run_dir / "model" / "model.pt").read_text()


def fail() -> None:
    raise ValueError("no")


@pytest.mark.parametrize("how", ["cancel", "error"])
def test_an_extension_that_is_discarded_or_fails_leaves_the_finished_run(
    room: Room, finished: RunRecord, how: str
) -> None:
    run_id = finished.run_id
    before = checkpoint_and_model(room, run_id)
    ends: dict[str, Callable[[], object]] = {"cancel": lambda: room.runs.cancel(run_id), "error": fail}
    room.train.at[5] = ends[how]
    room.runs.extend(run_id, 4)
    after = room.settle(run_id)
    assert comparable(after.replace(problem=None)) == comparable(finished)
    assert (after.problem is not None) == (how == "error")
    assert checkpoint_and_model(room, run_id) == before
    assert len(room.registry.history(run_id)["train_loss"]) == 3
    room.runs.extend(run_id, 1)  # and it can be extended still, from where it was
    assert room.settle(run_id).epoch == 4
    assert room.train.firsts == [1, 4, 4]


def test_an_extension_stopped_midway_keeps_the_longer_model(room: Room, finished: RunRecord) -> None:
    room.train.at[5] = lambda: room.runs.stop(finished.run_id)
    room.runs.extend(finished.run_id, 4)
    after = room.settle(finished.run_id)
    assert (after.status, after.epoch) == (RunStatus.STOPPED, 4)
    assert checkpoint_and_model(room, finished.run_id) == (["epoch-000004.ckpt"], "stopped after 4")
    assert not (room.runs.run_dir(finished.run_id) / "before").exists()


def test_a_queued_extension_that_is_canceled_never_was(
    make_room: MakeRoom, room: Room, finished: RunRecord
) -> None:
    room.close()
    idle = make_room("inline")
    idle.runs.start(work=False)
    assert idle.runs.extend(finished.run_id, 5).spec.max_epochs == 8
    assert comparable(idle.runs.cancel(finished.run_id)) == comparable(finished)


def test_a_resumed_run_that_is_canceled_is_discarded(make_room: MakeRoom, room: Room) -> None:
    room.train.at[3] = lambda: room.runs.close(0)
    run_id = room.settle(room.submit(epochs=9).run_id).run_id
    assert room.runs.get(run_id).status is RunStatus.INTERRUPTED
    after = make_room("inline")
    after.runs.start()
    after.train.at[5] = lambda: after.runs.cancel(run_id)
    after.runs.resume(run_id)
    assert after.settle(run_id).status is RunStatus.CANCELED
    assert {p.name for p in room.runs.run_dir(run_id).iterdir()} == {"log.txt", ".lock"}


def test_a_queued_resume_that_is_canceled_can_be_resumed_later(make_room: MakeRoom, room: Room) -> None:
    room.train.at[3] = lambda: room.runs.close(0)
    run_id = room.settle(room.submit(epochs=4).run_id).run_id
    room.close()
    idle = make_room("inline")
    idle.runs.start(work=False)
    idle.runs.resume(run_id)
    assert idle.runs.cancel(run_id).status is RunStatus.INTERRUPTED
    idle.runs.resume(run_id)
    assert idle.runs.run_here(run_id).status is RunStatus.FINISHED
    assert idle.train.firsts == [3]


def test_warm_up_of_every_session_stays_out_of_the_speed(room: Room, finished: RunRecord) -> None:
    room.runs.extend(finished.run_id, 2)
    assert room.settle(finished.run_id).seconds_per_epoch == 1.03  # of (9) 1.02 1.03 | (1.04) 1.05


def test_warm_up_of_earlier_resumes_stays_out_of_the_speed_too(room: Room, finished: RunRecord) -> None:
    room.runs.extend(finished.run_id, 1)
    room.settle(finished.run_id)
    room.runs.extend(finished.run_id, 2)
    assert room.settle(finished.run_id).seconds_per_epoch == 1.03  # of (9) 1.02 1.03 | (1.04) | (1.05) 1.06
