"""How busy the machine was is measured during a run, from the machine's own counters."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backend.workers._conditions import Conditions, ThisMachine, _throttle_events


class Machine:
    """Two cores; time passes when told to."""

    def __init__(self, **facts: Any) -> None:
        self.now = self.busy_seconds = self.own_seconds = 0.0
        self.said = facts
        self.looks = 0

    def cores(self) -> int:
        return 2

    def busy(self) -> float:
        self.looks += 1
        return self.busy_seconds

    def own(self) -> float:
        return self.own_seconds

    def facts(self) -> dict[str, Any]:
        return dict(self.said)

    def clock(self) -> float:
        return self.now

    def pass_time(self, seconds: float, own: float, others: float) -> None:
        """``own`` and ``others`` are cores kept busy."""
        self.now += seconds
        self.own_seconds += own * seconds
        self.busy_seconds += (own + others) * seconds


def watched(machine: Machine, earlier: dict[str, Any] | None = None) -> Conditions:
    conditions = Conditions(earlier, machine, machine.clock)
    conditions.sample()
    return conditions


def test_what_other_programs_used_is_what_was_not_our_own() -> None:
    machine = Machine()
    conditions = watched(machine)
    for others in (0.0, 0.4, 0.8):
        machine.pass_time(10, own=1.2, others=others)
        conditions.sample()
    said = conditions.fields()
    assert said["other_load"] == pytest.approx(0.2)  # of both cores
    assert said["other_load_max"] == pytest.approx(0.4)
    assert (said["cores"], said["watched_seconds"]) == (2, 30)
    assert "on_battery" not in said  # not known: not said
    assert "throttled" not in said


def test_looking_is_rare_and_the_end_of_a_short_run_is_seen() -> None:
    machine = Machine()
    conditions = watched(machine)
    for _ in range(100):
        machine.pass_time(0.01, own=1, others=1)
        conditions.sample()
    assert machine.looks == 1
    assert conditions.fields()["other_load"] == pytest.approx(0.5)


def test_a_resumed_run_remembers_its_earlier_sessions() -> None:
    first = Machine(on_battery=True, throttle_events=1)
    earlier = watched(first)
    first.said["throttle_events"] = 2
    first.pass_time(10, own=1, others=1)
    said = earlier.fields()
    assert (said["on_battery"], said["throttled"]) == (True, True)
    second = Machine(on_battery=False, throttle_events=2)
    later = watched(second, said)
    second.pass_time(30, own=1, others=0)
    assert later.fields()["other_load"] == pytest.approx(0.125)
    assert (later.fields()["on_battery"], later.fields()["throttled"]) == (True, True)


def test_this_machine_has_counters_that_grow() -> None:
    machine = ThisMachine()
    before = machine.busy(), machine.own()
    sum(n * n for n in range(3_000_000))
    assert machine.busy() > before[0]
    assert machine.own() > before[1]
    assert machine.facts()["load_average"] >= 0
    assert machine.cores() == os.cpu_count()


def test_a_machine_that_does_not_tell_its_cores_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_count", lambda: None)
    assert ThisMachine().cores() == 1


def test_heat_and_a_container_that_used_up_its_share_count_as_throttling(tmp_path: Path) -> None:
    assert _throttle_events(tmp_path) is None
    core = tmp_path / "devices/system/cpu/cpu0/thermal_throttle"
    core.mkdir(parents=True)
    (core / "core_throttle_count").write_text("3\n")
    (tmp_path / "fs/cgroup").mkdir(parents=True)
    (tmp_path / "fs/cgroup/cpu.stat").write_text("usage_usec 5\nnr_throttled 4\n")
    assert _throttle_events(tmp_path) == 7
