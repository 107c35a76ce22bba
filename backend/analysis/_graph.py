"""Nearest neighbours and UMAP's graph of points, as scanpy makes them.

graph = neighbour_graph(points, 15)    # arrays: indices, distances, graph_data, graph_indices, graph_indptr
matrix = graph_matrix(result)          # the graph as scipy CSR
"""

from __future__ import annotations

from typing import Any

import numpy as np


def neighbour_graph(points: np.ndarray, n_neighbors: int) -> dict[str, np.ndarray]:
    import anndata
    import scanpy

    adata = anndata.AnnData(obsm={"X": points})
    n_neighbors = max(2, min(n_neighbors, len(points) - 1))
    scanpy.pp.neighbors(adata, n_neighbors=n_neighbors, use_rep="X", random_state=0)
    graph = adata.obsp["connectivities"].tocsr()
    indices, distances = _table(adata.obsp["distances"].tocsr(), n_neighbors)
    return {
        "indices": indices,
        "distances": distances,
        "graph_data": graph.data.astype(np.float32),
        "graph_indices": graph.indices.astype(np.int32),
        "graph_indptr": graph.indptr.astype(np.int64),
    }


def _table(distances: Any, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of equal length from scanpy's matrix, the nearest first, without the cell itself."""
    n_obs = distances.shape[0]
    indices = np.full((n_obs, n_neighbors - 1), -1, np.int32)
    values = np.full((n_obs, n_neighbors - 1), np.nan, np.float32)
    for row in range(n_obs):
        begin, end = distances.indptr[row], distances.indptr[row + 1]
        order = np.argsort(distances.data[begin:end], kind="stable")[: n_neighbors - 1]
        indices[row, : len(order)] = distances.indices[begin:end][order]
        values[row, : len(order)] = distances.data[begin:end][order]
    return indices, values


def graph_matrix(result: Any) -> Any:
    from scipy import sparse

    indptr = np.asarray(result.array("graph_indptr"))
    parts = (np.asarray(result.array("graph_data")), np.asarray(result.array("graph_indices")), indptr)
    return sparse.csr_matrix(parts, shape=(len(indptr) - 1, len(indptr) - 1))
