"""Nearest neighbours and UMAP's weighted graph of points: what ``scanpy.pp.neighbors`` makes, sooner.

    graph = neighbour_graph(points, 15)    # itself and 14 others, as in scanpy

In few dimensions, as a latent space has, a k-d tree finds the exact neighbours of 50,000 cells in 3 to 6 seconds;
pynndescent needs as long for 99.7 % of them, after a minute of compiling. In many dimensions (the PCA of "before")
exact search costs cells squared, so large sets go to pynndescent there. Files of the kind ``neighbours``: ``indices``
and ``distances`` (cells x n_neighbors) and the graph as CSR in ``graph_data``, ``graph_indices``, ``graph_indptr``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..jobs import OnProgress
from ._kind import Context, Facts, Kind, Options
from ._results import AnalysisResult

if TYPE_CHECKING:
    from scipy import sparse

Points = npt.NDArray[np.floating[Any]]  # cells x dimensions
Indices = npt.NDArray[np.int32]  # cells x neighbours
Distances = npt.NDArray[np.float32]  # cells x neighbours
_TREE_DIMENSIONS = 15  # up to here a k-d tree is quick
_EXACT_CELLS = 30_000  # up to here exact search is quick in any number of dimensions
FEWEST = 10  # cells
_HALVINGS, _NEAR = 64, 1e-5  # umap-learn's own


@dataclass(frozen=True)
class Graph:
    """Neighbours of C points, each point itself first."""

    indices: Indices
    distances: Distances
    weights: sparse.csr_matrix  # C x C, float32: UMAP's fuzzy simplicial set, symmetric

    def save(self, context: Context) -> None:
        context.save("indices", self.indices)
        context.save("distances", self.distances)
        context.save("graph_data", self.weights.data.astype(np.float32))
        context.save("graph_indices", self.weights.indices.astype(np.int32))
        context.save("graph_indptr", self.weights.indptr.astype(np.int64))


def saved_weights(neighbours: AnalysisResult) -> sparse.csr_matrix:
    """The weights of a saved graph."""
    from scipy import sparse

    names = ("graph_data", "graph_indices", "graph_indptr")
    data, indices, indptr = (np.array(neighbours.array(name)) for name in names)
    return sparse.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, len(indptr) - 1))


def neighbour_graph(points: Points, n_neighbors: int, threads: int | None = None) -> Graph:
    """The ``n_neighbors`` nearest rows of each row, itself counted and first, as in scanpy.

    Raises
    ------
    BadInput
        Too few cells, or numbers that are not finite.
    """
    if len(points) < FEWEST:
        raise BadInput(f"A map needs at least {FEWEST} cells, and there are {len(points)}.")
    if not np.isfinite(points).all():
        raise BadInput("Some cells have no latent representation (NaN). Train the run again.")
    points = np.ascontiguousarray(points, dtype=np.float32)
    n_neighbors = min(n_neighbors, len(points) - 1)
    indices, distances = nearest(points, n_neighbors, threads)
    return Graph(indices, distances, fuzzy_weights(indices, distances))


def fuzzy_weights(indices: Indices, distances: Distances) -> sparse.csr_matrix:
    """C x C, float32: UMAP's fuzzy simplicial set, with its own smoothing of distances (``smooth_knn_dist``)."""
    from scipy import sparse

    n = len(indices)
    nearest_other = np.where(distances > 0.0, distances, np.inf).min(axis=1)
    nearest_other[np.isinf(nearest_other)] = 0.0
    beyond = np.maximum(distances - nearest_other[:, None], 0.0)
    values = np.exp(-beyond / _smoothing(distances, beyond, nearest_other)[:, None])
    others = indices != np.arange(n)[:, None]
    rows = np.concatenate([[0], np.cumsum(others.sum(axis=1))])
    one_way = sparse.csr_matrix((values[others], indices[others], rows), shape=(n, n), dtype=np.float32)
    other_way = one_way.T.tocsr()
    return (one_way + other_way - one_way.multiply(other_way)).tocsr()


def _smoothing(
    distances: Distances, beyond: Distances, nearest_other: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """By what each cell's distances are divided, so that the likeness of its neighbours adds up to log2(k)."""
    n, k = distances.shape
    wanted = np.log2(k)
    low, high, middle = np.zeros(n), np.full(n, np.inf), np.ones(n)
    rest = np.arange(n)
    for _ in range(_HALVINGS):
        total = np.exp(-beyond[rest, 1:] / middle[rest, None]).sum(axis=1)
        rest, total = (values[np.abs(total - wanted) >= _NEAR] for values in (rest, total))
        if not len(rest):
            break
        above = total > wanted
        high[rest[above]] = middle[rest[above]]
        low[rest[~above]] = middle[rest[~above]]
        between = (low[rest] + high[rest]) / 2
        middle[rest] = np.where(np.isinf(between), middle[rest] * 2, between)
    mean = np.where(nearest_other > 0.0, distances.mean(axis=1), distances.mean())
    smoothing: npt.NDArray[np.float32] = np.maximum(middle, 1e-3 * mean).astype(np.float32)
    return smoothing


def nearest(points: Points, k: int, threads: int | None) -> tuple[Indices, Distances]:
    """The ``k`` nearest rows of each row, itself counted and first, and how far they are: both cells x k."""
    if points.shape[1] <= _TREE_DIMENSIONS:
        from scipy.spatial import cKDTree

        distances, indices = cKDTree(points).query(points, k, workers=threads or -1)
    elif len(points) <= _EXACT_CELLS:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=threads or -1).fit(points)
        distances, indices = search.kneighbors(points)
    else:
        from umap.umap_ import nearest_neighbors

        state = np.random.RandomState(0)
        indices, distances, _ = nearest_neighbors(points, k, "euclidean", {}, False, state)
    return _itself_first(indices.astype(np.int32), distances.astype(np.float32))


def _itself_first(indices: Indices, distances: Distances) -> tuple[Indices, Distances]:
    """Where several cells are the same point, a cell may come after its doubles, or not at all."""
    itself = np.arange(len(indices), dtype=np.int32)
    wrong = np.flatnonzero(indices[:, 0] != itself)
    for row in wrong:
        found = np.flatnonzero(indices[row] == row)
        at = int(found[0]) if len(found) else indices.shape[1] - 1
        indices[row, 1 : at + 1] = indices[row, :at].copy()
        distances[row, 1 : at + 1] = distances[row, :at].copy()
        indices[row, 0], distances[row, 0] = row, 0.0
    return indices, distances


def perform(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(None, "finding each cell's nearest neighbours")
    graph = neighbour_graph(np.asarray(context.latent), options["n_neighbors"], context.threads)
    graph.save(context)
    return {"n_obs": len(graph.indices), "n_others": graph.indices.shape[1] - 1}


NEIGHBOURS = Kind(
    "neighbours", "Neighbours in the cells", perform, {"n_neighbors": 15}, separate=True, weight=3
)
