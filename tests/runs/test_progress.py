"""What the numbers of a run add up to on its record."""

from __future__ import annotations

from backend.runs._session import Progress
from backend.types import MetricPoint


def test_only_the_numbers_that_are_meant_count() -> None:
    progress = Progress()
    values = {
        "elbo_train": 5e9,
        "memory_bytes": 1000.0,
        "validation_loss": 7.0,
        "zzz": 1.0,
        "warm_up": 0.0,
        "epoch_seconds": 2.0,
        "cells_per_second": 50.0,
    }
    assert progress.add(MetricPoint(name, 2, value, 4.0) for name, value in values.items())
    assert progress.fields() == {
        "epoch": 2,
        "elapsed": 4.0,
        "best_validation": 7.0,
        "best_epoch": 2,
        "seconds_per_epoch": 2.0,
        "cells_per_second": 50.0,
        "peak_memory": 1000,
    }
    assert not progress.add([MetricPoint("train_loss_step", 3, 1.0, 9.0, step=1)])
    assert (progress.fields()["epoch"], progress.fields()["elapsed"]) == (2, 9.0)


def test_a_point_that_comes_twice_changes_nothing() -> None:
    progress = Progress()
    points = [MetricPoint("validation_loss", epoch, 10.0 - epoch, float(epoch)) for epoch in (1, 2, 3)]
    progress.add(points)
    once = progress.fields()
    progress.add(points[1:])
    assert progress.fields() == once
