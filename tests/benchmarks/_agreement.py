"""How alike two latent spaces are to somebody who clusters them, and how well they keep known labels together."""

from __future__ import annotations

from typing import Any

import numpy as np

NEIGHBOURS = 15
RESOLUTIONS = (0.2, 0.4, 0.6, 0.8, 1.0, 1.3)


def clusters(latent: np.ndarray[Any, Any], resolution: float = 1.0) -> Any:
    """Leiden on the graph of nearest neighbours, as scanpy does it."""
    import anndata
    import scanpy as sc

    cells = anndata.AnnData(np.asarray(latent, dtype=np.float32))
    sc.pp.neighbors(cells, n_neighbors=NEIGHBOURS, use_rep="X", random_state=0)
    sc.tl.leiden(
        cells, resolution, flavor="igraph", n_iterations=2, directed=False, random_state=0, key_added="found"
    )
    return cells.obs["found"].to_numpy()


def same_clusters(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Adjusted Rand index of the clusters of two latent spaces: 1 for the same, 0 for chance."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(clusters(one), clusters(other)))


def keeps_labels(latent: np.ndarray[Any, Any], labels: Any) -> tuple[float, float]:
    """Share of a cell's nearest neighbours with its label, and the best adjusted Rand index of a few resolutions."""
    from sklearn.metrics import adjusted_rand_score
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(latent)
    near = search.kneighbors(latent, return_distance=False)[:, 1:]
    purity = float((labels[near] == labels[:, None]).mean())
    found = [adjusted_rand_score(labels, clusters(latent, r)) for r in RESOLUTIONS]
    return purity, float(max(found))
