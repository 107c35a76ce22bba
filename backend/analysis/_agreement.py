"""What two trainings are compared by: neighbours and clusters of the same random cells, and how columns lie there.

Files: ``cells`` (which, at most ``n_cells``, the same for every run on the same data), ``neighbours`` (their 15
nearest among themselves) and ``clusters`` (Leiden). Facts: ``n_clusters``, and where columns are named ``same_label``,
``silhouette``, ``chance_label``, ``mixing`` (entropy of batches among neighbours, 1: as mixed as the whole).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress

NEIGHBOURS = 15
SEED = 20  # of the choice of cells


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from scipy import sparse

    from ._graph import neighbour_graph
    from ._leiden import clusters
    from ._mixing import chance, column_codes, mixing_entropy, same_share

    cells = chosen_cells(len(context.latent), options["n_cells"])
    points = np.asarray(context.latent[cells])
    progress(0.1, "finding nearest neighbours")
    graph = neighbour_graph(points, NEIGHBOURS + 1, context.threads)
    progress(0.5, "finding clusters")
    n = len(cells)
    matrix = sparse.csr_matrix(
        (graph["graph_data"], graph["graph_indices"], graph["graph_indptr"]), shape=(n, n)
    )
    found = clusters(matrix, options["resolution"])
    context.save("cells", cells)
    context.save("neighbours", graph["indices"][:, 1:])
    context.save("clusters", found)
    facts: dict[str, Any] = {"n_cells": n, "n_clusters": int(found.max()) + 1}
    if options["label"]:
        progress(0.7, "looking at labels")
        label = column_codes(context, options["label"])[cells]
        facts |= {
            "same_label": same_share(graph["indices"], label),
            "chance_label": chance(label),
            "silhouette": _silhouette(points, label),
        }
    if options["batch"]:
        progress(0.9, "looking at batches")
        facts["mixing"] = mixing_entropy(graph["indices"], column_codes(context, options["batch"])[cells])
    return facts


def chosen_cells(n_obs: int, most: int) -> np.ndarray:
    """The same cells for every run on the same data."""
    if n_obs <= most:
        return np.arange(n_obs)
    return np.sort(np.random.default_rng(SEED).choice(n_obs, most, replace=False))


def _silhouette(points: np.ndarray, label: np.ndarray) -> float | None:
    """From -1 to 1; None where the chosen cells have but one label, or each its own."""
    from sklearn.metrics import silhouette_score

    known = label >= 0
    levels = len(np.unique(label[known]))
    if not 2 <= levels < known.sum():
        return None
    return float(silhouette_score(points[known], label[known]))


KIND = Kind(
    "agreement",
    "Neighbours and clusters to compare",
    perform,
    {"n_cells": 5000, "resolution": 1.0, "label": None, "batch": None},
    separate=True,
)
