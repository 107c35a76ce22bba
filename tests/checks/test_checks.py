"""Checks of this computer: made once, kept, canceled, and said with the runs they concern."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.checks import Checks
from backend.errors import BadInput, DeviceUnavailable
from backend.jobs import JobBoard
from backend.registry import RunRegistry
from backend.types import Accelerator, DeviceCheck, Finding, JobState, PrecisionEffect, RunSpec, Speed
from backend.words import sentence
from backend.workers import Executor, make_executor

CPU = Accelerator("cpu", "CPU", True, "Some processor")
MPS = Accelerator("mps", "Apple GPU (MPS)", True, "Some GPU")
CUDA = Accelerator("cuda", "NVIDIA GPU (CUDA)", False, reason="None here.")
SPEC = RunSpec("d1", accelerator="cpu")


class FakeDevices:
    def accelerators(self) -> list[Accelerator]:
        return [CPU, MPS, CUDA]

    def resolve(self, name: str) -> Accelerator:
        found = next(one for one in self.accelerators() if one.name == name)
        if not found.available:
            raise DeviceUnavailable("None here. Buy one.")
        return found

    def bfloat16_obstacle(self, name: str) -> str:
        return ""


def found(name: str, *, passed: bool = True, speed: float = 1000.0) -> DeviceCheck:
    findings = (Finding("fused", "zinb", True, 1e-7, 1e-7), Finding("fused", "nb", passed, 1e-7, 0.5))
    speeds = (Speed("stock", 128, 100.0), Speed("fused", 512, speed)) if passed else ()
    return DeviceCheck(name, "it", 1e9, 12.0, findings, speeds, 10_000, 0.08, 512 if passed else None)


class Room:
    """Checks whose measuring is made up: ``results`` by device, ``meanwhile`` is called in the middle."""

    def __init__(self, path: Path, kind: str = "inline") -> None:
        self.registry = RunRegistry(path)
        self.registry.open()
        self.executor: Executor = make_executor(kind)
        self.jobs = JobBoard(path.parent / "jobs", self.executor)
        self.results: dict[str, Any] = {"cpu": found("cpu"), "mps": found("mps")}
        self.meanwhile: Callable[[], Any] = lambda: None
        self.asked: list[str] = []
        self.checks = self.on(threads=2)

    def on(self, threads: int | None) -> Checks:
        """The same workspace, as a start with another number of threads sees it."""
        return Checks(
            self.registry,
            self.jobs,
            FakeDevices(),
            lambda dataset_id: dataset_id,  # type: ignore[arg-type, return-value]
            threads,
            check=self._check,
            measure=self._measure,
        )

    def _check(self, name: str, device_name: str, on_step: Callable[[float, str], None]) -> DeviceCheck:
        self.asked.append(name)
        on_step(0.5, "half way")
        self.meanwhile()
        on_step(0.9, "nearly there")
        result = self.results[name]
        if isinstance(result, Exception):
            raise result
        return result

    def _measure(self, spec: RunSpec, dataset: Any, on_step: Callable[[float, str], None]) -> PrecisionEffect:
        return PrecisionEffect(1e9, 1e-5, 1e-3, 0.8, spec.batch_size)

    def close(self) -> None:
        self.executor.close()
        self.registry.close()


@pytest.fixture
def make_room(tmp_path: Path) -> Iterator[Callable[..., Room]]:
    rooms: list[Room] = []

    def make(kind: str = "inline") -> Room:
        rooms.append(Room(tmp_path / "registry.sqlite3", kind))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    return make_room()


def test_what_was_found_is_there_at_the_next_start(room: Room) -> None:
    assert room.checks.device("cpu") is None
    room.checks.check_device("cpu")
    assert room.checks.device("cpu") == found("cpu")
    assert room.on(threads=2).device("cpu") == found("cpu")
    assert room.checks.state("cpu") is None


def test_the_memory_of_a_check_is_given_back_even_when_it_fails(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr("backend.checks.give_back_memory", lambda: given.append(1))
    room.checks.check_device("cpu")
    room.results["mps"] = RuntimeError("lost")
    room.checks.check_device("mps")
    room.checks.measure_precision(SPEC)
    assert len(given) == 3


def test_another_number_of_threads_wants_a_check_of_its_own(room: Room) -> None:
    room.checks.check_device("cpu")
    assert room.on(threads=1).device("cpu") is None


def test_a_device_that_is_not_there_is_refused(room: Room) -> None:
    with pytest.raises(DeviceUnavailable):
        room.checks.check_device("cuda")


def test_progress_is_told_and_a_second_click_begins_nothing(room: Room) -> None:
    seen = []

    def look() -> None:
        seen.append(room.checks.state("cpu"))
        seen.append(room.checks.check_device("cpu"))
        seen.append(room.checks.busy())

    room.meanwhile = look
    room.checks.check_device("cpu")
    state, again, busy = seen
    assert (state.progress, state.phase) == (0.5, "half way")
    assert again == state
    assert busy == "checking a device"
    assert (room.asked, room.checks.busy()) == (["cpu"], "")


def test_a_canceled_check_leaves_what_was_known(room: Room) -> None:
    room.checks.check_device("cpu")
    room.results["cpu"] = found("cpu", speed=5.0)
    room.meanwhile = lambda: room.checks.cancel("cpu")
    room.checks.check_device("cpu")
    assert room.checks.device("cpu") == found("cpu")
    assert room.checks.state("cpu") is None
    room.meanwhile = lambda: None
    room.checks.check_device("cpu")  # and it can be begun again
    assert room.checks.device("cpu") == found("cpu", speed=5.0)


def test_a_check_canceled_while_it_waits_never_begins(make_room: Callable[..., Room]) -> None:
    room = make_room("thread")
    gate = threading.Event()
    room.executor.submit(lambda: gate.wait(20))
    assert room.checks.check_device("cpu").state is JobState.WAITING
    room.checks.cancel("cpu")
    gate.set()
    room.executor.submit(lambda: None).result(20)
    assert room.asked == []


def test_a_check_that_cannot_be_done_says_why_until_it_is_tried_again(room: Room) -> None:
    room.results["mps"] = BadInput("The GPU went away.")
    room.checks.check_device("mps")
    state = room.checks.state("mps")
    assert state is not None
    assert state.problem is not None
    assert state.problem.message == "The GPU went away."
    room.results["mps"] = found("mps")
    room.checks.check_device("mps")
    assert room.checks.state("mps") is None


def test_closing_ends_what_is_under_way(room: Room) -> None:
    room.meanwhile = room.jobs.close
    room.checks.check_device("cpu")
    assert room.checks.device("cpu") is None


def test_the_fastest_device_that_passed_is_recommended(room: Room) -> None:
    assert room.checks.recommendation() is None
    room.checks.check_device("cpu")
    assert room.checks.recommendation() == found("cpu")
    room.results["mps"] = found("mps", speed=9000.0)
    room.checks.check_device("mps")
    assert room.checks.recommendation() == room.results["mps"]
    room.results["mps"] = found("mps", passed=False)
    room.checks.check_device("mps")
    assert room.checks.recommendation() == found("cpu")


def test_a_run_on_a_gpu_that_was_never_checked_is_told(room: Room) -> None:
    assert room.checks.caution("cpu") == ()
    (caution,) = room.checks.caution("mps")
    assert caution.severity == "warning"
    assert "Apple GPU (MPS)" in sentence(caution)
    assert "Devices page" in sentence(caution)
    room.checks.check_device("mps")
    assert room.checks.caution("mps") == ()


@pytest.mark.parametrize("name", ["cpu", "mps"])
def test_a_run_on_a_device_that_failed_is_told_what_came_out_wrong(room: Room, name: str) -> None:
    room.results[name] = found(name, passed=False)
    room.checks.check_device(name)
    (caution,) = room.checks.caution(name)
    assert (caution.severity, caution.params["wrong"]) == ("warning", ["nb (fused)"])
    assert "failed its self-check" in sentence(caution)


def test_the_effect_of_a_precision_belongs_to_the_settings_it_was_measured_with(room: Room) -> None:
    room.checks.measure_precision(SPEC)
    effect = room.checks.precision(SPEC)
    assert effect is not None
    assert (effect.speed, effect.worth_it) == (0.8, False)
    assert room.checks.precision(SPEC.replace(max_epochs=77)) == effect
    assert room.checks.precision(SPEC.replace(batch_size=512)) is None
    assert room.checks.precision(SPEC.replace(engine="stock")) is None
