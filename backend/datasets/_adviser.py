"""Which column of the cell table is the experimental batch? Ranked, each with one sentence why.

    advice = advise(obs)           # tuple[ColumnAdvice, ...], best first
    key = batch_key(advice)        # the recommended one or None

Judged by what the name says it is (``columns.role_of``), number and size of the groups, missing values, whether the
groups merely repeat the cell types, and whether each has one sex, as donors do. ``obs`` must be storable: the names
are those of the prepared data set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..columns import Column, Role, name_score, plain_name, read_column, role_of
from ..types import ColumnAdvice
from ..words import counted, plural

FEW_CELLS = 10  # in a group: too few to learn its batch effect
FEWEST_CELLS = 5  # on average: no batch effects can be learned
MANY_GROUPS = 50  # from here on each further group costs points
SHOWN = 12
FOLLOWS = 0.8  # share of guesses saved by knowing the label, from which groups count as confounded
# What a person or animal has one of.
_OF_DONORS = (
    "sex",
    "gender",
    "age",
    "ethnicity",
    "self_reported_ethnicity",
    "race",
    "bmi",
    "genotype",
    "strain",
)

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Judgement:
    score: float
    verdict: str  # recommended, possible, unsuitable
    reason: str


def advise(obs: pd.DataFrame) -> tuple[ColumnAdvice, ...]:
    """One advice per column, best first."""
    columns = [read_column(obs[name], str(name)) for name in obs.columns]
    labels = [one for one in columns if role_of(one.name) is Role.LABEL and _parts_cells(one)]
    donor_traits = [one for one in columns if plain_name(one.name) in _OF_DONORS and _parts_cells(one)]
    advice = [_advice(one, labels, donor_traits) for one in columns]
    ranked = sorted(advice, key=lambda one: -one.score)
    return tuple(_mark_repeats(ranked, {one.name: one for one in columns}))


def batch_key(advice: tuple[ColumnAdvice, ...]) -> str | None:
    return next((one.column for one in advice if one.verdict == "recommended"), None)


def _parts_cells(column: Column) -> bool:
    return column.is_groups and 2 <= column.n_levels <= len(column.codes) / FEWEST_CELLS


def _advice(column: Column, labels: list[Column], donor_traits: list[Column]) -> ColumnAdvice:
    n_missing = column.n_missing
    if column.kind == "continuous":
        judged = _Judgement(0.0, "unsuitable", _continuous_reason(column))
    else:
        judged = _judge(column, labels, donor_traits)
        if n_missing and judged.verdict != "unsuitable":
            have, them = plural(n_missing, "has", "have"), plural(n_missing, "it", "them")
            judged = _Judgement(
                judged.score - 5 - 30 * n_missing / len(column.codes),
                judged.verdict,
                f'{judged.reason} {counted(n_missing, "cell")} {have} no value: fill {them} with "unknown" first.',
            )
    largest = column.by_size()
    return ColumnAdvice(
        column=column.name,
        score=round(float(judged.score), 1),
        n_levels=column.n_levels,
        n_missing=n_missing,
        verdict=judged.verdict,
        reason=judged.reason,
        levels=largest.levels[:SHOWN],
        level_counts=tuple(largest.counts[:SHOWN].tolist()),
        kind="continuous" if column.kind == "continuous" else "categorical",
    )


def _judge(column: Column, labels: list[Column], donor_traits: list[Column]) -> _Judgement:
    """A column of groups."""
    n_levels, n_cells = column.n_levels, int(column.counts.sum())
    if n_levels == 0:
        return _Judgement(-10, "unsuitable", "No cell has a value.")
    if n_levels == 1:
        return _Judgement(-5, "unsuitable", "All cells have the same value, so there is nothing to correct.")
    if column.kind == "text" and n_cells / n_levels < 2:
        return _Judgement(
            -10, "unsuitable", f"{n_levels:,} values for {n_cells:,} cells: looks like a name of each cell."
        )
    each = n_cells / n_levels
    if each < FEWEST_CELLS:
        few = f"{counted(round(each), 'cell')} each on average"
        return _Judgement(
            -5, "unsuitable", f"Very many groups ({n_levels:,}, {few}): too few cells to learn each one."
        )
    role = role_of(column.name)
    if role is Role.LABEL:
        return _Judgement(
            -5, "unsuitable", "Looks like cell types or clusters: correcting for it would remove them."
        )
    if role is Role.QUALITY:
        return _Judgement(
            0, "unsuitable", "Looks like a result of quality control or cell cycle, not like a batch."
        )
    score, verdict, reason = _by_name(column, role, donor_traits)
    n_small = int((column.counts < FEW_CELLS).sum())
    if n_small:
        score -= 10 + 20 * n_small / n_levels
        reason += f" {n_small:,} of {n_levels:,} groups have fewer than {FEW_CELLS} cells."
    if n_levels > MANY_GROUPS:
        # the model learns an offset for each gene and group: the more cells a group has, the better it can
        enough = min(1.0, max(0.3, 1 - math.log10(max(1.0, each / 100)) / 2))
        score -= (15 + 50 * math.log10(n_levels / MANY_GROUPS)) * enough
        reason += (
            f" {n_levels:,} groups with {counted(round(each), 'cell')} each on average are many to learn."
        )
    label = next((other for other in labels if _confounded(column.codes, other.codes)), None)
    if label is not None:
        known = verdict == "recommended"
        reason += f" It goes hand in hand with {label.name}: correcting for it would remove that, too."
        return _Judgement(
            max(1.0, score - 50) if known else -5, "possible" if known else "unsuitable", reason
        )
    verdict = "possible" if verdict == "recommended" and score < 50 else verdict
    return _Judgement(max(1.0, score), verdict, reason)


def _by_name(column: Column, role: Role, donor_traits: list[Column]) -> tuple[float, str, str]:
    if role is Role.DONOR:
        reason = "Named like a donor: the cells of one person or animal, who were handled together."
        return name_score(column.name), "recommended", reason
    if role is Role.BATCH:
        reason = "Named like an experimental batch: cells that were handled together."
        return name_score(column.name), "recommended", reason
    if role is Role.BIOLOGY:
        reason = "Looks like biology you may want to keep: correcting for it would hide it."
        return 25, "possible", reason
    trait = next((one for one in donor_traits if _nested(column, one)), None)
    if trait is not None:
        return 70, "recommended", f"Looks like donors: all cells of a group have the same {trait.name}."
    return 20, "possible", "Could be a batch; its name does not tell."


def _nested(column: Column, trait: Column) -> bool:
    """Whether every group of ``column`` has one value of ``trait``, and there are clearly more groups than values."""
    if column.n_levels < 2 * trait.n_levels:
        return False
    both = (column.codes >= 0) & (trait.codes >= 0)
    pairs = np.unique(column.codes[both].astype(np.int64) * trait.n_levels + trait.codes[both])
    return len(pairs) == len(np.unique(column.codes[both])) > 0


def _continuous_reason(column: Column) -> str:
    assert column.numbers is not None
    n_gone = int((~np.isfinite(column.numbers)).sum())
    if n_gone:
        gone = f"{counted(n_gone, 'cell')} {plural(n_gone, 'has', 'have')}"
        return f"Numbers on a scale, not groups; {gone} no value, so no covariate either."
    if column.n_levels < 2:
        return "The same number for all cells."
    known = column.numbers
    if column.n_levels == len(known) and np.ptp(known) == len(known) - 1:
        return f"Numbers the {len(known):,} cells, one each: neither groups nor a covariate."
    return "Numbers on a scale, not groups: can serve as a continuous covariate."


def _confounded(codes: Codes, label: Codes) -> bool:
    """Whether knowing one tells the other (Goodman and Kruskal's lambda, both ways)."""
    both = (codes >= 0) & (label >= 0)
    if not both.any():
        return False
    table = np.zeros((int(codes.max()) + 1, int(label.max()) + 1))
    np.add.at(table, (codes[both], label[both]), 1)
    return max(_lambda(table), _lambda(table.T)) > FOLLOWS


def _lambda(table: npt.NDArray[np.float64]) -> float:
    """Share of wrong guesses of the row saved by knowing the column."""
    total, blind = table.sum(), table.sum(axis=1).max()
    return float((table.max(axis=0).sum() - blind) / (total - blind)) if total > blind else 0.0


def _mark_repeats(ranked: list[ColumnAdvice], columns: dict[str, Column]) -> list[ColumnAdvice]:
    """Say of a column that it makes the same groups as a better one."""
    kept: list[ColumnAdvice] = []
    result = []
    for one in ranked:
        if one.verdict != "unsuitable":
            twin = next(
                (
                    k
                    for k in kept
                    if k.n_levels == one.n_levels and _same(columns[k.column], columns[one.column])
                ),
                None,
            )
            if twin is not None:
                reason = f"Makes the same groups as {twin.column}; one of the two is enough."
                one = one.replace(verdict="possible", score=min(one.score, 10.0), reason=reason)
            else:
                kept.append(one)
        result.append(one)
    return sorted(result, key=lambda one: -one.score)


def _same(one: Column, other: Column) -> bool:
    pairs = np.unique(np.stack([one.codes, other.codes]), axis=1).shape[1]
    return bool(pairs == len(np.unique(one.codes)) == len(np.unique(other.codes)))
