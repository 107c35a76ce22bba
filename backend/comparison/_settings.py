"""Runs that differ in their seed alone are one setting; which settings no other beats; which to recommend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from ..types import ComparedRun, ComparedSetting

TOLERANCE = 0.005  # of the loss: what counts as equally good where the noise is not known


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For each (seconds, loss): is no other both as fast and as good, and better in one of the two?"""
    return [
        not any(other[0] <= point[0] and other[1] <= point[1] and other != point for other in points)
        for point in points
    ]


def settings_of(
    runs: Sequence[ComparedRun], keys: Sequence[object], labels: Sequence[str]
) -> list[ComparedSetting]:
    """One a setting, in the order of the runs; those without time or loss are left out.

    ``labels``: of each run, without its seed.
    """
    gathered: dict[object, list[ComparedRun]] = {}
    names: dict[object, str] = {}
    for run, key, label in zip(runs, keys, labels, strict=True):
        if run.last is not None and run.total_seconds > 0:
            gathered.setdefault(key, []).append(run)
            names.setdefault(key, label)
    made = [_setting(members, names[key]) for key, members in gathered.items()]
    on_front = front([(setting.seconds, setting.loss) for setting in made])
    return [setting.replace(on_front=on) for setting, on in zip(made, on_front, strict=True)]


def _setting(members: list[ComparedRun], label: str) -> ComparedSetting:
    seconds = [run.total_seconds for run in members]
    losses = [run.last for run in members if run.last is not None]
    steady = [run.steady_seconds for run in members if run.steady_seconds is not None]
    several = len(members) > 1
    return ComparedSetting(
        label=label if several else members[0].label,
        run_ids=tuple(run.run_id for run in members),
        seeds=tuple(run.seed for run in members),
        seconds=mean(seconds),
        seconds_sd=stdev(seconds) if several else None,
        loss=mean(losses),
        loss_sd=stdev(losses) if several else None,
        steady_seconds=mean(steady) if steady else None,
    )


@dataclass(frozen=True)
class Choice:
    """The recommended setting, the one with the lowest loss, and whether noise could explain the difference."""

    recommended: ComparedSetting
    best: ComparedSetting
    within_noise: bool | None  # None: seeds too few to tell


def choose(settings: Sequence[ComparedSetting]) -> Choice:
    """The fastest whose loss is as good as the best one's, as far as can be told."""
    best = min(settings, key=lambda setting: setting.loss)
    as_good = [setting for setting in settings if _as_good(setting, best)]
    recommended = min(as_good, key=lambda setting: setting.seconds)
    return Choice(recommended, best, within_noise(recommended, best))


def _as_good(setting: ComparedSetting, best: ComparedSetting) -> bool:
    noise = within_noise(setting, best)
    if noise is not None:
        return noise
    return setting.loss - best.loss <= TOLERANCE * abs(best.loss)


def within_noise(one: ComparedSetting, other: ComparedSetting) -> bool | None:
    """Is the difference of the mean losses less than two of its standard errors? None: too few seeds."""
    if one.loss_sd is None or other.loss_sd is None:
        return None
    error = sqrt(one.loss_sd**2 / len(one.run_ids) + other.loss_sd**2 / len(other.run_ids))
    return abs(one.loss - other.loss) <= 2 * error
