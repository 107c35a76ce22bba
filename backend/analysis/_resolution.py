"""The resolution that clusters are first shown at: that of a few with the highest silhouette in the latent space.

The silhouette (Rousseeuw 1987) compares how far a cell is from its own cluster and from the next one. On four data sets
with known labels it found clusters nearer to them than 1.0 did, which is too fine for a few thousand cells
(docs/PRESETS.md). Facts: ``resolution``, and of each one tried ``resolutions``, ``silhouettes`` (null where it gave a
single cluster), ``n_clusters``. File: ``labels``, the clusters at the proposed one, as those of ``leiden``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..jobs import OnProgress
from ._clusters import clusters
from ._graph import Points, saved_weights
from ._kind import Context, Facts, Kind, Options, Step

if TYPE_CHECKING:
    from scipy import sparse

RESOLUTIONS = (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
USUAL = 1.0  # where no resolution gives two clusters
_CELLS = 2000  # whose silhouettes are enough


def propose(
    points: Points, weights: sparse.csr_matrix, check: Callable[[], object] = lambda: None
) -> tuple[float, dict[str, list[float | int | None]]]:
    """The proposed resolution and what was tried, as in the facts. ``check`` is called between resolutions."""
    from sklearn.metrics import pairwise_distances, silhouette_score

    n = len(points)
    cells = np.sort(np.random.default_rng(0).choice(n, min(n, _CELLS), replace=False))
    distances = pairwise_distances(np.asarray(points[cells], dtype=np.float32))
    np.fill_diagonal(distances, 0.0)
    tried: dict[str, list[float | int | None]] = {
        "resolutions": list(RESOLUTIONS),
        "silhouettes": [],
        "n_clusters": [],
    }
    for resolution in RESOLUTIONS:
        check()
        found = clusters(weights, resolution)
        some = found[cells]
        several = 1 < len(np.unique(some)) < len(some)
        silhouette = float(silhouette_score(distances, some, metric="precomputed")) if several else None
        tried["silhouettes"].append(silhouette)
        tried["n_clusters"].append(int(found.max()) + 1)
    scores = [-1.0 if silhouette is None else silhouette for silhouette in tried["silhouettes"]]
    best = int(np.argmax(scores))
    return (RESOLUTIONS[best] if scores[best] > -1.0 else USUAL), tried


def _resolution(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(None, "choosing a resolution")
    neighbours = context.result("neighbours", n_neighbors=options["n_neighbors"])
    weights = saved_weights(neighbours)
    resolution, tried = propose(np.asarray(context.latent), weights, context.check)
    context.save("labels", clusters(weights, resolution))
    return {"resolution": resolution, **tried}


def _needs(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {"n_neighbors": options["n_neighbors"]}),)


RESOLUTION = Kind(
    "resolution",
    "Resolution of the clusters",
    _resolution,
    {"n_neighbors": 15},
    needs=_needs,
    separate=True,
    weight=0.5,
    version=2,
)
