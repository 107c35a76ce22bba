"""Columns of the cell table as batch key and covariates: refused before a run begins, or with a caution.

    notices = check_values(spec, dataset)       # raises ``BadInput`` with buttons: train without it, use it otherwise

Looks at the values in the prepared file, of the named columns alone, and remembers what it saw.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..columns import read_column
from ..datasets import read_obs
from ..errors import BadInput
from ..types import DatasetRef, Notice, Remedy, RunSpec, notice
from ..words import counted, listed, plural

FEWEST_CELLS = 3  # of a level, below which scvi-tools warns
MOST_OF_CELLS = 0.5  # levels for each cell, from which a column names cells
LARGE = 1_000.0  # a covariate enters the network as it is, beside values near 1
FEW_LEVELS = 20  # numbers with more values are a scale
SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the values of one column are."""

    n_cells: int
    n_missing: int
    n_infinite: int
    is_numbers: bool
    is_scale: bool  # numbers, too many or too fine to be groups
    largest: float  # absolute value
    n_levels: int
    small: tuple[str, ...]  # levels with fewer than ``FEWEST_CELLS`` cells
    examples: tuple[str, ...]


def check_values(spec: RunSpec, dataset: DatasetRef) -> tuple[Notice, ...]:
    """Cautions about the columns that ``spec`` names.

    Raises
    ------
    BadInput
        A value is missing or infinite, or text stands where numbers are meant.
    """
    if not Path(dataset.path).is_file():
        return ()  # said where the cells are opened
    cautions: list[Notice] = []
    groups = [*([spec.batch_key] if spec.batch_key else []), *spec.categorical_covariate_keys]
    for name in groups:
        cautions += _groups(name, _facts(dataset.path, dataset.created_at, name), spec)
    for name in spec.continuous_covariate_keys:
        cautions += _numbers(name, _facts(dataset.path, dataset.created_at, name), spec)
    return tuple(cautions)


def _groups(name: str, facts: _Facts, spec: RunSpec) -> list[Notice]:
    role = "batch key" if name == spec.batch_key else "categorical covariate"
    if facts.n_missing:
        have = plural(facts.n_missing, "has", "have")
        raise BadInput(
            f"{counted(facts.n_missing, 'cell')} {have} no value in {name}; a {role} needs one for every cell. Fill "
            "them with “unknown” on the Data page, or train without this column.",
            remedies=(
                _without(name, spec),
                Remedy('Fill missing values with "unknown"', "prepare", {"fill_missing": [name]}),
            ),
        )
    cautions = []
    if facts.n_levels < 2:
        cautions.append(notice("one_level", severity="warning", column=name, role=role))
    elif facts.n_levels > max(FEW_LEVELS, MOST_OF_CELLS * facts.n_cells):
        cautions.append(
            notice("names_cells", severity="warning", column=name, levels=facts.n_levels, cells=facts.n_cells)
        )
    elif facts.is_scale:
        cautions.append(notice("number_as_category", severity="warning", column=name, levels=facts.n_levels))
    elif facts.small:
        some = facts.small[:SHOWN]
        cautions.append(
            notice(
                "small_levels",
                severity="warning",
                column=name,
                n=len(facts.small),
                fewest=FEWEST_CELLS,
                levels=some,
            )
        )
    return cautions


def _numbers(name: str, facts: _Facts, spec: RunSpec) -> list[Notice]:
    if not facts.is_numbers:
        some = listed([f"“{one}”" for one in facts.examples]) or "nothing"
        raise BadInput(
            f"{name} holds text ({some}), and a continuous covariate must be numbers. Use it as a categorical "
            "covariate, or train without it.",
            remedies=(_as_categorical(name, spec), _without(name, spec)),
        )
    kinds = ((facts.n_missing, "no value"), (facts.n_infinite, "an infinite value"))
    wrong = [f"{counted(n, 'cell')} {plural(n, 'has', 'have')} {what}" for n, what in kinds if n]
    if wrong:
        raise BadInput(
            f"{listed(wrong)} in {name}; a continuous covariate needs a number for every cell. Mend the column where "
            "it comes from, or train without it.",
            remedies=(_without(name, spec),),
        )
    if facts.n_levels < 2:
        return [notice("one_level", severity="warning", column=name, role="continuous covariate")]
    return (
        [notice("large_covariate", severity="warning", column=name, largest=facts.largest)]
        if facts.largest > LARGE
        else []
    )


def _without(name: str, spec: RunSpec) -> Remedy:
    if name == spec.batch_key:
        changes: dict[str, Any] = {"batch_key": None}
        if spec.dispersion == "gene-batch":
            changes["dispersion"] = "gene"
        return Remedy("Train without it", "resubmit", changes)
    lists = ("categorical_covariate_keys", "continuous_covariate_keys")
    changes = {field: [one for one in getattr(spec, field) if one != name] for field in lists}
    return Remedy("Train without it", "resubmit", changes)


def _as_categorical(name: str, spec: RunSpec) -> Remedy:
    changes = _without(name, spec).changes
    changes["categorical_covariate_keys"] = [*changes["categorical_covariate_keys"], name]
    return Remedy("Use it as a categorical covariate", "resubmit", changes)


@functools.lru_cache(maxsize=256)
def _facts(path: str, created_at: float, name: str) -> _Facts:
    """``created_at`` tells a file that was prepared again from the one before."""
    values = read_obs(path, name)
    plain, groups = read_column(values, name), read_column(values, name, as_groups=True)
    numbers = plain.numbers
    infinite = np.isinf(numbers) if numbers is not None else np.zeros(0, bool)
    finite = numbers[np.isfinite(numbers)] if numbers is not None else np.zeros(0)
    small = [level for level, n in zip(groups.levels, groups.counts, strict=True) if n < FEWEST_CELLS]
    return _Facts(
        n_cells=len(values),
        n_missing=groups.n_missing if numbers is None else int(np.isnan(numbers).sum()),
        n_infinite=int(infinite.sum()),
        is_numbers=numbers is not None,
        is_scale=plain.kind == "continuous",
        largest=float(np.abs(finite).max(initial=0.0)),
        n_levels=groups.n_levels,
        small=tuple(small),
        examples=groups.levels[:SHOWN],
    )
