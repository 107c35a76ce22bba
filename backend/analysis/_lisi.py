"""The local inverse Simpson's index (LISI) of groups of cells: how many groups there are around a cell, in effect.

Korsunsky et al. 2019 (Harmony): neighbours count by a Gaussian kernel of fixed perplexity, so that LISI is 1 where all
are of one group and the number of groups where all are as frequent. Of batches it is called iLISI, of labels cLISI;
scaled as in scib (Luecken et al. 2022), where 1 is best: batches mixed, labels apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._cell_groups import Codes
from ._graph import Points

_PERPLEXITY = 30.0
_NEIGHBOURS = 90  # three times the perplexity, as in the original
_CELLS = 2000  # around which it is measured: the median moves by less than a percent with more
_ROUNDS = 50  # of halving, in search of the width of a kernel

Weights = npt.NDArray[np.float64]  # cells x neighbours


def around_cells(points: Points) -> tuple[npt.NDArray[np.intp], Weights]:
    """Neighbours of some cells, drawn at random, and what each of them counts."""
    points = np.asarray(points, np.float32)
    n = len(points)
    cells = np.sort(np.random.default_rng(0).choice(n, min(n, _CELLS), replace=False))
    k = min(_NEIGHBOURS, n - 1)
    found, distances = np.empty((len(cells), k), np.intp), np.empty((len(cells), k))
    squares = (points**2).sum(axis=1)
    rows = max(1, 20_000_000 // n)
    for first in range(0, len(cells), rows):
        some = cells[first : first + rows]
        away = np.maximum(squares[some, None] + squares - 2 * points[some] @ points.T, 0)
        away[np.arange(len(some)), some] = np.inf  # a cell is no neighbour of itself
        nearest = np.argpartition(away, k - 1, axis=1)[:, :k]
        found[first : first + rows] = nearest
        distances[first : first + rows] = np.sqrt(np.take_along_axis(away, nearest, axis=1))
    return found, _weights(distances)


def _weights(distances: Weights) -> Weights:
    """Kernels as wide as gives each cell the perplexity; each row sums to 1."""
    wanted = np.log(min(_PERPLEXITY, distances.shape[1] / 3))
    distances = distances - distances.min(axis=1, keepdims=True)  # the same kernel, without underflow
    low, high = np.zeros((len(distances), 1)), np.full((len(distances), 1), np.inf)
    beta = np.ones((len(distances), 1))
    for _ in range(_ROUNDS):
        kernel = np.exp(-distances * beta)
        total = kernel.sum(axis=1, keepdims=True)
        entropy = np.log(total) + beta * (distances * kernel).sum(axis=1, keepdims=True) / total
        wide = entropy > wanted
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    weights: Weights = kernel / total
    return weights


def lisi(found: npt.NDArray[np.intp], weights: Weights, codes: Codes) -> float:
    """Median over the cells; cells without a code count for no group."""
    around = codes[found]
    known = np.where(around >= 0, weights, 0.0)
    simpson = np.zeros(len(found))
    for code in range(int(codes.max()) + 1):
        simpson += np.where(around == code, known, 0.0).sum(axis=1) ** 2
    share = known.sum(axis=1)
    there = share > 0
    return float(np.median(share[there] ** 2 / simpson[there])) if there.any() else 1.0


def ilisi(index: float, n_groups: int) -> float:
    """0: every cell among its own batch, 1: among all batches alike."""
    return (index - 1) / max(1, n_groups - 1)


def clisi(index: float, n_groups: int) -> float:
    """1: every cell among its own label, 0: among all labels alike."""
    return (n_groups - index) / max(1, n_groups - 1)
