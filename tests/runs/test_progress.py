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
        "last_validation": 7.0,
        "judged_by": "validation_loss",
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


def test_a_run_is_judged_by_the_elbo_and_not_by_a_loss_whose_weight_rises() -> None:
    """The weighted loss is lowest while the KL part hardly counts: its lowest value says nothing of the model."""
    progress = Progress()
    for epoch, (elbo, weighted) in enumerate([(900.0, 860.0), (880.0, 870.0), (881.0, 881.0)], 1):
        progress.add(
            [
                MetricPoint("validation_loss", epoch, weighted, float(epoch)),
                MetricPoint("elbo_validation", epoch, elbo, float(epoch)),
            ]
        )
    found = progress.fields()
    assert (found["best_validation"], found["best_epoch"], found["last_validation"]) == (880.0, 2, 881.0)
    assert found["judged_by"] == "elbo_validation"
