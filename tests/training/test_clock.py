"""Time in which the computer slept or the program was suspended is no training time; being busy is not sleeping."""

from __future__ import annotations

import pytest

from backend.training._clock import AwakeClock


class Machine:
    def __init__(self) -> None:
        self.now, self.worked = 100.0, 5.0

    def passes(self, seconds: float, share: float) -> None:
        """``share``: of the time, that this process used a processor."""
        self.now += seconds
        self.worked += share * seconds


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> AwakeClock:
    return AwakeClock(lambda: machine.now, lambda: machine.worked)


def test_suspended_time_is_left_out_and_known(machine: Machine, clock: AwakeClock) -> None:
    start = clock()
    machine.passes(2, 1.0)
    clock()
    machine.passes(3600, 0.0)
    assert clock() - start == 2
    machine.passes(1, 0.9)
    assert clock() - start == 3
    assert clock.suspended == 3600


@pytest.mark.parametrize(
    ("seconds", "share"),
    [(60, 1.0), (60, 0.15), (2.5, 0.0)],
    ids=["a library that holds the interpreter", "a busy machine", "a short wait"],
)
def test_what_takes_long_is_not_taken_for_sleep(
    machine: Machine, clock: AwakeClock, seconds: float, share: float
) -> None:
    start = clock()
    machine.passes(seconds, share)
    assert clock() - start == seconds
    assert clock.suspended == 0


def test_a_wait_for_a_device_is_not_sleep_because_somebody_looks(machine: Machine, clock: AwakeClock) -> None:
    start = clock()
    for _ in range(40):  # the thread, twice a second, while the device computes
        machine.passes(0.5, 0.0)
        clock()
    assert clock() - start == 20
