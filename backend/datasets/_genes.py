"""Choose the genes that vary most, and write them as a prepared dataset of their own.

    facts = prepare_selection(ref, spec, full, out, on_progress)

The ranking is seurat_v3 on counts (``_seurat``), per batch where ``spec.hvg_batch_key`` is given; a notice
says which way was taken, also where its curve could not be fitted.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from ..errors import BadInput
from ..types import Notice, PrepareSpec, SourceRef, notice, with_notices
from ._matrices import BLOCK_ENTRIES, bounds
from ._open import map_counts
from ._prepare import FILLER, facts, provenance
from ._scan import Progress
from ._seurat import rank_genes
from ._tables import as_text, missing, read_extras, read_tables
from ._writer import PreparedFile


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
    notices = _earlier(extras.uns)
    if n_top >= len(var):
        genes = np.ones(len(var), dtype=bool)
        notices.append(notice("all_genes_kept", n=len(var), asked=n_top))
    else:
        batches = _batches(obs, spec.hvg_batch_key)
        ranking = rank_genes(counts, n_top, batches)
        table = ranking.table
        genes = table["highly_variable"].to_numpy()
        var = var.assign(
            **{name: table[name].to_numpy() for name in table.columns if name != "highly_variable"}
        )
        notices.append(notice("genes_selected", n=int(genes.sum()), **asdict(ranking.way)))
    on_progress(0.6, "writing the selected genes")
    lengths = np.concatenate(
        [np.diff(counts[start:stop][:, genes].indptr) for start, stop in bounds(counts.indptr, BLOCK_ENTRIES)]
    )
    cells = lengths > 0
    if not cells.all():
        # Without any count a cell has no size, and training would divide by it.
        notices.append(notice("selection_emptied_cells", n=int((~cells).sum())))
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


def _earlier(uns: dict[str, Any]) -> list[Notice]:
    """What preparing all genes had changed already."""
    stored = json.loads(uns.get("scvi_studio", {}).get("notices", "[]"))
    return [Notice.from_dict(one) for one in with_notices({"notices": stored})["notices"]]


def _batches(obs: pd.DataFrame, key: str | None) -> np.ndarray | None:
    """The number of the batch of each cell; None where there is but one."""
    if key is None:
        return None
    if key not in obs:
        raise BadInput(f"There is no column {key} to select genes by.")
    labels = as_text(obs[key]).mask(missing(obs[key]), FILLER)
    codes, levels = pd.factorize(labels, sort=True)
    return np.asarray(codes) if len(levels) > 1 else None
