"""One pass over all values of a matrix: what the verdict, the report and the preparation need to know.

    seen = scan(stored, on_progress)     # totals per cell and per gene, ranges, what is wrong and where
    stored, seen = scan_counts(stored, on_progress)     # whole numbers up to rounding are made whole

Memory is one block plus a few numbers per cell and gene.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ._matrices import Block, Stored, blocks

Progress = Callable[[float, str], None]
ROUNDING = 1e-3  # from a whole number, up to which a value is that number, written carelessly


@dataclass(slots=True)
class Scan:
    """What all values of a matrix look like. Sums leave out NaN and infinite values."""

    n_obs: int
    n_vars: int
    cell_sums: npt.NDArray[np.float64]  # (C,) total
    cell_genes: npt.NDArray[np.int64]  # (C,) genes seen
    cell_smallest: npt.NDArray[np.float64]  # (C,) smallest value above zero, inf where there is none
    gene_sums: npt.NDArray[np.float64]  # (G,)
    gene_cells: npt.NDArray[np.int64]  # (G,) cells it is seen in
    nnz: int = 0
    n_integer: int = 0
    n_negative: int = 0
    n_nan: int = 0
    n_infinite: int = 0
    minimum: float = np.inf  # zeros included
    maximum: float = -np.inf
    off: float = 0.0  # largest difference from a whole number, of large values relative to 4,096
    n_far: int = 0  # values that are further from a whole number than rounding would take them
    n_lost: int = 0  # values above zero that rounding makes zero
    furthest: tuple[int, int, float] | None = None  # cell, gene and value of the largest difference
    canonical: bool = True  # no entry is listed twice, as far as can be told from sorted indices
    first_bad: tuple[int, int] | None = None  # cell and gene of the first NaN, infinite or negative value

    @property
    def fraction_integer(self) -> float:
        return self.n_integer / self.nnz if self.nnz else 1.0

    @property
    def fraction_far(self) -> float:
        return self.n_far / self.nnz if self.nnz else 0.0


def scan(stored: Stored, on_progress: Progress = lambda fraction, phase: None) -> Scan:
    """Look at every value once."""
    C, G = stored.n_obs, stored.n_vars
    seen = Scan(
        C, G, np.zeros(C), np.zeros(C, np.int64), np.full(C, np.inf), np.zeros(G), np.zeros(G, np.int64)
    )
    done, total = 0, max(1, C if stored.by_cells else G)
    for block in blocks(stored):
        _take(seen, block, stored.by_cells)
        done = block.stop
        unit = "cells" if stored.by_cells else "genes"
        on_progress(done / total, f"checking {stored.where}: {done:,} of {total:,} {unit}")
    if seen.nnz < C * G:
        seen.minimum, seen.maximum = min(seen.minimum, 0.0), max(seen.maximum, 0.0)
    if not np.isfinite([seen.minimum, seen.maximum]).all():
        seen.minimum = seen.maximum = 0.0
    return seen


def scan_counts(stored: Stored, on_progress: Progress = lambda fraction, phase: None) -> tuple[Stored, Scan]:
    """``scan``; where all values are whole numbers up to rounding, of the rounded ones.

    ``off`` then says how far they were from whole.
    """
    seen = scan(stored, on_progress)
    if 0 < seen.off <= ROUNDING and not seen.n_nan and not seen.n_infinite:
        whole, again = scan_rounded(stored, on_progress)
        if again.maximum >= 1:  # else these are shares, all too small to be told from zero
            again.off = seen.off
            return whole, again
    return stored, seen


def scan_rounded(stored: Stored, on_progress: Progress = lambda fraction, phase: None) -> tuple[Stored, Scan]:
    """``scan`` of the matrix with each value taken to its nearest whole number."""
    whole = replace(stored, rounded=True)
    return whole, scan(whole, on_progress)


def _take(seen: Scan, block: Block, by_cells: bool) -> None:
    values = block.matrix.data
    seen.nnz += len(values)
    if len(values):
        _take_oddities(seen, block, by_cells)
        finite = np.isfinite(values)
        if not finite.all():
            values = np.where(finite, values, 0.0)
        seen.minimum = min(seen.minimum, float(values.min()))
        seen.maximum = max(seen.maximum, float(values.max()))
        apart = np.abs(values - np.rint(values))
        seen.n_integer += int(np.count_nonzero(finite & (apart == 0)))
        _take_fractions(seen, block, by_cells, values, _relative(apart, values))
    major = slice(block.start, block.stop)
    lengths = np.diff(block.matrix.indptr)
    minor = block.matrix.indices
    seen.canonical = seen.canonical and _ascending(minor, block.matrix.indptr)
    n_minor = seen.n_vars if by_cells else seen.n_obs
    major_sums = _by_major(np.add, values, block.matrix.indptr, 0.0)
    minor_sums = np.bincount(minor, weights=values, minlength=n_minor)
    minor_lengths = np.bincount(minor, minlength=n_minor)
    positive = np.where(values > 0, values, np.inf)
    if by_cells:
        seen.cell_sums[major], seen.cell_genes[major] = major_sums, lengths
        seen.cell_smallest[major] = _by_major(np.minimum, positive, block.matrix.indptr, np.inf)
        seen.gene_sums += minor_sums
        seen.gene_cells += minor_lengths
    else:
        seen.gene_sums[major], seen.gene_cells[major] = major_sums, lengths
        seen.cell_sums += minor_sums
        seen.cell_genes += minor_lengths
        np.minimum.at(seen.cell_smallest, minor, positive)


def _take_oddities(seen: Scan, block: Block, by_cells: bool) -> None:
    values = block.matrix.data
    odd = ~(np.isfinite(values) & (values >= 0))
    if not odd.any():
        return
    nan = np.isnan(values)
    seen.n_nan += int(nan.sum())
    seen.n_infinite += int(np.isinf(values).sum())
    seen.n_negative += int(np.count_nonzero(values[~nan] < 0))
    if seen.first_bad is None:
        seen.first_bad = _cell_and_gene(block, int(np.argmax(odd)), by_cells)


def largest_fraction(values: npt.NDArray[np.float64]) -> float:
    """How far the values are from whole numbers at most, as ``Scan.off`` has it."""
    return float(_relative(np.abs(values - np.rint(values)), values).max(initial=0.0))


def _relative(apart: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return apart / np.maximum(1.0, np.abs(values) / 4096)


def _take_fractions(
    seen: Scan,
    block: Block,
    by_cells: bool,
    values: npt.NDArray[np.float64],
    apart: npt.NDArray[np.float64],
) -> None:
    """``apart``: from a whole number, of large values relative."""
    at = int(np.argmax(apart))
    if apart[at] > seen.off:
        seen.off = float(apart[at])
        seen.furthest = (*_cell_and_gene(block, at, by_cells), float(values[at]))
    if apart[at] > ROUNDING:
        seen.n_far += int(np.count_nonzero(apart > ROUNDING))
        seen.n_lost += int(np.count_nonzero(np.rint(values) == 0))


def _cell_and_gene(block: Block, at: int, by_cells: bool) -> tuple[int, int]:
    """Where the value number ``at`` of a block is."""
    major = block.start + int(np.searchsorted(block.matrix.indptr, at, side="right")) - 1
    minor = int(block.matrix.indices[at])
    return (major, minor) if by_cells else (minor, major)


def _ascending(minor: npt.NDArray[np.integer], indptr: npt.NDArray[np.integer]) -> bool:
    """Whether indices rise strictly within every run."""
    falls = np.flatnonzero(minor[1:] <= minor[:-1]) + 1
    return bool(np.isin(falls, indptr).all()) if len(falls) else True


def _by_major(
    reduce: np.ufunc, values: npt.NDArray[np.float64], indptr: npt.NDArray[np.integer], empty: float
) -> npt.NDArray[np.float64]:
    """``reduce`` over every run of ``indptr``; ``empty`` where a run has no values."""
    result = np.full(len(indptr) - 1, empty)
    filled = np.diff(indptr) > 0
    if filled.any():
        result[filled] = reduce.reduceat(values, indptr[:-1][filled])
    return result
