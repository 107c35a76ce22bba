"""Records and curves of some runs -> ``Comparison``. Pure: reads nothing but its arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..types import ComparedRun, ComparedSetting, Comparison, Curves, RunRecord
from ._differences import differences, labels, same_setting
from ._fairness import FINAL_LOSS, TARGET, TOTAL_TIME, can_be_ranked, comparable, findings
from ._summary import summary, time_to
from ._verdict import Spread, as_fast, choose, front, recommendation, settings_of, verdict, why

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
    called = {record.run_id: name for record, name in zip(records, names, strict=True)}
    found = findings(records, called, curves, metric)
    holds = comparable(found)
    aim = target if target is not None else _reached_by_all(runs) if TARGET in holds else None
    slow = reference if any(r.run_id == reference and r.steady_seconds for r in runs) else _slowest(runs)
    base = next((run.steady_seconds for run in runs if run.run_id == slow), None)
    runs = [_beside_the_others(run, curves[run.run_id], metric, aim, base) for run in runs]
    choice = None
    settings: list[ComparedSetting] = []
    if FINAL_LOSS in holds and TOTAL_TIME in holds:
        places = [n for n, record in enumerate(records) if can_be_ranked(record)]
        of_settings = labels(records, with_seeds=False)
        ranked = [runs[n] for n in places]
        settings = settings_of(
            ranked, [same_setting(records[n]) for n in places], [of_settings[n] for n in places]
        )
        if len(settings) > 1:
            choice = choose(settings)
            settings = [setting.replace(recommended=setting == choice.recommended) for setting in settings]
        runs = _with_front(runs, {run.run_id for run in ranked})
    recommended = choice.recommended if choice else None
    return Comparison(
        runs=tuple(runs),
        differences=differences(records),
        findings=found if len(records) > 1 else (),
        comparable=holds,
        settings=tuple(settings),
        metric=metric,
        target=aim,
        target_chosen=target is not None,
        reference=slow,
        front=tuple(run.run_id for run in sorted(runs, key=lambda run: run.total_seconds) if run.on_front),
        winner=_first(records, runs) if TARGET in holds else "",
        recommended=recommended.run_ids[0] if recommended else "",
        verdict=verdict(
            runs,
            found,
            choice,
            holds,
            metric=metric,
            target=aim,
            reference=slow,
            projected_epochs=projected_epochs,
        ),
        recommendation=recommendation(choice, metric) if choice and recommended else "",
        why=why(choice, metric) if choice and recommended else "",
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


def _with_front(runs: list[ComparedRun], ranked: set[str]) -> list[ComparedRun]:
    placed = [run for run in runs if run.run_id in ranked and run.last is not None and run.total_seconds > 0]
    on = front([(run.total_seconds, run.last or 0.0) for run in placed])
    ids = {run.run_id for run, on_front in zip(placed, on, strict=True) if on_front}
    return [run.replace(on_front=run.run_id in ids) for run in runs]


def _first(records: Sequence[RunRecord], runs: Sequence[ComparedRun]) -> str:
    """The first at the target, of the setting that is there first; nobody where that could be noise."""
    arrivals: dict[object, list[ComparedRun]] = {}
    for record, run in zip(records, runs, strict=True):
        arrivals.setdefault(same_setting(record), []).append(run)
    there = [
        (Spread.of(times), members)
        for members in arrivals.values()
        if len(times := [run.time_to_target for run in members if run.time_to_target is not None])
        == len(members)
    ]
    there.sort(key=lambda one: one[0].mean)
    if not there or len(arrivals) < 2 or (len(there) > 1 and as_fast(there[0][0], there[1][0])):
        return ""
    return min(there[0][1], key=lambda run: run.time_to_target or 0.0).run_id
