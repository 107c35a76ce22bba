"""Time and memory before a run: from an earlier run, a calibration, or honestly unknown. Never waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from backend.types import Pace, RunSpec
from tests.runs.conftest import MakeRoom, Room
from tests.runs.fakes import DATASET
from tests.runs.gate import Gate

SPEC = RunSpec(DATASET.dataset_id, accelerator="cpu", max_epochs=10)


class FakeCalibrate:
    def __init__(self, seconds: float = 2.0) -> None:
        self.asked: list[int] = []
        self.ended = 0
        self.gate: Gate | None = None
        self.seconds = seconds

    def __call__(self, spec: RunSpec, n_obs: int, n_vars: int, density: float) -> Pace:
        self.asked.append(spec.batch_size)
        if self.gate:
            self.gate()
        self.ended += 1
        return Pace(self.seconds, 3.0)


@pytest.fixture
def calibrate() -> FakeCalibrate:
    return FakeCalibrate()


@pytest.fixture
def threaded(make_room: MakeRoom, calibrate: FakeCalibrate) -> Room:
    room = make_room("thread", calibrate=calibrate)
    room.runs.start()
    room.settle()  # the look into the empty queue is over
    return room


def test_an_unknown_speed_is_measured_in_the_background_and_remembered(
    threaded: Room, calibrate: FakeCalibrate, make_room: MakeRoom
) -> None:
    calibrate.gate = Gate()
    first = threaded.runs.estimate(SPEC)  # answers while the calibration hangs
    assert (first.source, first.seconds_per_epoch, first.seconds_total) == ("measuring", None, None)
    assert first.fits
    assert first.memory_bytes > 0
    calibrate.gate.open()
    threaded.settle()
    second = threaded.runs.estimate(SPEC)
    assert second.source == "calibration"
    assert second.seconds_total == pytest.approx(20)
    assert second.seconds_in_all == pytest.approx(23)
    threaded.close()
    after = make_room("thread", calibrate=calibrate)
    assert after.runs.estimate(SPEC).source == "calibration"
    assert calibrate.asked == [128]


def test_more_cells_take_longer_in_proportion(threaded: Room) -> None:
    threaded.runs.estimate(SPEC)
    threaded.settle()
    threaded.datasets.there["d2"] = DATASET.replace(dataset_id="d2", n_obs=70_000)
    more = threaded.runs.estimate(SPEC.replace(dataset_id="d2"))
    assert more.source == "calibration"
    assert more.seconds_per_epoch == pytest.approx(200, rel=0.15)


def test_of_many_wanted_measurements_only_the_newest_is_made(
    threaded: Room, calibrate: FakeCalibrate
) -> None:
    calibrate.gate = Gate()
    for size in (128, 256, 512, 1024):
        assert threaded.runs.estimate(SPEC.replace(batch_size=size)).source == "measuring"
        calibrate.gate.wait_until_reached()
    calibrate.gate.open()
    threaded.settle()
    assert calibrate.asked == [128, 1024]


@pytest.mark.parametrize(("last", "measured"), [(128, [128]), (256, [128, 256])])
def test_nothing_is_measured_that_is_no_longer_wanted_or_under_way(
    threaded: Room, calibrate: FakeCalibrate, last: int, measured: list[int]
) -> None:
    calibrate.gate = Gate()
    for size in (128, 256, last):
        threaded.runs.estimate(SPEC.replace(batch_size=size))
        calibrate.gate.wait_until_reached()
    calibrate.gate.open()
    threaded.settle()
    assert calibrate.asked == measured


def test_an_earlier_run_of_the_same_shape_is_better_than_a_calibration(
    threaded: Room, calibrate: FakeCalibrate
) -> None:
    record = threaded.settle(threaded.submit(epochs=4).run_id)
    estimate = threaded.runs.estimate(SPEC)
    assert estimate.source == "earlier run"
    assert estimate.seconds_per_epoch == record.seconds_per_epoch
    assert threaded.runs.estimate(SPEC.replace(n_hidden=256)).source == "measuring"


def test_start_up_and_saving_are_what_earlier_runs_took_besides_their_epochs(threaded: Room) -> None:
    for around, spec in ((5.0, SPEC), (600.0, SPEC), (7.0, SPEC), (90.0, SPEC.replace(engine="stock"))):
        run_id = threaded.settle(threaded.submit(epochs=4, engine=spec.engine).run_id).run_id
        seconds = {"seconds_per_epoch": 2.0, "started_at": 100.0, "ended_at": 108.0 + around}
        threaded.registry.update(run_id, epoch=4, **seconds)  # the second one was paused for ten minutes
    estimate = threaded.runs.estimate(SPEC)
    assert (estimate.seconds_total, estimate.seconds_in_all) == (20.0, 27.0)


def test_nothing_is_measured_beside_a_training(threaded: Room, calibrate: FakeCalibrate) -> None:
    gate = Gate()
    threaded.train.at[1] = gate
    threaded.submit()
    gate.wait_until_reached()
    assert threaded.runs.estimate(SPEC.replace(batch_size=7)).source == "unknown"
    gate.open()
    threaded.settle()
    assert calibrate.asked == []


def test_a_calibration_that_fails_is_not_tried_again(make_room: MakeRoom) -> None:
    asked: list[int] = []

    def broken(*_: Any) -> float:
        asked.append(1)
        raise RuntimeError("no")

    room = make_room("thread", calibrate=broken)
    assert room.runs.estimate(SPEC).source == "measuring"
    room.settle()
    assert room.runs.estimate(SPEC).source == "unknown"
    assert asked == [1]


def test_a_missing_device_has_no_estimate_but_does_not_fail(threaded: Room) -> None:
    assert threaded.runs.estimate(SPEC.replace(accelerator="cuda")).source == "unknown"


def test_memory_comes_on_top_of_what_the_program_has_now(threaded: Room, monkeypatch: Any) -> None:
    gigabyte = 1024**3
    young = threaded.runs.estimate(SPEC)
    monkeypatch.setattr(threaded.devices, "memory", lambda: (3 * gigabyte, gigabyte, 8 * gigabyte))
    threaded.settle()
    old = threaded.runs.estimate(SPEC)
    assert old.memory_bytes > 3 * gigabyte > young.memory_bytes
    assert old.fits  # what is there already need not be found again
    monkeypatch.setattr(threaded.devices, "memory", lambda: (3 * gigabyte, 1000, 8 * gigabyte))
    assert not threaded.runs.estimate(SPEC).fits


def test_what_holds_up_the_next_run_is_known(threaded: Room, calibrate: FakeCalibrate) -> None:
    calibrate.gate = Gate()
    threaded.runs.estimate(SPEC)
    calibrate.gate.wait_until_reached()
    assert threaded.runs.holds_up() == "measuring the speed of this computer"
    calibrate.gate.open()
    threaded.settle()
    assert threaded.runs.holds_up() == ""


def test_auto_is_estimated_as_the_device_it_stands_for(threaded: Room) -> None:
    threaded.settle(threaded.submit(epochs=4).run_id)
    assert threaded.runs.estimate(SPEC.replace(accelerator="auto")).source == "earlier run"


def test_nothing_is_measured_beside_a_training_on_the_calling_thread(
    make_room: MakeRoom, calibrate: FakeCalibrate
) -> None:
    room = make_room("thread", calibrate=calibrate)
    room.runs.start(work=False)
    calibrate.gate = Gate()
    assert room.runs.estimate(SPEC).source == "measuring"
    calibrate.gate.wait_until_reached()
    begun: list[str] = []

    def look() -> None:
        begun.append("measured" if calibrate.ended else "beside a measurement")
        begun.append(room.runs.estimate(SPEC.replace(batch_size=7)).source)

    room.train.at[1] = look
    run_id = room.submit(epochs=1).run_id
    threading.Timer(0.05, calibrate.gate.open).start()
    room.runs.run_here(run_id)
    assert begun == ["measured", "unknown"]
    assert calibrate.asked == [128]
    room.settle()
    assert room.runs.estimate(SPEC.replace(batch_size=7)).source == "measuring"
