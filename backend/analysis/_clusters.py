"""Clusters of the neighbour graph (Leiden), and whether they know the labels that the cells came with.

File of ``leiden``: ``labels`` (cells, int32), the largest cluster 0. File of ``known_labels``: ``table`` (clusters x
levels of the label, cells in each); facts: ``ari`` (adjusted Rand index of the clusters with the labels, Hubert and
Arabie 1985: 1 the same, 0 as by chance), ``same_label`` (of a cell's 15 nearest neighbours, the share with its label),
``chance_label``, ``levels``. Cells without a label are left out of all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..jobs import OnProgress
from ._cell_groups import chosen_column
from ._graph import nearest, saved_weights
from ._kind import Context, Facts, Kind, Options, Step
from ._mixing import chance, same_share

if TYPE_CHECKING:
    from scipy import sparse

Labels = npt.NDArray[np.int32]  # one a cell
_OTHERS = 15  # neighbours looked at, the cell itself not counted


def _leiden(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(None, "finding clusters")
    neighbours = context.result("neighbours", n_neighbors=options["n_neighbors"])
    labels = clusters(saved_weights(neighbours), options["resolution"])
    context.save("labels", labels)
    return {
        "n_clusters": int(labels.max()) + 1,
        "sizes": np.bincount(labels).tolist(),
        "n_others": neighbours.array("indices").shape[1] - 1,
    }


def clusters(weights: sparse.csr_matrix, resolution: float, seed: int = 0) -> Labels:
    """What ``scanpy.tl.leiden(flavor="igraph", n_iterations=2, directed=False)`` does, ordered by size.

    Without scanpy, whose import takes longer than clustering does, and with half the edges: the graph is
    symmetric, and igraph adds up the weights of both directions, which changes every weight alike.
    """
    import random

    import igraph
    from scipy import sparse

    upper = sparse.triu(weights, k=1, format="coo")
    edges = np.column_stack([upper.row, upper.col])
    network = igraph.Graph(n=weights.shape[0], edges=edges, directed=False)
    igraph.set_random_number_generator(random.Random(seed))
    found = network.community_leiden(
        objective_function="modularity",
        weights=upper.data.astype(np.float64),
        resolution=resolution,
        n_iterations=2,
    )
    return by_size(np.asarray(found.membership))


def by_size(found: npt.NDArray[np.integer[Any]]) -> Labels:
    """The same clusters, the largest called 0."""
    sizes = np.bincount(found)
    rank = np.empty(len(sizes), np.int32)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.int32)
    return np.asarray(rank[found])


def _known_labels(context: Context, options: Options, progress: OnProgress) -> Facts:
    from sklearn.metrics import adjusted_rand_score

    if not options["label"]:
        raise BadInput("Choose the column that says what a cell is.")
    label = chosen_column(context.adata.obs, options["label"])
    codes, levels = label.codes, label.levels
    if len(levels) < 2:
        raise BadInput("This column has only one value, so there is nothing to compare with.")
    progress(None, "comparing clusters with labels")
    points = np.ascontiguousarray(context.latent, dtype=np.float32)
    indices, _ = nearest(points, min(_OTHERS + 1, len(points) - 1), context.threads)
    clusters = np.asarray(context.result("leiden", resolution=options["resolution"]).array("labels"))
    known = codes >= 0
    table = np.zeros((int(clusters.max()) + 1, len(levels)), np.int64)
    np.add.at(table, (clusters[known], codes[known]), 1)
    context.save("table", table)
    return {
        "ari": float(adjusted_rand_score(codes[known], clusters[known])),
        "same_label": same_share(indices, codes),
        "chance_label": chance(codes),
        "levels": list(levels),
        "n_others": indices.shape[1] - 1,
        "n_clusters": len(table),
        "n_unknown": int((~known).sum()),
    }


def _needs_neighbours(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {"n_neighbors": options["n_neighbors"]}),)


LEIDEN = Kind(
    "leiden",
    "Clusters of the cells",
    _leiden,
    {"n_neighbors": 15, "resolution": 1.0},
    needs=_needs_neighbours,
    separate=True,
)


def _needs_clusters(options: Options) -> tuple[Step, ...]:
    return (("leiden", {"resolution": options["resolution"]}),)


KNOWN_LABELS = Kind(
    "known_labels",
    "Clusters against labels",
    _known_labels,
    {"label": None, "resolution": 1.0},
    needs=_needs_clusters,
    separate=True,
    weight=0.3,
)
