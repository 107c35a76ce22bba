"""Maps: cells placed in two dimensions by their neighbour graph, as ``scanpy.tl.umap`` does it, sooner.

It begins at the first two principal components of the points: a sound beginning (Kobak and Linderman 2021) that keeps
the large structure and costs nothing, where the spectral one takes as long as all that follows.

Files: ``xy`` (cells x 2, float32) of the kinds ``umap``, by the latent space, and ``before``, by the cells as they were
without scVI, which also has ``pcs`` (cells x at most 30) and ``indices`` (neighbours in the PCA, itself first).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..jobs import OnProgress
from ._graph import Points, neighbour_graph, saved_weights
from ._kind import Context, Facts, Kind, Options, Step

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy import sparse

Placed = npt.NDArray[np.float32]  # cells x 2
N_PCS = 30
_ALL_GENES = 4000  # up to here every gene is used
_TOP_GENES = 2000


def layout(points: Points, weights: sparse.csr_matrix, min_dist: float, progress: OnProgress) -> Placed:
    """Where each cell is placed; the same for the same input."""
    from ._placing import fitted_curve, move

    n_epochs = 500 if len(points) <= 10_000 else 200  # UMAP's own
    curve, places = fitted_curve(min_dist), beginning(points)
    shares = (weights.data / weights.data.max()).astype(np.float32)
    shares[shares < 1 / n_epochs] = 0.0
    for epoch in range(1, n_epochs + 1):
        progress(epoch / n_epochs, "placing the cells on the map")
        move(places, weights.indptr, weights.indices, shares, curve, epoch, 1.0 - (epoch - 1) / n_epochs)
    return places


def beginning(points: Points) -> Placed:
    """The first two principal components, within 10 of the middle, with a little noise against doubles."""
    centred = np.asarray(points, dtype=np.float64) - np.mean(points, axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    if axes.shape[1] == 1:
        axes = np.hstack([axes, axes])
    plane = axes[:, ::-1][:, :2].copy()
    # a sign is arbitrary: fix it
    plane *= np.where(plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    placed: npt.NDArray[np.float64] = centred @ plane
    placed *= 10.0 / max(np.abs(placed).max(), 1e-12)
    placed += np.random.default_rng(0).normal(scale=1e-4, size=placed.shape)
    return placed.astype(np.float32)


# --- the kinds ---

_DEFAULTS = {"n_neighbors": 15, "min_dist": 0.5}


def _umap(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(0.0, "placing the cells on the map")
    neighbours = context.result("neighbours", n_neighbors=options["n_neighbors"])
    xy = layout(np.asarray(context.latent), saved_weights(neighbours), options["min_dist"], progress)
    context.save("xy", xy)
    return {"n_obs": len(xy), "n_others": neighbours.array("indices").shape[1] - 1}


def _needs_neighbours(options: Options) -> tuple[Step, ...]:
    return (("neighbours", {"n_neighbors": options["n_neighbors"]}),)


def _before(context: Context, options: Options, progress: OnProgress) -> Facts:
    progress(0.0, "normalising the counts")
    pcs, n_genes = _principal_components(context.adata.copy())
    progress(0.3, "finding each cell's nearest neighbours without scVI")
    graph = neighbour_graph(pcs, options["n_neighbors"], context.threads)

    def later(fraction: float | None, phase: str) -> None:
        progress(0.5 + 0.5 * (fraction or 0.0), "placing the cells without scVI")

    xy = layout(pcs, graph.weights, options["min_dist"], later)
    context.save("pcs", pcs)
    context.save("indices", graph.indices)
    context.save("xy", xy)
    return {"n_genes": n_genes, "n_pcs": pcs.shape[1], "n_others": graph.indices.shape[1] - 1}


def _principal_components(adata: AnnData) -> tuple[npt.NDArray[np.float32], int]:
    """Cells x components, and the number of genes they are of.

    scanpy's usual steps: counts per 10,000, log1p, the most variable genes where there are many, PCA.
    """
    import scanpy

    scanpy.pp.normalize_total(adata, target_sum=1e4)
    scanpy.pp.log1p(adata)
    if adata.n_vars > _ALL_GENES:
        scanpy.pp.highly_variable_genes(adata, n_top_genes=_TOP_GENES)
        adata = adata[:, adata.var["highly_variable"].to_numpy()].copy()
    n_pcs = max(2, min(N_PCS, adata.n_obs - 1, adata.n_vars - 1))
    scanpy.pp.pca(adata, n_comps=n_pcs, mask_var=None, random_state=0)
    return np.ascontiguousarray(adata.obsm["X_pca"], dtype=np.float32), adata.n_vars


UMAP = Kind("umap", "Map of the cells", _umap, _DEFAULTS, needs=_needs_neighbours, separate=True, weight=6)
BEFORE = Kind("before", "Map without scVI", _before, _DEFAULTS, separate=True, weight=9)


def _first_look(context: Context, options: Options, progress: OnProgress) -> Facts:
    return {}  # all of it is in what this needs


def _needs_all(options: Options) -> tuple[Step, ...]:
    mixing: tuple[Step, ...] = (("mixing", dict(options)),) if options["batch"] else ()
    return (("umap", {}), ("resolution", {}), *mixing)


FIRST_LOOK = Kind(
    "first_look",
    "UMAP",
    _first_look,
    {"batch": None, "label": None},
    needs=_needs_all,
    separate=True,
    weight=0.01,
)
