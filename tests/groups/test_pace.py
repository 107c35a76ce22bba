"""How long a sweep will take, from as little as two measured sizes of a kind."""

from __future__ import annotations

import pytest

from backend.groups._progress import Pace
from backend.types import Estimate, RunRecord, RunSpec, RunStatus


def spec(size: int, engine: str = "stock") -> RunSpec:
    return RunSpec("d", accelerator="cpu", batch_size=size, engine=engine, max_epochs=10, train_size=1.0)


def one_epoch(size: int) -> float:
    """A minibatch costs 10 ms, and 1 ms for each of its cells."""
    return 1024 // size * (0.010 + 0.001 * size)


class Estimator:
    def __init__(self, known: dict[int, float], source: str = "calibration") -> None:
        self.known, self.source, self.asked = known, source, [0]

    def __call__(self, spec: RunSpec) -> Estimate:
        self.asked.append(spec.batch_size)
        seconds = self.known.get(spec.batch_size)
        return Estimate(seconds, None, 0, 1, self.source if seconds is None else "calibration")


def test_sizes_between_two_measured_ones_are_interpolated() -> None:
    pace, sizes = Pace(1024), (64, 128, 256, 512)
    estimator = Estimator({64: one_epoch(64), 512: one_epoch(512)})
    pace.ask([spec(size) for size in sizes], estimator)
    assert estimator.asked == [0, 64, 512]  # two are enough
    for size in sizes:
        assert pace.seconds(spec(size)) == pytest.approx(10 * one_epoch(size))
    assert pace.total(map(spec, sizes)) == pytest.approx(10 * sum(map(one_epoch, sizes)))


def test_what_is_not_measured_yet_is_not_guessed() -> None:
    pace = Pace(1024)
    pace.ask([spec(64), spec(64, "fused")], Estimator({}, "measuring"))
    assert pace.measuring
    assert pace.total([spec(64)]) is None


def test_runs_of_the_group_itself_count_with_their_warm_up() -> None:
    pace = Pace(1024)
    done = RunRecord("r", spec(128), RunStatus.FINISHED, "r", 0.0, elapsed=24.0, epoch=10, n_obs=1024)
    pace.learn([done])
    estimator = Estimator({})
    pace.ask([spec(256)], estimator)
    assert estimator.asked == [0]  # its kind is known
    assert pace.seconds(spec(128)) == pytest.approx(24.0)
    assert pace.seconds(spec(256)) == pytest.approx(24.0)  # the same for a cell, as long as one size is known
