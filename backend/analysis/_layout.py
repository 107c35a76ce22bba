"""Place cells in two dimensions by their neighbour graph (UMAP)."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.analysis._graph import graph_matrix
from backend.analysis._kind import Progress


def layout(points: np.ndarray, neighbours: Any, min_dist: float, progress: Progress) -> np.ndarray:
    import anndata
    import scanpy

    adata = anndata.AnnData(obsm={"X": points})
    adata.obsp["connectivities"] = graph_matrix(neighbours)
    params = {"method": "umap", "use_rep": "X", "n_neighbors": 15}
    adata.uns["neighbors"] = {"connectivities_key": "connectivities", "params": params}
    scanpy.tl.umap(adata, min_dist=min_dist, random_state=0)
    return np.ascontiguousarray(adata.obsm["X_umap"], dtype=np.float32)
