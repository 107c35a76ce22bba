"""Files for upload tests, made from real counts: the cells that scanpy ships."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import scanpy as sc
from scipy import sparse


@cache
def _real_cells() -> ad.AnnData:
    """700 PBMC as raw counts, rebuilt from scanpy's normalised ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scanpy's own reading of its own old file
        reduced = sc.datasets.pbmc68k_reduced()
    if "counts" in reduced.layers:
        counts, names = reduced.layers["counts"], reduced.var_names
    else:
        raw = np.asarray(reduced.raw.X.todense(), dtype=np.float64)
        counts = np.rint(np.expm1(raw) * reduced.obs["n_counts"].to_numpy()[:, None] / 1e4)
        names = reduced.raw.var_names
    cells = ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    cells.var_names = names.astype(str)
    cells.obs_names = reduced.obs_names.astype(str)
    cells.obs["donor"] = np.where(np.arange(cells.n_obs) % 2, "north", "south")
    cells.obs["cell_type"] = reduced.obs["bulk_labels"].astype(str).to_numpy()
    return cells


def counts_file(path: Path, *, n_obs: int = 300) -> Path:
    cells = _real_cells()[:n_obs].copy()
    cells.write_h5ad(path)
    return path


def log_normalised_file(path: Path, *, n_obs: int = 300) -> Path:
    """Only normalised values: nothing scVI could be trained on."""
    cells = _real_cells()[:n_obs].copy()
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    del cells.uns["log1p"]  # a file from another tool says nothing about how it was made
    cells.write_h5ad(path)
    return path


# Each would show itself: by running script, as bold text, as a link, as a picture or as a formula.
HOSTILE = {
    "file": 'x<img src=q onerror="window.hacked=1">**bold** [a](javascript:window.hacked=2).h5ad',
    "column": "batch <img src=q onerror=window.hacked=3> :red[**bold**]",  # without a slash, a folder in HDF5
    "level": '<img src=q onerror="window.hacked=4">',
    "gene": '# <b onmouseover="window.hacked=5">$x^2$</b> ![p](http://127.0.0.1:9/p.png)',
}


def hostile_file(path: Path) -> Path:
    """Real counts under names that are HTML and Markdown."""
    cells = _real_cells()[:300].copy()
    cells.obs[HOSTILE["column"]] = np.where(np.arange(cells.n_obs) % 2, HOSTILE["level"], "**other**")
    cells.var_names = [HOSTILE["gene"], *cells.var_names[1:]]
    cells.write_h5ad(path)
    return path
