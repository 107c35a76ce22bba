"""What two trainings are compared by: neighbours and clusters of the same random cells, and how columns lie there.

Files: ``cells`` (which, at most ``n_cells``, the same for every run on the same data), ``neighbours`` (their 15
nearest among themselves) and ``clusters`` (Leiden). Facts: ``n_clusters``, and where columns are named ``same_label``,
``silhouette``, ``chance_label``, ``mixing`` (entropy of batches among neighbours, 1: as mixed as the whole).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..jobs import OnProgress
from ._cell_groups import Codes
from ._clusters import clusters
from ._graph import Points, neighbour_graph
from ._kind import Context, Facts, Kind, Options
from ._mixing import chance, few_codes, mixing_entropy, same_share

_OTHERS = 15  # neighbours, the cell itself not counted
_SEED = 20  # of the choice of cells


def _agreement(context: Context, options: Options, progress: OnProgress) -> Facts:
    cells = chosen_cells(len(context.latent), options["n_cells"])
    points = np.asarray(context.latent[cells])
    progress(0.1, "finding nearest neighbours")
    graph = neighbour_graph(points, _OTHERS + 1, context.threads)
    progress(0.5, "finding clusters")
    found = clusters(graph.weights, options["resolution"])
    context.save("cells", cells)
    context.save("neighbours", graph.indices[:, 1:])
    context.save("clusters", found)
    facts: Facts = {"n_cells": len(cells), "n_clusters": int(found.max()) + 1}
    if options["label"]:
        progress(0.7, "looking at labels")
        label = few_codes(context, options["label"])[cells]
        facts |= {
            "same_label": same_share(graph.indices, label),
            "chance_label": chance(label),
            "silhouette": _silhouette(points, label),
        }
    if options["batch"]:
        progress(0.9, "looking at batches")
        facts["mixing"] = mixing_entropy(graph.indices, few_codes(context, options["batch"])[cells])
    return facts


def chosen_cells(n_obs: int, most: int) -> npt.NDArray[np.intp]:
    """The same cells for every run on the same data."""
    if n_obs <= most:
        return np.arange(n_obs)
    return np.sort(np.random.default_rng(_SEED).choice(n_obs, most, replace=False))


def _silhouette(points: Points, label: Codes) -> float | None:
    """From -1 to 1; None where the chosen cells have but one label, or each its own."""
    from sklearn.metrics import silhouette_score

    known = label >= 0
    levels = len(np.unique(label[known]))
    if not 2 <= levels < known.sum():
        return None
    return float(silhouette_score(points[known], label[known]))


AGREEMENT = Kind(
    "agreement",
    "Neighbours and clusters to compare",
    _agreement,
    {"n_cells": 5000, "resolution": 1.0, "label": None, "batch": None},
    separate=True,
)
