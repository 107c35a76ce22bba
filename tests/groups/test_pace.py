"""How long a sweep will take, from as little as two measured sizes of a kind."""

from __future__ import annotations

import pytest

from backend.groups._progress import Pace, progress
from backend.types import Estimate, GroupRecord, RunRecord, RunSpec, RunStatus


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


def test_what_is_known_is_not_being_measured() -> None:
    pace = Pace(1024)
    pace.ask([spec(64)], Estimator({64: 1.0}))
    assert not pace.measuring
    assert pace.seconds(spec(64)) == pytest.approx(10)


def test_a_size_far_below_the_measured_ones_still_takes_some_time() -> None:
    """A line through two noisy measurements may go below nothing."""
    pace = Pace(1024)
    pace.ask([spec(512), spec(1024)], Estimator({512: 0.2, 1024: 0.9}))  # 0.1 s and 0.9 s a minibatch
    assert pace.seconds(spec(64)) == pytest.approx(10 * 16 * 0.01)


def member(status: RunStatus, epoch: int, size: int = 128) -> RunRecord:
    elapsed = 2.0 * epoch
    return RunRecord(
        f"{status}-{epoch}", spec(size), status, "r", 0.0, elapsed=elapsed, epoch=epoch, n_obs=1024
    )


def test_the_time_left_is_that_of_epochs_not_trained_yet() -> None:
    runs = [
        member(RunStatus.FINISHED, 10),
        member(RunStatus.STOPPED, 4),
        member(RunStatus.FAILED, 3),
        member(RunStatus.CANCELED, 2),
        member(RunStatus.RUNNING, 7),
        member(RunStatus.INTERRUPTED, 5),
        member(RunStatus.QUEUED, 0),
    ]
    pace = Pace(1024)
    pace.learn(runs[:1])  # 2 s an epoch
    now = progress(GroupRecord("g", "sweep", "g", 0.0), runs, pace, elsewhere=False)
    assert now.seconds_left == pytest.approx(2 * (3 + 5 + 10))
    assert (now.epochs, now.epochs_total) == (31, 10 + 4 + 3 + 2 + 10 + 10 + 10)
    assert (now.total, now.over, now.is_over) == (7, 4, False)
    two = progress(GroupRecord("g", "sweep", "g", 0.0), runs, pace, elsewhere=False, at_once=2)
    assert two.seconds_left == pytest.approx(
        20
    )  # no sooner than its longest run: 36 s of work, 20 of them in one
    unknown = progress(GroupRecord("g", "sweep", "g", 0.0), runs, Pace(1024), elsewhere=False)
    assert unknown.seconds_left is None
    ended = progress(GroupRecord("g", "sweep", "g", 0.0), runs[:4], Pace(1024), elsewhere=False)
    assert (ended.seconds_left, ended.state) == (0.0, "done")
