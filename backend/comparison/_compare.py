"""Records and curves of some runs -> ``Comparison``. Pure: reads nothing but its arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..types import ComparedRun, Comparison, Curves, RunRecord
from ._differences import differences, labels
from ._fairness import INCOMPARABLE, findings, setting_key
from ._settings import choose, front, settings_of
from ._summary import summary, time_to
from ._verdict import recommendation, verdict, why

USEFUL_EPOCHS = 25
_LEARNED = 0.2  # of the lowest loss above it: more is divergence; the slowest sizes of real sweeps are within a tenth


def compare_runs(
    records: Sequence[RunRecord],
    curves: Mapping[str, Curves],
    *,
    metric: str = "validation_loss",
    target: float | None = None,
    reference: str = "",
    projected_epochs: int = USEFUL_EPOCHS,
) -> Comparison:
    """Compare ``records``, whose curves are given by run id.

    Parameters
    ----------
    target
        A value of ``metric``; by default the lowest that every run with such values reaches.
    reference
        The run that speed-ups refer to; by default the one with the slowest epochs.
    """
    names = labels(records)
    runs = [
        summary(record, curves[record.run_id], name, metric, projected_epochs)
        for record, name in zip(records, names, strict=True)
    ]
    found = findings(records, {r.run_id: name for r, name in zip(records, names, strict=True)}, curves)
    comparable = not any(finding.code in INCOMPARABLE for finding in found)
    aim = target if target is not None else _reached_by_all(runs) if comparable else None
    slow = reference if any(r.run_id == reference and r.steady_seconds for r in runs) else _slowest(runs)
    base = next((run.steady_seconds for run in runs if run.run_id == slow), None)
    runs = [_beside_the_others(run, curves[run.run_id], metric, aim, base) for run in runs]
    chosen = None
    if comparable:
        settings = settings_of(
            runs, [setting_key(record) for record in records], labels(records, with_seeds=False)
        )
        if len(settings) > 1:
            chosen = choose(settings)
            settings = [setting.replace(recommended=setting is chosen.recommended) for setting in settings]
            chosen = replace(chosen, recommended=next(setting for setting in settings if setting.recommended))
        runs = _with_front(runs)
    else:
        settings = []
    there = [run for run in runs if run.time_to_target is not None]
    ranked = sorted((run for run in runs if run.on_front), key=lambda run: run.total_seconds)
    return Comparison(
        runs=tuple(runs),
        differences=differences(records),
        findings=found if len(records) > 1 else (),
        settings=tuple(settings),
        metric=metric,
        target=aim,
        target_chosen=target is not None,
        reference=slow,
        front=tuple(run.run_id for run in ranked),
        winner=_first(there) if comparable and len(runs) > 1 else "",
        recommended=chosen.recommended.run_ids[0] if chosen else "",
        verdict=verdict(
            runs,
            found,
            chosen,
            metric=metric,
            target=aim if len(there) or target is not None else None,
            reference=slow,
            projected_epochs=projected_epochs,
        ),
        recommendation=recommendation(chosen, metric) if chosen else "",
        why=why(chosen, metric) if chosen else "",
        projected_epochs=projected_epochs,
    )


def _reached_by_all(runs: Sequence[ComparedRun]) -> float | None:
    """The worst of the best values among runs that learned, rounded up so that a person can read it."""
    values = [run.best for run in runs if run.best is not None]
    if not values:
        return None
    least = min(values)
    return math.ceil(max(value for value in values if value <= least + _LEARNED * abs(least)) * 100) / 100


def _slowest(runs: Sequence[ComparedRun]) -> str:
    timed = [run for run in runs if run.steady_seconds]
    return max(timed, key=lambda run: run.steady_seconds or 0.0).run_id if timed else ""


def _beside_the_others(
    run: ComparedRun, curves: Curves, metric: str, target: float | None, base: float | None
) -> ComparedRun:
    reached = time_to(curves[metric], target) if target is not None else None
    return run.replace(
        time_to_target=reached[0] if reached else None,
        target_epoch=reached[1] if reached else None,
        speed_up=base / run.steady_seconds if base and run.steady_seconds else None,
    )


def _with_front(runs: list[ComparedRun]) -> list[ComparedRun]:
    placed = [run for run in runs if run.last is not None and run.total_seconds > 0]
    on = front([(run.total_seconds, run.last or 0.0) for run in placed])
    ids = {run.run_id for run, on_front in zip(placed, on, strict=True) if on_front}
    return [run.replace(on_front=run.run_id in ids) for run in runs]


def _first(there: Sequence[ComparedRun]) -> str:
    """Who was at the target first; nobody where two arrived together."""
    order = sorted(there, key=lambda run: run.time_to_target or 0.0)
    if not order or (len(order) > 1 and order[0].time_to_target == order[1].time_to_target):
        return ""
    return order[0].run_id
