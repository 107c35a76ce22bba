"""Other work of the compute thread gets its turn between two runs, however many runs wait."""

from __future__ import annotations

from tests.runs.conftest import Room
from tests.runs.gate import Gate


def test_work_that_was_asked_for_late_is_done_before_the_last_of_many_runs(make_room) -> None:  # type: ignore[no-untyped-def]
    room: Room = make_room("thread")
    gate = Gate()
    room.train.at[1] = gate
    room.runs.start()
    runs = [room.submit() for _ in range(5)]
    gate.wait_until_reached()
    waiting = room.executor.submit(lambda: [room.runs.get(run.run_id).status.value for run in runs])
    gate.open()
    seen = waiting.result(20)
    assert seen[-1] == "queued"
