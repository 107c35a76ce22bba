"""One run in numbers: its record and its curves become a ``ComparedRun``.

Steady epochs are those that do not also warm up; a target is reached at the end of the first epoch at or below
it, and never in between.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ..types import ComparedRun, Curves, MetricSummary, RunRecord, Series
from ._differences import value_of

LOSSES = (
    "validation_loss",
    "train_loss",
    "elbo_validation",
    "elbo_train",
    "reconstruction_loss_validation",
    "reconstruction_loss_train",
    "kl_local_validation",
    "kl_local_train",
)


def summary(run: RunRecord, curves: Curves, label: str, metric: str, projected_epochs: int) -> ComparedRun:
    """All but what depends on the other runs (target, speed-up, front)."""
    steady, warm_up = curves.steady_seconds or run.seconds_per_epoch, warm_up_seconds(curves)
    metrics = tuple(found for name in LOSSES if (found := _metric(name, curves[name])))
    judged = next((found for found in metrics if found.name == metric), None)
    projected = None
    if steady is not None:
        first = steady if warm_up is None else max(warm_up, steady)
        projected = (run.preparation_seconds or 0.0) + first + steady * (projected_epochs - 1)
    return ComparedRun(
        run_id=run.run_id,
        name=run.name,
        label=label,
        status=run.status.value,
        device=value_of(run, "accelerator"),
        device_name=run.device_name,
        engine=value_of(run, "engine"),
        batch_size=run.spec.batch_size,
        lr=run.spec.lr,
        lr_rule=run.spec.lr_rule,
        seed=run.spec.seed,
        epochs=run.epoch,
        max_epochs=run.spec.max_epochs,
        imported_from=run.imported_from,
        group_id=run.group_id,
        machine=machine(run),
        steady_seconds=steady,
        warm_up_seconds=warm_up,
        preparation_seconds=run.preparation_seconds,
        cells_per_second=_steady_speed(curves) or run.cells_per_second,
        total_seconds=run.elapsed,
        best=judged.best if judged else None,
        best_epoch=judged.best_epoch if judged else None,
        last=judged.last if judged else None,
        projected_seconds=projected,
        metrics=metrics,
    )


def time_to(series: Series, target: float) -> tuple[float, int] | None:
    """Seconds and epoch at the end of the first epoch whose value is at or below ``target``."""
    reached = np.flatnonzero(series.values <= target)
    if not len(reached):
        return None
    return float(series.seconds[reached[0]]), int(series.epoch[reached[0]])


def warm_up_seconds(curves: Curves) -> float | None:
    """The first epoch of the run, where there are steady ones to tell it from."""
    epochs, seconds = curves["epoch_seconds"].finite()
    if len(epochs) < 2 or epochs[0] != 1:
        return None
    return float(seconds[0])


def machine(run: RunRecord) -> str:
    """The computer: processor, cores, system. The same text is the same kind of computer."""
    environment = run.environment
    cores = environment.get("cores")
    parts = [environment.get("cpu", ""), f"{cores} cores" if cores else "", environment.get("platform", "")]
    return ", ".join(part for part in parts if part)


def steady_epochs(curves: Curves, name: str = "epoch_seconds") -> npt.NDArray[np.float64]:
    """A quantity of each epoch, those left out that also warm up."""
    epochs, values = curves[name].finite()
    steady: npt.NDArray[np.float64] = values[~np.isin(epochs, sorted(curves.warm_up_epochs))]
    return steady


def _steady_speed(curves: Curves) -> float | None:
    values = steady_epochs(curves, "cells_per_second")
    if not len(values):
        values = curves["cells_per_second"].finite()[1]
    return float(np.median(values)) if len(values) else None


def _metric(name: str, series: Series) -> MetricSummary | None:
    epochs, values = series.finite()
    if not len(values):
        return None
    best = int(np.argmin(values))
    last = float(values[-1]) if ends_as_number(series) else None
    return MetricSummary(name, float(values[best]), int(epochs[best]), last)


def ends_as_number(series: Series) -> bool:
    """Whether a loss, where there is one, did not end as infinite or not a number."""
    return not len(series) or math.isfinite(series.value[-1])


def still_falling(series: Series) -> float:
    """Part of a loss by which it fell an epoch, over the last few that were validated; never below 0."""
    epochs, values = series.finite()
    if len(values) < 2 or not values[-1]:
        return 0.0
    first = max(0, len(values) - 3)
    fall = (values[first] - values[-1]) / abs(values[-1]) / max(1, epochs[-1] - epochs[first])
    return max(0.0, float(fall))
