"""The nearest neighbours of every cell in the latent space, and the weighted graph UMAP and Leiden work on.

Files: ``indices`` and ``distances`` (cells x n_neighbors, the cell itself first) and the graph as a CSR matrix
in ``graph_data``, ``graph_indices``, ``graph_indptr``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from ._graph import neighbour_graph

    progress(None, "finding each cell's nearest neighbours")
    points = np.asarray(context.latent)
    graph = neighbour_graph(points, options["n_neighbors"], context.threads)
    for name, values in graph.items():
        context.save(name, values)
    return {"n_obs": len(points)}


KIND = Kind("neighbours", "Neighbours in the cells", perform, {"n_neighbors": 15}, separate=True, weight=3)
