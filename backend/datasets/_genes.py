"""Choose the genes that vary most, and write them as a prepared dataset of their own.

    facts = prepare_selection(ref, spec, full, out, on_progress)

The selection is scanpy's seurat_v3 on counts, per batch where ``spec.hvg_batch_key`` is given. Its curve fit
can fail on small or odd batches; then the next best way is taken and a notice says which.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from backend.datasets._matrices import BLOCK_ENTRIES, bounds
from backend.datasets._open import map_counts
from backend.datasets._prepare import FILLER, facts, provenance
from backend.datasets._scan import Progress
from backend.datasets._tables import as_text, missing, read_extras, read_tables
from backend.datasets._writer import PreparedFile
from backend.errors import BadInput
from backend.types import PrepareSpec, SourceRef

SMALL_BATCH = 50  # cells; fewer leave too few varying genes to fit a curve through
SPAN = 0.3  # scanpy's own
WIDE_SPAN = 0.9  # a stiffer curve, which still fits where few genes vary


def prepare_selection(
    ref: SourceRef, spec: PrepareSpec, full: Path, out: Path, on_progress: Progress
) -> dict[str, Any]:
    """Write the most variable genes of ``full`` to ``out``; facts as in ``prepare_source``."""
    n_top = spec.n_top_genes or 0
    if n_top < 2:
        raise BadInput("Select at least 2 genes; 2,000 to 4,000 is usual.")
    with h5py.File(full, "r") as h5:
        counts = map_counts(full, h5)
        tables = read_tables(h5, "h5ad", "X", counts.shape)
        extras = read_extras(h5, counts.shape[0])
    obs, var = tables.obs, tables.var
    on_progress(0.05, f"choosing {n_top:,} of {len(var):,} genes")
    notices: list[str] = []
    if n_top >= len(var):
        genes = np.ones(len(var), dtype=bool)
        notices.append(f"kept all {len(var):,} genes: there are no more than the {n_top:,} asked for")
    else:
        batches = _batches(obs, spec.hvg_batch_key)
        table, how = select_genes(counts, n_top, batches)
        genes = table["highly_variable"].to_numpy()
        var = var.assign(
            **{name: table[name].to_numpy() for name in table.columns if name != "highly_variable"}
        )
        notices.append(f"selected {int(genes.sum()):,} highly variable genes ({how})")
    on_progress(0.6, "writing the selected genes")
    lengths = np.concatenate(
        [np.diff(counts[start:stop][:, genes].indptr) for start, stop in bounds(counts.indptr, BLOCK_ENTRIES)]
    )
    cells = lengths > 0
    if not cells.all():
        # Without any count a cell has no size, and training would divide by it.
        notices.append(f"dropped {int((~cells).sum()):,} cells without counts in the selected genes")
    obs, var = obs[cells], var[genes]
    extras.obsm = {key: value[cells] for key, value in extras.obsm.items()}
    extras.uns["scvi_studio"] = provenance(ref, spec, notices)
    indptr = np.concatenate([[0], np.cumsum(lengths[cells])])
    with PreparedFile(out, (len(obs), len(var)), indptr) as file:
        for start, stop in bounds(counts.indptr, BLOCK_ENTRIES):
            rows = counts[start:stop][:, genes]
            rows.sort_indices()
            file.append(rows.data, rows.indices)
            on_progress(0.6 + 0.38 * stop / counts.shape[0], f"writing cells {stop:,} of {counts.shape[0]:,}")
        file.write_tables(obs, var, extras.obsm, extras.uns)
    on_progress(1.0, "done")
    return facts(obs, var, int(indptr[-1]), notices)


def select_genes(
    counts: sparse.csr_matrix, n_top: int, batches: pd.Series | None
) -> tuple[pd.DataFrame, str]:
    """A row per gene with ``highly_variable`` and the measures behind it, and which way was taken."""
    ways: list[tuple[str, Callable[[], pd.DataFrame]]] = []
    if batches is not None:
        ways.append(("seurat_v3 per batch", lambda: _seurat(counts, n_top, batches, SPAN)))
        ways.append(
            ("seurat_v3 per batch with a wider fit", lambda: _seurat(counts, n_top, batches, WIDE_SPAN))
        )
        large = (batches.map(batches.value_counts()) >= SMALL_BATCH).to_numpy()
        if not large.all() and batches[large].nunique() > 1:
            how = f"seurat_v3 per batch, without batches of fewer than {SMALL_BATCH} cells"
            ways.append((how, lambda: _seurat(counts[large], n_top, batches[large], SPAN)))
    ways.append(("seurat_v3", lambda: _seurat(counts, n_top, None, SPAN)))
    ways.append(("seurat_v3 with a wider fit", lambda: _seurat(counts, n_top, None, WIDE_SPAN)))
    for position, (how, way) in enumerate(ways):
        try:
            table = way()
        except Exception:  # loess raises ValueError, LinAlgError or worse, by platform
            continue
        if position == 0:
            return table, how
        return table, f"{how}; the curve fit of {ways[0][0]} failed, as it does when a batch is small"
    return _dispersion(counts, n_top), "variance to mean; the curve fit of seurat_v3 failed on these cells"


def _batches(obs: pd.DataFrame, key: str | None) -> pd.Series | None:
    if key is None:
        return None
    if key not in obs:
        raise BadInput(f"There is no column {key} to select genes by.")
    labels = as_text(obs[key]).mask(missing(obs[key]), FILLER)
    return labels if labels.nunique() > 1 else None


def _seurat(counts: sparse.csr_matrix, n_top: int, batches: pd.Series | None, span: float) -> pd.DataFrame:
    import scanpy

    obs = pd.DataFrame(index=pd.RangeIndex(counts.shape[0]).astype(str))
    if batches is not None:
        obs["batch"] = batches.to_numpy()
    adata = anndata.AnnData(counts, obs=obs)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        table = scanpy.pp.highly_variable_genes(
            adata,
            flavor="seurat_v3",
            n_top_genes=n_top,
            batch_key=None if batches is None else "batch",
            span=span,
            check_values=False,
            inplace=False,
        )
    if not np.isfinite(table["variances_norm"]).all() or table["highly_variable"].sum() != n_top:
        raise ValueError("the fit is not finite")
    kept = ["highly_variable", "highly_variable_rank", "means", "variances", "variances_norm"]
    return table[[*kept, *(name for name in table.columns if name == "highly_variable_nbatches")]]


def _dispersion(counts: sparse.csr_matrix, n_top: int) -> pd.DataFrame:
    """Variance over mean: no curve, so nothing that can fail."""
    n_obs, n_vars = counts.shape
    sums, squares = np.zeros(n_vars), np.zeros(n_vars)
    for start, stop in bounds(counts.indptr, BLOCK_ENTRIES):
        rows = counts[start:stop]
        values = rows.data.astype(np.float64)
        sums += np.bincount(rows.indices, weights=values, minlength=n_vars)
        squares += np.bincount(rows.indices, weights=values**2, minlength=n_vars)
    means = sums / n_obs
    variances = np.maximum(squares - n_obs * means**2, 0) / max(1, n_obs - 1)
    ratio = np.divide(variances, means, out=np.full(n_vars, -1.0), where=means > 0)
    chosen = np.zeros(n_vars, dtype=bool)
    chosen[np.argsort(-ratio, kind="stable")[:n_top]] = True
    return pd.DataFrame({"highly_variable": chosen, "means": means, "variances": variances})
