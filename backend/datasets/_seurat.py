"""Rank genes by seurat_v3: variance beyond what the mean explains, on counts, per batch.

    ranking = rank_genes(counts, n_top, codes)     # .table: a row per gene; .way: how that was done

The same numbers as ``scanpy.pp.highly_variable_genes(flavor="seurat_v3")`` (a test compares them), but block
by block over mapped counts, and guarded: the loess of scikit-misc ends the process with a segmentation fault
when it gets fewer points than its span holds, and fails on others. A batch without a curve is left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from ._matrices import BLOCK_ENTRIES, bounds

SPANS = (0.3, 0.5, 0.7, 0.9)  # scanpy's own; then stiffer curves, which fit where many genes share a mean
FEWEST_POINTS = 20  # genes that vary; with fewer no curve is tried


@dataclass(frozen=True, slots=True)
class Way:
    """How genes were ranked."""

    method: str  # seurat_v3, variance_to_mean
    per_batch: bool = False
    fell_back: bool = False  # from ranking per batch, or from any curve at all
    batches: int = 0  # there are, where they were ranked by
    wider_fits: int = 0  # of them with a stiffer curve than usual
    left_out: int = 0  # of them, too small for a curve


@dataclass(frozen=True, slots=True)
class Ranking:
    table: pd.DataFrame  # highly_variable, means, variances, and what the way taken adds
    way: Way


@dataclass(frozen=True, slots=True)
class Moments:
    """Per batch and gene (arrays of batches x genes)."""

    sizes: npt.NDArray[np.int64]  # cells per batch
    means: npt.NDArray[np.float64]
    variances: npt.NDArray[np.float64]


def rank_genes(counts: sparse.csr_matrix, n_top: int, codes: npt.NDArray[np.integer[Any]] | None) -> Ranking:
    """Choose ``n_top`` genes.

    Parameters
    ----------
    counts
        Cells x genes.
    codes
        Number of the batch of each cell; None: all cells are one batch.
    """
    whole = _moments(counts, np.zeros(counts.shape[0], np.int64))
    if codes is not None:
        try:
            return _seurat(counts, n_top, codes, _moments(counts, codes), whole, per_batch=True)
        except ArithmeticError:
            pass  # no batch allows a curve
    try:
        ranking = _seurat(counts, n_top, np.zeros(counts.shape[0], np.int64), whole, whole, per_batch=False)
    except ArithmeticError:
        return _variance_to_mean(n_top, whole)
    return replace(ranking, way=replace(ranking.way, fell_back=codes is not None))


def _seurat(
    counts: sparse.csr_matrix,
    n_top: int,
    codes: npt.NDArray[np.integer[Any]],
    batches: Moments,
    whole: Moments,
    *,
    per_batch: bool,
) -> Ranking:
    """The published way. ``ArithmeticError`` where no batch allows a curve."""
    fitted, wide, expected = [], 0, np.ones_like(batches.means)
    for batch in range(len(batches.sizes)):
        span, deviation = _expected_deviation(
            batches.means[batch], batches.variances[batch], batches.sizes[batch]
        )
        if deviation is not None:
            fitted.append(batch)
            wide += span != SPANS[0]
            expected[batch] = deviation
    if not fitted:
        raise ArithmeticError("no curve")
    n = batches.sizes[:, None]
    clip = expected * np.sqrt(n) + batches.means
    sums, squares = np.zeros_like(clip), np.zeros_like(clip)
    for onehot, rows, cells in _blocks(counts, codes, len(batches.sizes)):
        rows.data = np.minimum(rows.data, clip[cells, rows.indices])
        sums += (onehot @ rows).toarray()
        rows.data **= 2
        squares += (onehot @ rows).toarray()
    with np.errstate(all="ignore"):  # batches of one cell, which are not among the fitted
        normed = (n * batches.means**2 + squares - 2 * sums * batches.means) / ((n - 1) * expected**2)
    way = Way(
        "seurat_v3",
        per_batch=per_batch,
        batches=len(n) if per_batch else 0,
        wider_fits=wide,
        left_out=len(n) - len(fitted),
    )
    return Ranking(_top(normed[fitted], n_top, whole), way)


def _top(normed: npt.NDArray[np.float64], n_top: int, whole: Moments) -> pd.DataFrame:
    """Genes with the best median rank over batches; ties go to those on top in more batches."""
    ranks = np.argsort(np.argsort(-normed, axis=1), axis=1).astype(np.float32)
    n_batches = (ranks < n_top).sum(axis=0)
    ranks[ranks >= n_top] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # genes on top in no batch have no rank
        median = np.nanmedian(ranks, axis=0)
    table = pd.DataFrame(
        {
            "highly_variable": False,
            "highly_variable_rank": median,
            "highly_variable_nbatches": n_batches,
            "means": whole.means[0],
            "variances": whole.variances[0],
            "variances_norm": normed.mean(axis=0),
        }
    )
    order = table.sort_values(
        ["highly_variable_rank", "highly_variable_nbatches"], ascending=[True, False], na_position="last"
    ).index
    table.loc[order[:n_top], "highly_variable"] = True
    return table


def _expected_deviation(
    means: npt.NDArray[np.float64], variances: npt.NDArray[np.float64], n_cells: int
) -> tuple[float, npt.NDArray[np.float64] | None]:
    """Standard deviation that the mean of each gene explains, and the span that worked."""
    varies = variances > 0
    if n_cells < 2 or varies.sum() < FEWEST_POINTS:
        return 0.0, None
    from skmisc.loess import loess

    x, y = np.log10(means[varies]), np.log10(variances[varies])
    for span in SPANS:
        try:
            model = loess(x, y, span=span, degree=2)
            model.fit()
        except ValueError:  # its own words: "svddc failed", "reciprocal condition number"
            continue
        fitted = np.asarray(model.outputs.fitted_values)
        if np.isfinite(fitted).all():
            logs = np.zeros(len(means))
            logs[varies] = fitted
            return span, np.sqrt(10**logs)
    return 0.0, None


def _variance_to_mean(n_top: int, whole: Moments) -> Ranking:
    """No curve, so nothing that can fail."""
    means, variances = whole.means[0], whole.variances[0]
    ratio = np.divide(variances, means, out=np.full(len(means), -1.0), where=means > 0)
    chosen = np.zeros(len(means), dtype=bool)
    chosen[np.argsort(-ratio, kind="stable")[:n_top]] = True
    table = pd.DataFrame({"highly_variable": chosen, "means": means, "variances": variances})
    return Ranking(table, Way("variance_to_mean", fell_back=True))


def _moments(counts: sparse.csr_matrix, codes: npt.NDArray[np.integer[Any]]) -> Moments:
    sizes = np.bincount(codes)
    sums, squares = np.zeros((2, len(sizes), counts.shape[1]))
    for onehot, rows, _ in _blocks(counts, codes, len(sizes)):
        sums += (onehot @ rows).toarray()
        rows.data **= 2
        squares += (onehot @ rows).toarray()
    n = sizes[:, None]
    # Whole numbers, so this difference is exact, and zero where a gene is constant.
    variances = np.maximum(squares - sums**2 / n, 0) / np.maximum(n - 1, 1)
    variances[n * squares <= sums**2] = 0
    return Moments(sizes, sums / n, variances)


def _blocks(
    counts: sparse.csr_matrix, codes: npt.NDArray[np.integer[Any]], n_batches: int
) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix, npt.NDArray[np.integer[Any]]]]:
    """Runs of cells as float64: batches x cells membership, the cells, and the batch of every value."""
    for start, stop in bounds(counts.indptr, BLOCK_ENTRIES):
        rows = counts[start:stop].astype(np.float64)
        n = stop - start
        onehot = sparse.csr_matrix((np.ones(n), (codes[start:stop], np.arange(n))), shape=(n_batches, n))
        yield onehot, rows, np.repeat(codes[start:stop], np.diff(rows.indptr))
