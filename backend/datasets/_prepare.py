"""Turn a source into a file that training can map: counts as CSR float32, cells and genes cleaned up.

    facts = prepare_source(ref, spec, out_dir, on_progress)              # writes out_dir/data.h5ad
    facts = prepare_source(ref, spec, out_dir, on_progress, full=path)   # select genes from that file

Refuses matrices that cannot be trained on (``NoCounts``) and cells without counts that nobody asked to drop. Genes are
selected by seurat_v3 on counts (``_seurat``), per batch where asked for; a notice says which way was taken.
Publishing the folder atomically is the library's business; ``out_dir`` is empty and ours.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..columns import FILLER, as_text, missing, read_column
from ..errors import BadInput, NoCounts
from ..types import Notice, PrepareSpec, Remedy, SourceRef, notice, with_notices
from ..words import counted, plural
from ._container import check_container
from ._filter import Filtered, filter_cells
from ._matrices import BLOCK_ENTRIES, Stored, bounds, cell_runs, find_matrix, open_h5
from ._prepared_file import PreparedFile, map_counts
from ._scan import Progress, Scan, scan_counts, scan_rounded
from ._seurat import rank_genes
from ._tables import Extras, Tables, read_extras, read_tables, storable
from ._verdict import judge


def prepare_source(
    ref: SourceRef,
    spec: PrepareSpec,
    out_dir: Path,
    on_progress: Progress,
    *,
    full: Path | None = None,
    doublets: Path | None = None,
) -> dict[str, Any]:
    """Write ``out_dir/data.h5ad``.

    Parameters
    ----------
    full
        With ``spec.n_top_genes``: the prepared file of the same choices with all genes, to select from.
        Made on the way, and removed again, where it is not given.
    doublets
        The folder of the doublet scores within the samples of ``spec``; computed where it is not there.

    Returns
    -------
    ``n_obs``, ``n_vars``, ``nnz``, ``obs_columns`` and ``notices`` (what preparing changed).

    Raises
    ------
    NoCounts
        The chosen matrix holds no counts.
    BadInput
        Nothing would be left, or cells without counts stand in the way.
    BadFile
        The source cannot be read.
    NoSpace
        The disk is full.
    """
    out = out_dir / "data.h5ad"
    if spec.n_top_genes is None:
        return _prepare_all(ref, spec, out, on_progress, doublets)
    if full is not None:
        return _prepare_selection(ref, spec, full, out, on_progress)
    whole = out_dir / "all-genes.h5ad"
    all_genes = spec.replace(n_top_genes=None, hvg_batch_key=None)
    _prepare_all(ref, all_genes, whole, _part(on_progress, 0.0, 0.6), doublets)
    selected = _prepare_selection(ref, spec, whole, out, _part(on_progress, 0.6, 1.0))
    whole.unlink()
    return selected


def _prepare_all(
    ref: SourceRef, spec: PrepareSpec, out: Path, on_progress: Progress, doublets: Path | None
) -> dict[str, Any]:
    container = check_container(ref.path)
    with open_h5(ref.path) as h5:
        stored = find_matrix(h5, container, spec.counts)
        tables = read_tables(h5, container, spec.counts)
        stored, seen = scan_counts(stored, _part(on_progress, 0.0, 0.4))
        _check_counts(stored, seen, tables)
        notices = list(tables.notices)
        empty = seen.cell_genes == 0  # in the file itself, before anything is rounded
        if spec.round_counts and seen.n_far:
            notices.append(notice("fractions_rounded", n=seen.n_far, of=seen.nnz, zero=seen.n_lost))
            stored, seen = scan_rounded(stored, _within(on_progress, 0.4))
        elif stored.rounded:
            notices.append(notice("values_rounded", largest=seen.off))
        if stored.keep is not None:
            notices.append(notice("other_features_left_out", n=int((~stored.keep).sum())))
        filtered = filter_cells(stored, seen, tables, spec, doublets, _within(on_progress, 0.4))
        notices += filtered.notices
        cells, genes, lengths = _choose(stored, seen, empty & filtered.passed, filtered, spec, notices)
        tables.obs = tables.obs.assign(
            **{name: values for name, values in filtered.columns.items() if name not in tables.obs}
        )
        obs, var = _dress(tables, cells, genes, spec, notices)
        extras = read_extras(h5, stored.n_obs) if container == "h5ad" else Extras()
        extras.obsm = {key: value[cells] for key, value in extras.obsm.items()}
        unreadable = tables.skipped + extras.skipped
        if unreadable:
            notices.append(notice("unreadable_left_out", names=tuple(unreadable[:5])))
        extras.uns["scvi_studio"] = _provenance(ref, spec, notices)
        if filtered.doublets is not None:
            extras.uns["scvi_studio"]["doublets"] = filtered.doublets
        indptr = np.concatenate([[0], np.cumsum(lengths[cells])])
        progress = _part(on_progress, 0.4, 0.97)
        with PreparedFile(out, (len(obs), len(var)), indptr) as file:
            for run in cell_runs(stored, seen.cell_genes, genes):
                stay = np.repeat(cells[run.start : run.stop], run.lengths)
                file.append(run.data[stay], run.indices[stay])
                progress(run.stop / stored.n_obs, f"writing cells {run.stop:,} of {stored.n_obs:,}")
            on_progress(0.97, "writing the tables of cells and genes")
            left_out = file.write_tables(obs, var, extras.obsm, extras.uns)
    if left_out:
        notices.append(notice("unstorable_left_out", names=tuple(left_out[:5])))
    on_progress(1.0, "done")
    return _facts(obs, var, int(indptr[-1]), notices)


def _prepare_selection(
    ref: SourceRef, spec: PrepareSpec, full: Path, out: Path, on_progress: Progress
) -> dict[str, Any]:
    """Write the most variable genes of the prepared file ``full`` to ``out``."""
    n_top = spec.n_top_genes or 0
    if n_top < 2:
        raise BadInput("Select at least 2 genes; 2,000 to 5,000 is usual.")
    with h5py.File(full, "r") as h5:
        counts = map_counts(full, h5)
        tables = read_tables(h5, "h5ad", "X")
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
    earlier = extras.uns.get("scvi_studio", {})
    extras.uns["scvi_studio"] = _provenance(ref, spec, notices)
    if "doublets" in earlier:
        extras.uns["scvi_studio"]["doublets"] = earlier["doublets"]
    indptr = np.concatenate([[0], np.cumsum(lengths[cells])])
    with PreparedFile(out, (len(obs), len(var)), indptr) as file:
        for start, stop in bounds(counts.indptr, BLOCK_ENTRIES):
            rows = counts[start:stop][:, genes]
            rows.sort_indices()
            file.append(rows.data, rows.indices)
            on_progress(0.6 + 0.38 * stop / counts.shape[0], f"writing cells {stop:,} of {counts.shape[0]:,}")
        file.write_tables(obs, var, extras.obsm, extras.uns)
    on_progress(1.0, "done")
    return _facts(obs, var, int(indptr[-1]), notices)


def _facts(obs: pd.DataFrame, var: pd.DataFrame, nnz: int, notices: list[Notice]) -> dict[str, Any]:
    return {
        "n_obs": len(obs),
        "n_vars": len(var),
        "nnz": nnz,
        "obs_columns": [str(name) for name in obs.columns],
        "notices": [one.to_dict() for one in notices],
    }


def _provenance(ref: SourceRef, spec: PrepareSpec, notices: list[Notice]) -> dict[str, Any]:
    """Where the prepared cells come from, stored with them as ``uns["scvi_studio"]``."""
    return {
        "source_id": ref.source_id,
        "source_name": ref.name,
        "source_origin": ref.origin,
        "simulated": bool(ref.simulated),
        "prepare": json.dumps(spec.to_dict()),
        "notices": json.dumps([one.to_dict() for one in notices]),
        "anndata_version": version("anndata"),
    }


def _check_counts(stored: Stored, seen: Scan, tables: Tables) -> None:
    verdict = judge(stored, seen)
    if verdict.usable:
        return
    where = ""
    if seen.first_bad is not None:
        cell, gene = seen.first_bad
        where = f" The first is in cell {tables.obs.index[cell]}, gene {tables.var.index[gene]}."
    raise NoCounts(f"{stored.where} cannot be trained on: {verdict.evidence}.{where}")


def _choose(
    stored: Stored,
    seen: Scan,
    empty: npt.NDArray[np.bool_],
    filtered: Filtered,
    spec: PrepareSpec,
    notices: list[Notice],
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Masks of the cells and genes that stay, and how many values each cell has left.

    ``empty`` cells have no counts in the file itself, and are not removed for another reason.
    """
    n_empty = int(empty.sum())
    genes = filtered.gene_cells >= spec.min_cells_per_gene
    lengths = seen.cell_genes
    if not genes.all():
        n_rare = int((~genes).sum())
        notices.append(notice("genes_dropped", n=n_rare, min_cells=spec.min_cells_per_gene))
    if not genes.any():
        raise BadInput(
            f"No gene is seen in {counted(spec.min_cells_per_gene, 'cell')} or more. Choose a smaller number."
        )
    if not (genes.all() and seen.canonical):
        lengths = np.zeros(stored.n_obs, np.int64)
        for run in cell_runs(stored, seen.cell_genes, genes):
            lengths[run.start : run.stop] = run.lengths
    cells = (lengths > 0) & filtered.passed
    if n_empty and not spec.drop_empty_cells:
        have, them = plural(n_empty, "has", "have"), plural(n_empty, "it", "them")
        raise BadInput(
            f"{counted(n_empty, 'cell')} {have} no counts, and training cannot work with {them}.",
            remedies=(
                Remedy(f"Drop {counted(n_empty, 'empty cell')}", "prepare", {"drop_empty_cells": True}),
            ),
        )
    if n_empty:
        notices.append(notice("empty_cells_dropped", n=n_empty))
    n_emptied = int(filtered.passed.sum()) - int(cells.sum()) - n_empty
    if n_emptied:  # follows from rounding or from dropping genes, so it is not asked for again
        notices.append(notice("emptied_cells_dropped", n=n_emptied))
    if not cells.any():
        raise BadInput("All cells are empty: there is nothing to train on.")
    return cells, genes, lengths


