"""The cells as they were without scVI: normalised counts, log, PCA, and a map of that.

Files: ``pcs`` (cells x at most 30), ``indices`` (15 nearest neighbours in the PCA, itself first), ``xy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ._context import Context
from ._kind import Kind, Options, Progress

if TYPE_CHECKING:
    from anndata import AnnData

N_PCS = 30
_ALL_GENES = 4000  # up to here every gene is used
_TOP_GENES = 2000


def perform(context: Context, options: Options, progress: Progress) -> dict[str, Any]:
    from scipy import sparse

    from ._graph import neighbour_graph
    from ._layout import layout

    progress(0.0, "normalising the counts")
    pcs, n_genes = principal_components(context.adata.copy())
    progress(0.3, "finding each cell's nearest neighbours without scVI")
    graph = neighbour_graph(pcs, options["n_neighbors"], context.threads)
    parts = (graph["graph_data"], graph["graph_indices"], graph["graph_indptr"])
    matrix = sparse.csr_matrix(parts, shape=(len(pcs), len(pcs)))

    def later(fraction: float | None, phase: str = "") -> None:
        progress(0.5 + 0.5 * (fraction or 0.0), "placing the cells without scVI")

    xy = layout(pcs, matrix, options["min_dist"], later)
    context.save("pcs", pcs)
    context.save("indices", graph["indices"])
    context.save("xy", xy)
    return {"n_genes": n_genes, "n_pcs": pcs.shape[1]}


def principal_components(adata: AnnData) -> tuple[np.ndarray, int]:
    """scanpy's usual steps: counts per 10,000, log1p, the most variable genes where there are many, PCA."""
    import scanpy

    scanpy.pp.normalize_total(adata, target_sum=1e4)
    scanpy.pp.log1p(adata)
    if adata.n_vars > _ALL_GENES:
        scanpy.pp.highly_variable_genes(adata, n_top_genes=_TOP_GENES)
        adata = adata[:, adata.var["highly_variable"].to_numpy()].copy()
    n_pcs = max(2, min(N_PCS, adata.n_obs - 1, adata.n_vars - 1))
    scanpy.pp.pca(adata, n_comps=n_pcs, mask_var=None, random_state=0)
    return np.ascontiguousarray(adata.obsm["X_pca"], dtype=np.float32), adata.n_vars


KIND = Kind(
    "before",
    "Map without scVI",
    perform,
    {"n_neighbors": 15, "min_dist": 0.5},
    separate=True,
    weight=9,
)
