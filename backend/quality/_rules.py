"""Who is removed and why: the limits of a ``PrepareSpec``, applied to what was measured of each cell.

An outlier is a cell more than so many median absolute deviations (MADs, not scaled) from the median of its sample, in
log counts or log genes, or above it in the mitochondrial share: Germain et al., Genome Biology 21, 227 (2020), and
"Single-cell best practices". Where more than half the cells of a sample agree (a MAD of 0), nobody is an outlier.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import PrepareSpec
from ._cell_quality import CellQuality, Doublets, Samples

Mask = npt.NDArray[np.bool_]
# the settings that remove cells, in the order they are told
RULES = (
    "min_counts",
    "max_counts",
    "min_genes",
    "max_genes",
    "max_pct_mt",
    "max_mads",
    "max_doublet_score",
)
_NONE = PrepareSpec()


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    passed: Mask  # (C,)
    removed: dict[str, Mask]  # (C,) for each rule that is set; a cell may break several

    @property
    def n_removed(self) -> int:
        return int((~self.passed).sum())


@dataclass(frozen=True, slots=True)
class Limits:
    """What outliers of one sample are judged by, in the units of the metric."""

    sample: str
    n_cells: int
    counts: tuple[float, float, float]  # median, lower and upper limit
    genes: tuple[float, float, float]
    pct_mt: tuple[float, float]  # median, upper limit


def filters_cells(spec: PrepareSpec) -> bool:
    return any(getattr(spec, rule) != getattr(_NONE, rule) for rule in RULES)


def limit_said(spec: PrepareSpec, rule: str) -> str:
    """The limit of a rule as a notice keeps it."""
    return (
        f"{getattr(spec, rule):.6g}" if isinstance(getattr(spec, rule), float) else f"{getattr(spec, rule):,}"
    )


def judge(cells: CellQuality, spec: PrepareSpec, samples: Samples, doublets: Doublets | None) -> Judged:
    """``doublets`` is needed where ``spec`` limits their score."""
    removed: dict[str, Mask] = {}
    if spec.min_counts:
        removed["min_counts"] = cells.counts < spec.min_counts
    if spec.max_counts is not None:
        removed["max_counts"] = cells.counts > spec.max_counts
    if spec.min_genes:
        removed["min_genes"] = cells.genes < spec.min_genes
    if spec.max_genes is not None:
        removed["max_genes"] = cells.genes > spec.max_genes
    if spec.max_pct_mt is not None:
        removed["max_pct_mt"] = cells.pct_mt > spec.max_pct_mt
    if spec.max_mads is not None:
        removed["max_mads"] = (
            outliers(np.log1p(cells.counts), samples.codes, spec.max_mads)
            | outliers(np.log1p(cells.genes), samples.codes, spec.max_mads)
            | outliers(cells.pct_mt, samples.codes, spec.max_mads, above_only=True)
        )
    if spec.max_doublet_score is not None:
        assert doublets is not None
        removed["max_doublet_score"] = doublets.scores > spec.max_doublet_score  # NaN is not
    passed = np.ones(len(cells.counts), bool)
    for mask in removed.values():
        passed &= ~mask
    return Judged(passed, removed)


def outliers(
    values: npt.NDArray[np.floating],  # (C,)
    samples: npt.NDArray[np.integer],  # (C,) the number of each cell's sample
    mads: float,
    above_only: bool = False,
) -> npt.NDArray[np.bool_]:
    """Whether a cell is more than so many median absolute deviations from the median of its sample."""
    found = np.zeros(len(values), bool)
    for sample in np.unique(samples):
        mine = np.flatnonzero(samples == sample)
        median = np.median(values[mine])
        mad = np.median(np.abs(values[mine] - median))
        if mad > 0:
            above, below = values[mine] > median + mads * mad, values[mine] < median - mads * mad
            found[mine] = above if above_only else above | below
    return found


def rules_source() -> str:
    """Python code that defines ``outliers``, for a script; needs numpy as ``np``."""
    source = inspect.getsource(outliers)
    head, _, body = source.partition(") -> npt.NDArray[np.bool_]:\n")
    assert body, head
    return f"def outliers(values, samples, mads, above_only=False):\n{body}"


def suggestions(cells: CellQuality, samples: Samples, mads: float) -> tuple[Limits, ...]:
    """What ``outliers`` judges each sample by, in plain units."""
    found = []
    pct_mt, log_counts, log_genes = cells.pct_mt, np.log1p(cells.counts), np.log1p(cells.genes)
    order = np.argsort(samples.codes, kind="stable")
    starts = np.searchsorted(samples.codes[order], np.arange(len(samples.names) + 1))
    for i, name in enumerate(samples.names):
        mine = order[starts[i] : starts[i + 1]]
        if not len(mine):
            continue
        found.append(
            Limits(
                name,
                len(mine),
                _from_logarithms(log_counts[mine], mads),
                _from_logarithms(log_genes[mine], mads),
                (_spread(pct_mt[mine], mads)[0], min(100.0, _spread(pct_mt[mine], mads)[2])),
            )
        )
    return tuple(found)


def _spread(values: npt.NDArray[np.float64], mads: float) -> tuple[float, float, float]:
    median = float(np.median(values))
    reach = mads * float(np.median(np.abs(values - median)))
    return (median, median - reach, median + reach) if reach else (median, -np.inf, np.inf)


def _from_logarithms(values: npt.NDArray[np.float64], mads: float) -> tuple[float, float, float]:
    median, low, high = _spread(values, mads)
    return float(np.expm1(median)), max(0.0, float(np.expm1(low))), float(np.expm1(high))