def _dress(
    tables: Tables,
    cells: npt.NDArray[np.bool_],
    genes: npt.NDArray[np.bool_],
    spec: PrepareSpec,
    notices: list[Notice],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of the kept cells and genes, mended as asked and in a form that h5ad holds."""
    obs, renamed = storable(tables.obs[cells])
    var, of_genes = storable(tables.var[genes])
    if renamed | of_genes:
        both = renamed | of_genes
        notices.append(notice("columns_renamed", old=tuple(both), new=tuple(both.values())))
    for frame in (obs, var):
        for name in frame.columns:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = frame[name].cat.remove_unused_categories()
    for name in spec.fill_missing:
        if name not in obs:
            raise BadInput(f"There is no column {name} whose missing values could be filled.")
        gone = missing(obs[name])
        obs[name] = pd.Categorical(as_text(obs[name]).mask(gone, FILLER))
        notices.append(notice("missing_filled", n=int(gone.sum()), column=name, level=FILLER))
    for frame, what in ((obs, "cell"), (var, "gene")):
        n_repeated = int(frame.index.duplicated().sum())
        if n_repeated and spec.make_names_unique:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a remark on names that end in a number already
                frame.index = anndata.utils.make_index_unique(frame.index)
            notices.append(notice("names_made_unique", n=n_repeated, of=what))
    return obs, var


def _within(on_progress: Progress, at: float) -> Progress:
    """Says what is done, without getting further."""
    return lambda fraction, phase: on_progress(at, phase)


def _part(on_progress: Progress, start: float, stop: float) -> Progress:
    return lambda fraction, phase: on_progress(start + fraction * (stop - start), phase)


def _earlier(uns: dict[str, Any]) -> list[Notice]:
    """What preparing all genes had changed already."""
    stored = json.loads(uns.get("scvi_studio", {}).get("notices", "[]"))
    return [Notice.from_dict(one) for one in with_notices({"notices": stored})["notices"]]


def _batches(obs: pd.DataFrame, key: str | None) -> npt.NDArray[np.int64] | None:
    """(C,) the number of the batch of each cell; None where there is but one."""
    if key is None:
        return None
    if key not in obs:
        raise BadInput(f"There is no column {key} to select genes by.")
    column = read_column(obs[key], key, as_groups=True)
    codes = column.codes.astype(np.int64)
    codes[codes < 0] = len(column.levels)  # cells without a value are a batch of their own
    return np.unique(codes, return_inverse=True)[1] if len(np.unique(codes)) > 1 else None
