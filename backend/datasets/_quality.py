"""Quality control of a source: what is measured of each cell, in one pass over the matrix, and who is removed.

    found = measure_source(ref, spec, folder, on_progress)     # writes cells.npz and report.json into folder
    cells, gene_cells = measure(stored, classes, on_progress)
    quality = read_quality(folder)                             # None where that has not happened

Memory is one block and a few numbers a cell. What is kept: sums of each cell, and the codes of those columns of the
cell table that may tell samples apart, so that a page can suggest limits and count who is lost at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..columns import Role, read_column, role_of
from ..errors import BadFile, BadInput
from ..quality import CellQuality, GeneClasses, Quality, Samples, gene_classes
from ..storage import read_json, write_arrays, write_json
from ..types import ColumnAdvice, PrepareSpec, QualityReport, SourceRef
from ._adviser import advise
from ._container import check_container
from ._matrices import Stored, blocks, find_matrix, open_h5
from ._scan import ROUNDING, Progress, largest_fraction
from ._tables import read_tables, storable

CELLS = "cells.npz"
REPORT = "report.json"
NO_SAMPLE = "no value"
MOST_SAMPLES = 500
_MOST_COLUMNS = 12
_SHOWN_CELLS = 200  # of the numbers of cells that genes are detected in


def measure_source(ref: SourceRef, spec: PrepareSpec, folder: Path, on_progress: Progress) -> QualityReport:
    """Measure the cells of the matrix that ``spec`` names and write what was found into ``folder``."""
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        stored = find_matrix(h5, container, spec.counts)
        tables = read_tables(h5, container, spec.counts)
        stored = replace(stored, rounded=spec.round_counts)
        classes = gene_classes(tables.var)
        cells, gene_cells, off = _measured(stored, classes, on_progress)
        if 0 < off <= ROUNDING and not spec.round_counts:  # as preparing takes them
            cells, gene_cells, _ = _measured(replace(stored, rounded=True), classes, on_progress)
    on_progress(0.97, "looking at the table of cells")
    obs, _ = storable(tables.obs)
    columns = sample_columns(obs)
    codes = {f"codes_{i}": samples_of(obs, name).codes.astype(np.int16) for i, name in enumerate(columns)}
    report = QualityReport(
        source_id=ref.source_id,
        counts=spec.counts,
        n_obs=stored.n_obs,
        n_vars=stored.n_vars,
        class_genes=classes.numbers,
        symbols=classes.column,
        genes_by_cells=tuple(np.bincount(gene_cells, minlength=1)[:_SHOWN_CELLS].tolist()),
        sample_columns=columns,
    )
    write_arrays(folder / CELLS, {**cells.arrays(), **codes})
    levels = [list(samples_of(obs, name).names) for name in columns]
    write_json(folder / REPORT, {"report": report.to_dict(), "levels": levels})
    return report


def read_quality(folder: Path) -> Quality | None:
    data = read_json(folder / REPORT)
    if data is None:
        return None
    try:
        report = QualityReport.from_dict(data["report"])
        with np.load(folder / CELLS, allow_pickle=False) as arrays:
            cells = CellQuality(**{name: arrays[name] for name in CellQuality.__dataclass_fields__})
            codes = {
                name: Samples(arrays[f"codes_{i}"].astype(np.int64), tuple(levels))
                for i, (name, levels) in enumerate(zip(report.sample_columns, data["levels"], strict=True))
            }
    except (OSError, KeyError, TypeError, ValueError):  # written by another version: measure again
        return None
    return Quality(report, cells, codes)


def sample_columns(obs: pd.DataFrame) -> tuple[str, ...]:
    """Columns of groups that are no labels of cells, the most likely samples first."""
    fitting = [one for one in advise(obs) if _tells_samples(one)]
    return tuple(one.column for one in fitting[:_MOST_COLUMNS])


def _tells_samples(one: ColumnAdvice) -> bool:
    labels = role_of(one.column) in (Role.LABEL, Role.QUALITY)
    return one.kind == "categorical" and 2 <= one.n_levels <= MOST_SAMPLES and not labels


def samples_of(obs: pd.DataFrame, column: str | None) -> Samples:
    """(C,) which sample each cell is of, whatever the column looks like; cells without a value are one, too."""
    if column is None:
        return Samples.one(len(obs))
    if column not in obs:
        raise BadInput(f"There is no column {column} to tell samples apart by.")
    found = read_column(obs[column], column, as_groups=True)
    if found.n_levels > MOST_SAMPLES:
        raise BadInput(
            f"The column {column} has {found.n_levels:,} levels, too many for samples. Choose one with {MOST_SAMPLES} "
            "or fewer."
        )
    codes = found.codes.astype(np.int64)
    if not found.n_missing:
        return Samples(codes, found.levels)
    return Samples(np.where(codes < 0, len(found.levels), codes), (*found.levels, NO_SAMPLE))


def measure(
    stored: Stored, classes: GeneClasses, on_progress: Progress
) -> tuple[CellQuality, npt.NDArray[np.int64]]:
    """What each cell has, and (G,) in how many cells each gene is detected."""
    cells, gene_cells, _ = _measured(stored, classes, on_progress)
    return cells, gene_cells


def _measured(
    stored: Stored, classes: GeneClasses, on_progress: Progress
) -> tuple[CellQuality, npt.NDArray[np.int64], float]:
    if len(classes.masks) != stored.n_vars:
        raise BadFile(f"The matrix {stored.where} and the table of genes do not belong together.")
    C, G = stored.n_obs, stored.n_vars
    weights = np.concatenate([np.ones((G, 1)), classes.masks], axis=1)  # (G, 4): all, mt, ribo, hb
    sums, genes, gene_cells, off = np.zeros((C, 4)), np.zeros(C, np.int64), np.zeros(G, np.int64), 0.0
    total = max(1, C if stored.by_cells else G)
    for block in blocks(stored):
        rows, some = block.matrix, slice(block.start, block.stop)
        if not stored.rounded:
            off = max(off, largest_fraction(rows.data))
        rows.sum_duplicates()
        rows.data = rows.data.astype(np.float32).astype(np.float64)  # as training and scripts have them
        if stored.by_cells:
            sums[some] = rows @ weights
            genes[some] = np.diff(rows.indptr)
            gene_cells += np.bincount(rows.indices, minlength=G)
        else:
            sums += rows @ weights[some]
            genes += np.bincount(rows.indices, minlength=C)
            gene_cells[some] = np.diff(rows.indptr)
        on_progress(0.95 * block.stop / total, f"measuring {block.stop:,} of {total:,}")
    return CellQuality(sums[:, 0], genes, sums[:, 1], sums[:, 2], sums[:, 3]), gene_cells, off


def genes_among(stored: Stored, cells: npt.NDArray[np.bool_], on_progress: Progress) -> npt.NDArray[np.int64]:
    """(G,) in how many of the cells that stay each gene is detected."""
    gene_cells = np.zeros(stored.n_vars, np.int64)
    for block in blocks(stored):
        some = slice(block.start, block.stop)
        rows = block.matrix
        rows.sum_duplicates()
        if stored.by_cells:
            gene_cells += np.bincount(rows[cells[some]].indices, minlength=stored.n_vars)
        else:
            gene_cells[some] = np.add.reduceat(
                np.append(cells[rows.indices], False), rows.indptr[:-1], dtype=np.int64
            ) * (np.diff(rows.indptr) > 0)
        on_progress(
            block.stop / (stored.n_obs if stored.by_cells else stored.n_vars), "counting cells of genes"
        )
    return gene_cells
