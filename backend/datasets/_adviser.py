"""Which column of the cell table is the experimental batch? Ranked, each with one sentence why.

    advice = advise(obs)           # tuple[ColumnAdvice, ...], best first
    key = batch_key(advice)        # the recommended one or None

Judged by name, number and size of the groups, missing values, and whether the groups merely repeat the
cell types. ``obs`` must be storable: the names are those of the prepared data set.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..types import ColumnAdvice
from ..words import counted, plural
from ._tables import missing

# Scores by name, the first pattern that fits. Technical names first: what was handled together.
NAMES: tuple[tuple[str, float], ...] = (
    (r"^(batch|batch_?(id|name|key|label|no|number)?)$", 100),
    (r"^(sample_?(id|name)?|library_?(id|uuid|name)?|orig_?ident|channel|lane|gem_?(group|well)?)$", 90),
    (r"^(donor_?(id)?|patient_?(id)?|subject_?(id)?|individual(_?id)?|mouse_?(id)?|animal_?(id)?)$", 85),
    (r"^(dataset_?(id)?|study_?(id)?|experiment_?(id)?|run_?(id)?|plate_?(id)?|chip|flow_?cell)$", 85),
    (r"^(replicate|rep|tech|technology|platform|protocol|assay|method|chemistry|site|cent(er|re)|pool)$", 75),
    (r"batch", 80),
    (r"(sample|donor|patient|library|replicate|plate|dataset|experiment)", 65),
)
BIOLOGY = re.compile(
    r"(condition|treat|stim|disease|diagnosis|status|tissue|organ|region|sex|gender|age|stage|time|day|genotype|"
    r"group|dose|strain|ethnicity|perturb|guide)"
)
LABELS = re.compile(
    r"(cell_?type|celltype|cell_?class|cell_?label|cell_?identity|^cell_?ident$|cluster|leiden|louvain|lineage|"
    r"subtype|phenograph)"
)
# Words that labels and batches share: "batch_label" is a batch, "label" is not.
VAGUE_LABELS = re.compile(r"(label|annot|subset|ident$|^types?$|^classes?$|compartment)")
FLAGS = re.compile(
    r"(^phase$|cc_?phase|cell_cycle|doublet|singlet|scrublet|^is_|(^|_)pass(ed|es)?(_|$)|filter|outlier|(^|_)qc|predicted)"
)
MOST_LEVELS = 200
FEW_NUMBERS = 20  # whole numbers with more values than this are a scale, not groups
FEW_CELLS = 10  # in a group: too few to learn its batch effect
SHOWN = 12
FOLLOWS = 0.8  # share of guesses saved by knowing the label, from which groups count as confounded


def advise(obs: pd.DataFrame) -> tuple[ColumnAdvice, ...]:
    """One advice per column, best first."""
    codes = {str(name): _codes(obs[name]) for name in obs.columns}
    most = max(2, min(len(obs) // 5, MOST_LEVELS))
    labels = [name for name in codes if _is_label(name) and 2 <= _n_levels(codes[name]) <= most]
    known = {label: codes[label] for label in labels}
    advice = [_judge(name, obs[name], codes[name], known) for name in codes]
    ranked = sorted(advice, key=lambda one: -one.score)
    return tuple(_mark_repeats(ranked, codes))


def batch_key(advice: tuple[ColumnAdvice, ...]) -> str | None:
    return next((one.column for one in advice if one.verdict == "recommended"), None)


def _judge(name: str, column: pd.Series, codes: np.ndarray, labels: dict[str, np.ndarray]) -> ColumnAdvice:
    n_missing = int((codes < 0).sum())
    sizes = np.bincount(codes[codes >= 0]) if (codes >= 0).any() else np.zeros(0, int)
    continuous = _is_continuous(name, column, len(sizes))
    if continuous:
        score, verdict, reason = 0.0, "unsuitable", _continuous_reason(column, n_missing, len(sizes))
    else:
        score, verdict, reason = _judge_groups(name, codes, sizes, labels)
        if n_missing and verdict != "unsuitable":
            score -= 5 + 30 * n_missing / len(codes)
            have, them = plural(n_missing, "has", "have"), plural(n_missing, "it", "them")
            reason += f' {counted(n_missing, "cell")} {have} no value: fill {them} with "unknown" first.'
    names, counts = _most_frequent(column, codes, sizes) if not continuous else ((), ())
    return ColumnAdvice(
        column=name,
        score=round(float(score), 1),
        n_levels=len(sizes),
        n_missing=n_missing,
        verdict=verdict,
        reason=reason,
        levels=names,
        level_counts=counts,
        kind="continuous" if continuous else "categorical",
    )


def _judge_groups(
    name: str, codes: np.ndarray, sizes: np.ndarray, labels: dict[str, np.ndarray]
) -> tuple[float, str, str]:
    """Score, verdict and reason of a column of groups."""
    n_levels, n_cells = len(sizes), int(sizes.sum())
    if n_levels == 0:
        return -10, "unsuitable", "No cell has a value."
    if n_levels == 1:
        return -5, "unsuitable", "All cells have the same value, so there is nothing to correct."
    if n_levels > 20 and n_levels > 0.5 * n_cells:
        return (
            -10,
            "unsuitable",
            f"{n_levels:,} values for {n_cells:,} cells: looks like a name of each cell.",
        )
    if n_levels > MOST_LEVELS or n_cells / n_levels < 5:
        few = f"{n_cells / n_levels:.0f} cells each on average"
        return -5, "unsuitable", f"Very many groups ({n_levels:,}, {few}): too few cells to learn each one."
    if _is_label(name):
        return -5, "unsuitable", "Looks like cell types or clusters: correcting for it would remove them."
    plain = _plain(name)
    if FLAGS.search(plain):
        return 0, "unsuitable", "Looks like a result of quality control or cell cycle, not like a batch."
    score, verdict, reason = _by_name(plain)
    n_small = int((sizes < FEW_CELLS).sum())
    if n_small:
        score -= 10 + 20 * n_small / n_levels
        reason += f" {n_small:,} of {n_levels:,} groups have fewer than {FEW_CELLS} cells."
    if n_levels > 50:
        score -= 15
        reason += f" {n_levels:,} groups are many."
    label = next((other for other, of in labels.items() if _confounded(codes, of)), None)
    if label is not None:
        known = verdict == "recommended"
        return (
            (score - 50 if known else -5),
            ("possible" if known else "unsuitable"),
            f"{reason} It goes hand in hand with {label}: correcting for it would remove that, too.",
        )
    return score, ("possible" if verdict == "recommended" and score < 50 else verdict), reason


def _by_name(plain: str) -> tuple[float, str, str]:
    for pattern, score in NAMES:
        if re.search(pattern, plain):
            return score, "recommended", "Named like an experimental batch: cells that were handled together."
    if BIOLOGY.search(plain):
        return 25, "possible", "Looks like biology you may want to keep: correcting for it would hide it."
    return 20, "possible", "Could be a batch; its name does not tell."


def _confounded(codes: np.ndarray, label: np.ndarray) -> bool:
    """Whether knowing one tells the other (Goodman and Kruskal's lambda, both ways)."""
    both = (codes >= 0) & (label >= 0)
    if not both.any():
        return False
    table = np.zeros((codes.max() + 1, label.max() + 1))
    np.add.at(table, (codes[both], label[both]), 1)
    return max(_lambda(table), _lambda(table.T)) > FOLLOWS


def _lambda(table: np.ndarray) -> float:
    """Share of wrong guesses of the row saved by knowing the column."""
    total, blind = table.sum(), table.sum(axis=1).max()
    return float((table.max(axis=0).sum() - blind) / (total - blind)) if total > blind else 0.0


def _mark_repeats(ranked: list[ColumnAdvice], codes: dict[str, np.ndarray]) -> list[ColumnAdvice]:
    """Say of a column that it makes the same groups as a better one."""
    kept: list[ColumnAdvice] = []
    result = []
    for one in ranked:
        if one.verdict != "unsuitable":
            twin = next(
                (k for k in kept if k.n_levels == one.n_levels and _same(codes, k.column, one.column)), None
            )
            if twin is not None:
                reason = f"Makes the same groups as {twin.column}; one of the two is enough."
                one = one.replace(verdict="possible", score=min(one.score, 10.0), reason=reason)
            else:
                kept.append(one)
        result.append(one)
    return sorted(result, key=lambda one: -one.score)


def _same(codes: dict[str, np.ndarray], one: str, other: str) -> bool:
    a, b = codes[one], codes[other]
    pairs = np.unique(np.stack([a, b]), axis=1).shape[1]
    return bool(pairs == len(np.unique(a)) == len(np.unique(b)))


def _codes(column: pd.Series) -> np.ndarray:
    """A number per group, -1 where the value is missing, no unused groups."""
    codes = pd.factorize(column.mask(missing(column)).to_numpy())[0]
    return np.asarray(codes, dtype=np.int64)


def _n_levels(codes: np.ndarray) -> int:
    return int(codes.max(initial=-1)) + 1


def _most_frequent(
    column: pd.Series, codes: np.ndarray, sizes: np.ndarray
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    order = np.argsort(-sizes, kind="stable")[:SHOWN]
    found, first = np.unique(codes, return_index=True)
    first = first[found >= 0]  # where each group is seen first
    return tuple(str(column.iloc[first[code]]) for code in order), tuple(int(sizes[code]) for code in order)


def _is_continuous(name: str, column: pd.Series, n_levels: int) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        return False
    values = column.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    if (values != np.rint(values)).any():
        return True
    numbered = _is_named_like_batch(_plain(name))  # donors 1 to 60
    return n_levels > (MOST_LEVELS if numbered else FEW_NUMBERS)


def _continuous_reason(column: pd.Series, n_missing: int, n_levels: int) -> str:
    values = column.to_numpy(dtype=np.float64)
    n_infinite = int(np.isinf(values).sum())
    if n_missing or n_infinite:
        n_gone = n_missing + n_infinite
        gone = f"{counted(n_gone, 'cell')} {plural(n_gone, 'has', 'have')}"
        return f"Numbers on a scale, not groups; {gone} no value, so no covariate either."
    if n_levels < 2:
        return "The same number for all cells."
    return "Numbers on a scale, not groups: can serve as a continuous covariate."


def _is_label(name: str) -> bool:
    plain = _plain(name)
    return bool(LABELS.search(plain) or (VAGUE_LABELS.search(plain) and not _is_named_like_batch(plain)))


def _is_named_like_batch(plain: str) -> bool:
    return any(re.search(pattern, plain) for pattern, _ in NAMES)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()).strip("_")
