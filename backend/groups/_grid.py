"""From a ``SweepPlan`` to the specs of its runs, and from two changes to those of a duel. Pure.

The order of a sweep: seed by seed, so that the first pass gives a whole table; within a seed size by size with the
engines and devices next to each other, so that a machine that slows down slows all contestants alike.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import BadInput
from ..training import learning_rate, training_cells
from ..types import Accelerator, Notice, RunSpec, SweepPlan, notice, settings_of
from ..words import count, counted, sentence

MAX_RUNS = 200
_BASE_RATE = 1e-3  # what ``learning_rate`` gives at 128 cells
_SETTINGS = settings_of(RunSpec)
_AXES = {  # of a plan: the setting it gives values for
    "batch_sizes": "batch_size",
    "lr_rules": "lr_rule",
    "accelerators": "accelerator",
    "engines": "engine",
    "seeds": "seed",
}
FREE = frozenset(_SETTINGS) - {"dataset_id", "dataset_name", *_AXES.values()}
_CHANGEABLE = frozenset(_SETTINGS) - {"dataset_name"}
Contestants = tuple[dict[str, Any], dict[str, Any]]  # what each of two runs changes


def same_run(spec: RunSpec) -> RunSpec:
    """Equal for specs that train the same model in the same way: a rule matters only by its rate."""
    return spec.replace(lr_rule="", dataset_name="")


def grid(
    plan: SweepPlan, n_obs: int, check: Callable[[RunSpec], RunSpec]
) -> tuple[list[RunSpec], tuple[Notice, ...]]:
    """The specs as they will be executed, each once, and what was left out.

    Raises
    ------
    BadInput
        What ``check`` refuses, an empty axis, an unknown setting, too many runs, or no size that fits.
    """
    _check_axes(plan)
    specs: dict[RunSpec, RunSpec] = {}
    too_large: dict[int, int] = {}
    for spec in _points(plan):
        spec = check(spec)
        cells = training_cells(spec.train_size, n_obs)
        if spec.batch_size > cells:
            too_large[spec.batch_size] = cells
        else:
            specs.setdefault(same_run(spec), spec)
    notices = _left_out({size: cells for size, cells in too_large.items() if size not in _sizes(specs)})
    if not specs:
        raise BadInput(
            f"No minibatch size fits. {sentence(notices[0])} Choose a size up to {count(min(too_large.values()))}."
        )
    return list(specs.values()), notices


def _sizes(specs: Iterable[RunSpec]) -> set[int]:
    return {spec.batch_size for spec in specs}


def _left_out(too_large: dict[int, int]) -> tuple[Notice, ...]:
    """The sizes for which there are too few cells, with how many there are."""
    if not too_large:
        return ()
    return (notice("sizes_left_out", sizes=tuple(sorted(too_large)), cells=max(too_large.values())),)


def union(old: SweepPlan, new: SweepPlan) -> SweepPlan:
    """Both plans' values along every axis, for the record."""
    axes = {axis: _merged(getattr(old, axis), getattr(new, axis)) for axis in _AXES}
    other = {
        name: _merged(
            old.other.get(name, (getattr(old.base, name),)), new.other.get(name, (getattr(new.base, name),))
        )
        for name in {**old.other, **new.other}
    }
    return old.replace(**axes, other=other)


def _merged(one: Iterable[Any], two: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys([*one, *two]))


def _points(plan: SweepPlan) -> Iterable[RunSpec]:
    names = tuple(plan.other)
    axes = (plan.seeds, plan.lr_rules, plan.batch_sizes, plan.accelerators, plan.engines)
    for seed, rule, size, accelerator, engine, *values in itertools.product(*axes, *plan.other.values()):
        frozen = [tuple(value) if isinstance(value, list) else value for value in values]
        changes = dict(zip(names, frozen, strict=True))
        spec = plan.base.replace(
            seed=seed, lr_rule=rule, batch_size=size, accelerator=accelerator, engine=engine, **changes
        )
        yield spec.replace(lr=_rate(spec))


def _rate(spec: RunSpec) -> float | str:
    try:
        return float(f"{learning_rate(spec.batch_size, spec.lr_rule) * spec.lr / _BASE_RATE:.6g}")
    except (TypeError, ValueError):
        return spec.lr  # no number: the check of the spec says so in a sentence


def _check_axes(plan: SweepPlan) -> None:
    for axis, name in _AXES.items():
        if not getattr(plan, axis):
            raise BadInput(f"Choose at least one {_SETTINGS[name].noun}.")
        for value in getattr(plan, axis):
            if problem := _SETTINGS[name].problem_with(value):
                raise BadInput(problem)
    if "manual" in plan.lr_rules:
        raise BadInput("A sweep varies the learning rate by a rule: linear, sqrt or fixed, not 'manual'.")
    for name, values in plan.other.items():
        if name not in FREE:
            raise BadInput(f"There is no setting {name!r} to vary. Choose one of: {', '.join(sorted(FREE))}.")
        if not values:
            raise BadInput(f"Give at least one value for {name}.")
    n_runs = math.prod(len(getattr(plan, axis)) for axis in _AXES) * math.prod(map(len, plan.other.values()))
    if n_runs > MAX_RUNS:
        raise BadInput(
            f"This comes to {counted(n_runs, 'run')}; a sweep has at most {MAX_RUNS}. Choose fewer values."
        )


# --- a duel ---


def suggested_contestants(accelerators: Iterable[Accelerator]) -> Contestants:
    """CPU against the GPU where there is one; where there is none, one engine against the other."""
    gpu = next((one.name for one in accelerators if one.available and one.name != "cpu"), None)
    if gpu is not None:
        return {"accelerator": "cpu"}, {"accelerator": gpu}
    return {"engine": "stock", "accelerator": "cpu"}, {"engine": "fused", "accelerator": "cpu"}


def contestants(
    base: RunSpec, changes: Contestants, check: Callable[[RunSpec], RunSpec]
) -> tuple[RunSpec, RunSpec]:
    if len(changes) != 2:
        raise BadInput(f"A duel has two contestants, not {len(changes)}.")
    for change in changes:
        unknown = sorted(change.keys() - _CHANGEABLE)
        if unknown:
            raise BadInput(f"There is no setting {unknown[0]!r} to change.")
    one, two = (check(base.replace(**change)) for change in changes)
    if same_run(one) == same_run(two):
        raise BadInput("The two contestants are the same. Choose another device, engine or setting for one.")
    return one, two
