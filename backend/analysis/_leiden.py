"""Clusters of the neighbour graph (Leiden), the largest first. File: ``labels`` (cells, int32)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress, Step


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from ._graph import graph_matrix

    progress(None, "finding clusters")
    graph = graph_matrix(context.result("neighbours", n_neighbors=options["n_neighbors"]))
    labels = clusters(graph, options["resolution"])
    context.save("labels", labels)
    return {"n_clusters": int(labels.max()) + 1, "sizes": np.bincount(labels).tolist()}


def clusters(graph: Any, resolution: float, seed: int = 0) -> np.ndarray:
    """What ``scanpy.tl.leiden(flavor="igraph", n_iterations=2, directed=False)`` does, ordered by size.

    Without scanpy, whose import takes longer than clustering does, and with half the edges: the graph is
    symmetric, and igraph adds up the weights of both directions, which changes every weight alike.
    """
    import random

    import igraph
    from scipy import sparse

    upper = sparse.triu(graph, k=1, format="coo")
    edges = np.column_stack([upper.row, upper.col])
    network = igraph.Graph(n=graph.shape[0], edges=edges, directed=False)
    igraph.set_random_number_generator(random.Random(seed))
    found = network.community_leiden(
        objective_function="modularity",
        weights=upper.data.astype(np.float64),
        resolution=resolution,
        n_iterations=2,
    )
    return by_size(np.asarray(found.membership))


def by_size(found: np.ndarray) -> np.ndarray:
    """The same clusters, the largest called 0."""
    sizes = np.bincount(found)
    rank = np.empty(len(sizes), np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.int32)
    return rank[found]


def needs(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {"n_neighbors": options["n_neighbors"]}),)


KIND = Kind(
    "leiden",
    "Clusters of the cells",
    perform,
    {"n_neighbors": 15, "resolution": 1.0},
    needs=needs,
    separate=True,
)
