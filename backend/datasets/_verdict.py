"""What does a matrix hold: counts, logarithms, scaled values? Judged on all of its values. And which one is used.

    verdict = judge(stored, seen)        # -> MatrixVerdict with one sentence of evidence
    choice = choose(verdicts, scans)     # .counts, .rivals: whole numbers first, layers called "counts" before X

The test behind "looks like log1p": undo the logarithm and divide each cell by its smallest value. Counts
that were scaled and logged become small whole numbers again, and only for the right base.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..types import MatrixVerdict
from ..words import counted, percent, plural
from ._matrices import Stored, blocks
from ._scan import ROUNDING, Scan

UNDO: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "none": lambda values: values,
    "root": np.square,
    "e": np.expm1,
    "2": lambda values: np.exp2(values) - 1.0,
    "10": lambda values: np.power(10.0, values) - 1.0,
}
LARGEST_EXPONENT = {
    "none": np.inf,
    "root": np.inf,
    "e": 30.0,
    "2": 43.0,
    "10": 13.0,
}  # beyond, nobody's counts
RATIO_LIMIT = 12.0  # ratios above are blurred by rounding in the file
IMPLAUSIBLE = 2.0**31
LARGEST_ROOT = 64.0
ROOT_OFF = 2e-3  # of the square of a square root from a whole number
MOSTLY_WHOLE = 0.5  # share of values that are not whole, up to which counts may have been corrected
ROUND_TOTALS = (1e3, 1e4, 1e5, 1e6)  # to which counts are normalised
FEWEST_TOTALS = 10  # cells whose totals could be alike by chance
LOG_MAXIMUM = 25.0  # no logarithm of a count is larger, in any base
CLEARLY = 0.05  # by how much more whole steps one transformation must give than none

COUNT_NAMES = ("counts", "raw_counts", "counts_raw", "rawcounts", "raw", "count", "umi", "umis", "umi_counts")
PART_NAMES = ("spliced", "unspliced", "ambiguous", "binary", "intronic", "exonic")
# Layers that are called so do not hold counts, whatever their values look like.
NORMALISED_NAMES = re.compile(
    r"(^|[^a-z])(tpm|fpkm|rpkm|cpm|cp10k|log1p|lognorm|logcounts|normali[sz]ed|scaled?)([^a-z]|$)"
)


@dataclass(slots=True)
class Trial:
    """How the values look after undoing one transformation."""

    base: str
    ratios: int = 0  # ratios to the cell's smallest value that could be looked at
    whole: int = 0  # of them, close to a whole number
    cell_sums: npt.NDArray[np.float64] | None = None  # (C,)
    square_off: float = (
        0.0  # largest difference from a whole number of a squared value that is not whole itself
    )
    n_squares: int = (
        0  # values it is of; squares of values beyond ``LARGEST_ROOT`` are blurred by rounding in the file
    )

    @property
    def whole_fraction(self) -> float:
        return self.whole / self.ratios if self.ratios else 0.0

    def target(self) -> float | None:
        """The total all cells share, None where totals differ."""
        assert self.cell_sums is not None
        sums = self.cell_sums[self.cell_sums > 0]
        if len(sums) < 2:
            return None
        middle = float(np.median(sums))
        return middle if np.quantile(np.abs(sums - middle), 0.95) < 0.005 * middle else None


def judge(stored: Stored, seen: Scan) -> MatrixVerdict:
    """Name what the matrix holds and whether it can be trained on."""
    verdict, evidence, base, usable = _decide(stored, seen)
    return MatrixVerdict(
        where=stored.where,
        verdict=verdict,
        evidence=evidence,
        n_obs=stored.n_obs,
        n_vars=stored.n_vars,
        nnz=seen.nnz,
        minimum=seen.minimum,
        maximum=seen.maximum,
        fraction_integer=seen.fraction_integer,
        storage=stored.storage,
        log_base=base,
        usable=usable,
    )


def unreadable(stored: Stored) -> MatrixVerdict:
    """The verdict on a matrix that cannot be read."""
    return MatrixVerdict(
        stored.where,
        "unreadable",
        f"cannot be read: {stored.trouble}",
        0,
        0,
        0,
        0.0,
        0.0,
        0.0,
        stored.storage,
    )


def _decide(stored: Stored, seen: Scan) -> tuple[str, str, str, bool]:
    """Verdict, evidence, base of the logarithm, usable."""
    if not seen.nnz:
        return "empty", "all values are zero", "", False
    n_whole_missing = seen.nnz - seen.n_integer - seen.n_nan - seen.n_infinite
    if seen.n_nan or seen.n_infinite:
        kinds = ((seen.n_nan, "missing (NaN)"), (seen.n_infinite, "infinite"))
        what = [f"{counted(n, 'value')} {plural(n, 'is', 'are')} {kind}" for n, kind in kinds if n]
        rest = "the others are whole numbers" if not n_whole_missing else "not counts"
        return "unclear", f"{' and '.join(what)}; {rest}", "", False
    span = f"min {seen.minimum:.4g}, max {seen.maximum:.4g}"
    if seen.n_negative:
        negative = (
            f"{percent(seen.n_negative / seen.nnz)} of values are negative ({seen.n_negative:,}; {span})"
        )
        if not n_whole_missing:
            return (
                "unclear",
                f"all values are whole numbers, but {negative}: counts cannot be negative",
                "",
                False,
            )
        return "scaled", f"{negative}: looks scaled, centred or corrected", "", False
    if seen.maximum >= IMPLAUSIBLE:
        return (
            "unclear",
            f"values reach {seen.maximum:.3g}, far more than a cell has molecules: not counts",
            "",
            False,
        )
    if not n_whole_missing:
        if seen.maximum == 1:
            return (
                "unclear",
                "all values are 0 or 1: tells seen from unseen, possibly made from counts",
                "",
                True,
            )
        if total := _rounded_total(seen):
            return (
                "normalised",
                f"all values are whole numbers, but every cell sums to about {total:,.0f}: normalised, then rounded",
                "",
                False,
            )
        whole = f"all {seen.nnz:,} values are whole numbers from 0 to {seen.maximum:,.0f}"
        if seen.off:
            whole += f", up to rounding (largest difference {seen.off:.1g})"
        return "counts", whole, "", True
    share = percent((seen.n_far or n_whole_missing) / seen.nnz)
    odd = f"{share} of values are not whole numbers, max {seen.maximum:.4g}"
    return _fractions(stored, seen, odd)


def _rounded_total(seen: Scan) -> float | None:
    """The round number that all cells sum to but for rounding; counts drawn down to one total sum to it exactly."""
    sums = seen.cell_sums[seen.cell_sums > 0]
    if len(sums) < FEWEST_TOTALS:
        return None
    middle = float(np.median(sums))
    near = next((total for total in ROUND_TOTALS if abs(middle - total) < 0.01 * total), None)
    spread = np.quantile(np.abs(sums - middle), 0.95)
    return near if near and 0 < spread < 0.005 * middle else None


def _fractions(stored: Stored, seen: Scan, odd: str) -> tuple[str, str, str, bool]:
    """Positive values of which some are not whole: logged, normalised or corrected."""
    trials = _try_all(stored, seen)
    logs = [trial for trial in trials if trial.base not in ("none", "root")]
    for trial in logs:
        target = trial.target()
        if target is not None:
            return (
                "log1p",
                f"{odd}; undoing the logarithm every cell sums to {target:,.0f}: {_logged(trial)}",
                trial.base,
                False,
            )
    plain = next(trial for trial in trials if trial.base == "none")
    target = plain.target()
    if target is not None:
        return "normalised", f"{odd}, and every cell sums to {target:,.6g}: normalised, not counts", "", False
    if plain.square_off < ROOT_OFF and plain.n_squares >= seen.n_far / 2:
        return "normalised", f"{odd}, but their squares are: looks like square roots of counts", "", False
    root = next(trial for trial in trials if trial.base == "root")
    if (target := root.target()) is not None:
        text = f"{odd}, and the squares of every cell sum to {target:,.6g}: square roots of normalised counts"
        return "normalised", text, "", False
    if NORMALISED_NAMES.search(stored.where.lower()):
        return "normalised", f"{odd}, and it is called {stored.where}: normalised, not counts", "", False
    best = max(logs, key=lambda trial: trial.whole_fraction, default=plain)
    if _in_steps(best) and best.whole_fraction > plain.whole_fraction + CLEARLY:
        return (
            "log1p",
            f"{odd}; undoing the logarithm gives whole steps: {_logged(best)}",
            best.base,
            False,
        )
    if seen.fraction_far <= MOSTLY_WHOLE:
        return (
            "unclear",
            f"{odd}, none is negative: count-like, as after ambient correction or estimated by a quantifier",
            "",
            True,
        )
    if _in_steps(plain):
        return "normalised", f"{odd}, but each cell goes in equal steps: normalised counts", "", False
    if seen.maximum > LOG_MAXIMUM:
        return (
            "normalised",
            f"{odd}, none is negative: looks like TPM, FPKM or counts normalised in another way",
            "",
            False,
        )
    return "normalised", f"{odd}, none is negative: normalised or transformed, not counts", "", False


def _in_steps(trial: Trial) -> bool:
    return trial.ratios >= 20 and trial.whole_fraction > 0.6


def _logged(trial: Trial) -> str:
    return f"looks like log1p, base {trial.base}"


def _try_all(stored: Stored, seen: Scan) -> list[Trial]:
    """A second pass: undo each transformation that the largest value allows."""
    trials = [Trial(base) for base in UNDO if seen.maximum <= LARGEST_EXPONENT[base]]
    for trial in trials:
        trial.cell_sums = np.zeros(stored.n_obs)
    halves = stored.dtype.itemsize == 2  # 16-bit values blur their squares far sooner
    precision, largest = (1.0, 8.0) if halves else (1 / 512, LARGEST_ROOT)
    for block in blocks(stored):
        values, minor = block.matrix.data, block.matrix.indices
        major = np.repeat(np.arange(block.start, block.stop), np.diff(block.matrix.indptr))
        cells = major if stored.by_cells else minor
        for trial in trials:
            undo = UNDO[trial.base]
            raw = undo(values)
            assert trial.cell_sums is not None
            trial.cell_sums += np.bincount(cells, weights=raw, minlength=stored.n_obs)
            if trial.base == "none" and len(values):
                far = (np.abs(values - np.rint(values)) > ROUNDING) & (values <= largest)
                squares = values[far] ** 2
                apart = np.abs(squares - np.rint(squares)) / np.maximum(1.0, squares * precision)
                trial.square_off = max(trial.square_off, float(apart.max(initial=0.0)))
                trial.n_squares += len(squares)
            with np.errstate(all="ignore"):
                ratio = raw / undo(seen.cell_smallest)[cells]
            ratio = ratio[(ratio > 1.001) & (ratio < RATIO_LIMIT)]
            trial.ratios += len(ratio)
            trial.whole += int(np.count_nonzero(np.abs(ratio - np.rint(ratio)) < 0.02))
    return trials


# --- which matrix is used ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    counts: str | None
    same: tuple[str, ...] = ()  # matrices with the very same content
    rivals: tuple[str, ...] = ()  # other matrices of counts, with other content


def choose(verdicts: list[MatrixVerdict], scans: dict[str, Scan]) -> Choice:
    """Pick the matrix to train on; ``Choice(None)`` where none can be."""
    usable = sorted((verdict for verdict in verdicts if verdict.usable), key=_rank)
    if not usable:
        return Choice(None)
    best = usable[0]
    others = [verdict for verdict in usable[1:] if verdict.verdict == best.verdict]
    same = tuple(other.where for other in others if same_content(scans[best.where], scans[other.where]))
    rivals = tuple(other.where for other in others if other.where not in same)
    return Choice(best.where, same, rivals)


def same_content(one: Scan, other: Scan) -> bool:
    """Whether two matrices agree in every total per cell and per gene, which differing counts do not."""
    return (
        (one.n_obs, one.n_vars, one.nnz) == (other.n_obs, other.n_vars, other.nnz)
        and np.array_equal(one.cell_sums, other.cell_sums)
        and np.array_equal(one.gene_sums, other.gene_sums)
    )


def _rank(verdict: MatrixVerdict) -> tuple[bool, int, int]:
    layer = verdict.where.removeprefix("layers/").lower()
    if verdict.where == "X":
        place = 20
    elif verdict.where == "raw/X":
        place = 30
    elif layer in COUNT_NAMES:
        place = COUNT_NAMES.index(layer)
    else:
        place = 50 if layer in PART_NAMES else 40
    return verdict.verdict != "counts", place, -verdict.n_vars
