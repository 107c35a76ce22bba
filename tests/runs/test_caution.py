"""What is known of a device goes with each run on it."""

from __future__ import annotations

from backend.types import Notice, notice
from tests.runs.conftest import MakeRoom


class Checked:
    def caution(self, accelerator: str) -> tuple[Notice, ...]:
        return (notice("device_unchecked", severity="warning", device=accelerator),)

    def busy(self) -> str:
        return "checking a device"


def test_a_run_on_a_device_that_failed_carries_the_warning_to_its_end(make_room: MakeRoom) -> None:
    room = make_room("inline", checks=Checked())
    room.runs.start()
    record = room.settle(room.submit(accelerator="auto").run_id)
    assert record.status == "finished"
    assert notice("device_unchecked", severity="warning", device="cpu") in record.notices


def test_a_run_that_waits_for_a_check_says_so(make_room: MakeRoom) -> None:
    assert make_room("inline", checks=Checked()).runs.holds_up() == "checking a device"
    assert make_room("inline").runs.holds_up() == ""
