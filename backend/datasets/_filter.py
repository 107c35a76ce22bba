"""Quality control while a source is prepared: which cells stay, and what is to be told and kept of the others.

filtered = filter_cells(stored, seen, tables, spec, doublets, on_progress)

Nothing is read again where ``spec`` sets no limit. What removed cells is a notice with every limit and its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import BadInput
from ..quality import RULES, CellQuality, Doublets, Judged, filters_cells, gene_classes, judge, limit_said
from ..types import Notice, PrepareSpec, notice
from ._doublets import read_doublets, score
from ._matrices import Stored
from ._quality import genes_among, measure, samples_of
from ._scan import Progress, Scan
from ._tables import Tables, storable


@dataclass(slots=True)
class Filtered:
    passed: npt.NDArray[np.bool_]  # (C,)
    gene_cells: npt.NDArray[np.int64]  # (G,) cells that stay in which each gene is detected
    notices: list[Notice] = field(default_factory=list)
    columns: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)  # for obs, by scanpy's names
    doublets: npt.NDArray[np.int64] | None = None  # cells removed by their score: places in the file


def filter_cells(
    stored: Stored,
    seen: Scan,
    tables: Tables,
    spec: PrepareSpec,
    doublets: Path | None,
    on_progress: Progress,
) -> Filtered:
    """Raises ``BadInput`` where a limit cannot be applied or nothing would be left."""
    if not filters_cells(spec):
        return Filtered(np.ones(stored.n_obs, bool), seen.gene_cells)
    obs, _ = storable(tables.obs)
    samples = samples_of(obs, spec.qc_sample_key)
    classes = gene_classes(tables.var)
    if spec.max_pct_mt is not None and not classes.numbers["mt"]:
        raise BadInput(
            "No mitochondrial genes were recognised by their names, so cells cannot be judged by their mitochondrial "
            "share. Clear that limit, or bring a file with gene symbols."
        )
    cells, gene_cells = measure(stored, classes, on_progress)
    scores = None
    if spec.max_doublet_score is not None:
        scores = read_doublets(doublets) if doublets else None
        scores = scores or score(stored, seen.cell_genes, samples, on_progress)
    judged = judge(cells, spec, samples, scores)
    told = _told(judged, spec, classes.column, bool(classes.numbers["mt"]), scores)
    if not judged.passed.any():
        raise BadInput("Quality control would remove all cells. Choose wider limits.")
    if judged.n_removed and spec.min_cells_per_gene:
        gene_cells = genes_among(stored, judged.passed, on_progress)
    removed = judged.removed.get("max_doublet_score")
    return Filtered(
        judged.passed,
        gene_cells,
        told,
        _columns(cells, scores, bool(classes.numbers["mt"])),
        None if removed is None else np.flatnonzero(removed),
    )


def _told(
    judged: Judged, spec: PrepareSpec, symbols: str, has_mt: bool, scores: Doublets | None
) -> list[Notice]:
    rules = [rule for rule in RULES if rule in judged.removed]
    told = [
        notice(
            "cells_filtered",
            n=judged.n_removed,
            of=len(judged.passed),
            rules=tuple(rules),
            limits=tuple(limit_said(spec, rule) for rule in rules),
            each=tuple(int(judged.removed[rule].sum()) for rule in rules),
            within=spec.qc_sample_key or "",
            symbols=symbols,
            mitochondrial=has_mt,
        )
    ]
    if scores and scores.unscored:
        few = scores.unscored
        told.append(notice("samples_unscored", n=len(few), names=few[:5], severity="warning"))
    return told


def _columns(cells: CellQuality, scores: Doublets | None, has_mt: bool) -> dict[str, npt.NDArray[np.generic]]:
    columns: dict[str, npt.NDArray[np.generic]] = {
        "n_genes_by_counts": cells.genes,
        "total_counts": cells.counts,
    }
    if has_mt:
        columns["pct_counts_mt"] = cells.pct_mt
    if scores is not None:
        columns["doublet_score"] = scores.scores
    return columns
