"""The cells in the report of a run: their map, the cells before and after, clusters and the genes that mark them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..charts import cell_look, cell_pair_chart, plain
from ..columns import MOST_LEVELS, colours, likely_labels, read_column, symbol_column
from ..types import CellColours
from ..words import count, integration_sentences, percent
from ._export import Explored, Result, Run
from ._report_page import CellMap, Figure, Section, Table, numbers_to_text

_TOP = 5  # genes of a cluster
_ROWS = 4096  # cells read together
_SEEN = 0.1  # of a cluster's cells: a gene in fewer does not mark it
MOST_COLUMNS = 12


def cell_sections(run: Run) -> list[Section]:
    columns = _columns(run)
    types = _types(columns)
    cells, clusters = _map(run, columns, types), _clusters(run, types)
    tables = () if clusters is None else (clusters,)
    if cells is None:
        return [Section("Clusters", tables=tables)] if tables else []
    pair = _before_and_after(run, columns)
    return [
        Section("Map of the cells", cell_map=cells),
        *([pair] if pair else []),
        *([Section("Groups of cells and their genes", tables=tables)] if tables else []),
    ]


def mixing(run: Run) -> list[str]:
    """What scVI did to the batches, in sentences; nothing where nobody looked."""
    seen = run.latest("mixing")
    if seen is None:
        return []
    return integration_sentences(seen.facts, seen.options.get("batch"), seen.options.get("label"))


def _before_and_after(run: Run, columns: Sequence[CellColours]) -> Section | None:
    seen, before, after = run.latest("mixing"), run.latest("before"), run.found.umap
    if seen is None or before is None or after is None:
        return None
    column = seen.options.get("batch") or seen.options.get("label")
    coloured = {one.column: one for one in columns}
    if column not in coloured:
        return None
    maps = (("Without scVI", before.array("xy")), ("With scVI", after))
    light, dark = (cell_pair_chart(maps, coloured[column], dark=dark) for dark in (False, True))
    facts, told = seen.facts, mixing(run)
    if seen.options.get("batch"):
        told.append(
            f"Batch mixing (entropy among nearest neighbours, 100 % as mixed as random cells): "
            f"{percent(facts['before']['entropy'], 0)} without, {percent(facts['after']['entropy'], 0)} with scVI."
        )
    if seen.options.get("label"):
        told.append(
            f"Nearest neighbours of the same {seen.options['label']}: {percent(facts['before']['same_label'], 0)} "
            f"without, {percent(facts['after']['same_label'], 0)} with scVI."
        )
    caption = (
        f"Coloured by {column}. Left: PCA of the normalised counts; right: the latent space of the model. "
        "Both were made two-dimensional by UMAP."
    )
    return Section(
        "Before and after",
        (" ".join(told),),
        figures=(Figure("before-and-after", light, dark, 330, caption),),
    )


def _clusters(run: Run, types: CellColours | None) -> Table | None:
    """Clusters by name, or where nobody clustered the levels of the likeliest column of cell types: cells and genes.

    Genes are those that differential expression found, else those with the highest counts.
    """
    found = run.found
    if found.clusters is not None:
        head, codes = "Cluster", found.clusters.astype(np.intp)
        names = found.names or tuple(f"Cluster {number + 1}" for number in range(int(codes.max()) + 1))
    elif types is not None:
        head, codes, names = types.column, np.asarray(types.codes, dtype=np.intp), types.levels
    else:
        return None
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    members: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        members.setdefault(name, []).append(number)
    groups = list(map(tuple, members.values()))
    genes, gene_head = _genes(run.latest("top_genes"), found), "Genes that mark it"
    note = "By scVI's differential expression."
    if not genes and (higher := _higher(run, codes, groups)):
        genes, gene_head = higher, "Genes higher in it"
        note = "By the difference of mean log-normalised counts from all other cells; not tested."
    symbols = _symbols(run)
    rows = []
    for name, merged in members.items():
        cells = int(sizes[merged].sum())
        row = (name, count(cells), percent(cells / len(codes), 1))
        told = ", ".join(symbols.get(gene, gene) for gene in genes.get(tuple(merged), ()))
        rows.append((*row, told) if genes else row)
    heads = (head, "Cells", "Share", *((gene_head,) if genes else ()))
    return Table(heads, tuple(rows), caption=note if genes else "")


def _types(columns: Sequence[CellColours]) -> CellColours | None:
    """The column that is likeliest to hold cell types."""
    found = {one.column: one for one in columns if one.kind == "categorical"}
    return next((found[name] for name in likely_labels(list(found))), None)


def _symbols(run: Run) -> dict[str, str]:
    """Of genes that are named by an identifier."""
    import h5py
    from anndata.io import read_elem

    if run.dataset is None or not Path(run.dataset.path).is_file():
        return {}
    with h5py.File(run.dataset.path, "r") as file:
        var = read_elem(file["var"])
    column = symbol_column(var.columns)
    return (
        {}
        if column is None
        else {str(gene): str(symbol) for gene, symbol in var[column].items() if str(symbol)}
    )


def _higher(
    run: Run, codes: npt.NDArray[np.intp], groups: list[tuple[int, ...]]
) -> dict[tuple[int, ...], list[str]]:
    """Of each set of codes the genes whose log-normalised counts are most above those of all other cells."""
    import h5py
    from anndata.io import read_elem, sparse_dataset
    from scipy import sparse

    if run.dataset is None or not Path(run.dataset.path).is_file() or len(groups) < 2:
        return {}
    of = np.zeros(int(codes.max()) + 2, dtype=np.intp)
    of[-1] = len(groups)  # cells without a code
    for place, members in enumerate(groups):
        of[list(members)] = place
    group_C = of[codes]
    with h5py.File(run.dataset.path, "r") as file:
        table = sparse_dataset(file["X"]) if isinstance(file["X"], h5py.Group) else file["X"]
        if table.shape[0] != len(codes):
            return {}
        genes = [str(name) for name in read_elem(file["var"]).index]
        summed: npt.NDArray[np.float64] = np.zeros((len(groups) + 1, len(genes)))
        cells = np.zeros_like(summed)
        for start in range(0, len(codes), _ROWS):
            rows = sparse.csr_matrix(table[start : start + _ROWS]).astype(np.float64)
            rows.data *= np.repeat(1e4 / np.maximum(rows.sum(axis=1).A1, 1), np.diff(rows.indptr))
            rows.data = np.log1p(rows.data)
            member = group_C[start : start + _ROWS]
            which = sparse.csr_matrix(
                (np.ones(len(member)), (member, np.arange(len(member)))), (len(groups) + 1, len(member))
            )
            summed += (which @ rows).toarray()
            rows.data[:] = rows.data > 0
            cells += (which @ rows).toarray()
    sizes = np.maximum(1, np.bincount(group_C, minlength=len(groups) + 1))[:, None]
    above = summed / sizes - (summed.sum(0) - summed) / (len(codes) - sizes)
    above[cells < _SEEN * sizes] = -np.inf
    best = np.argsort(-above, axis=1)[:, :_TOP]
    return {
        members: [genes[gene] for gene in best[place] if above[place, gene] > 0]
        for place, members in enumerate(groups)
    }


def _genes(result: Result | None, found: Explored) -> dict[tuple[int, ...], list[str]]:
    """Of each set of clusters, its first genes; nothing where they are of another clustering."""
    if result is None:
        return {}
    groups = result.options["groups"]
    if groups.get("by") != "clusters" or groups.get("clustering") != found.cluster_options:
        return {}
    genes: dict[tuple[int, ...], list[str]] = {}
    for gene, code in zip(result.array("gene").tolist(), result.array("of").tolist(), strict=True):
        members = groups["members"][code] if groups.get("members") else [code]
        of = genes.setdefault(tuple(members), [])
        if len(of) < _TOP:
            of.append(gene)
    return genes


def _map(run: Run, columns: Sequence[CellColours], types: CellColours | None) -> CellMap | None:
    """None where no map was made."""
    found = run.found
    if found.umap is None:
        return None
    n_cells = len(found.umap)
    looks: list[CellColours] = []
    if found.labels is not None:
        looks.append(_clusters_as_colours("clusters, as named", found.labels.tolist()))
    elif types is not None:  # what a reader looks for first
        looks.append(types)
    if found.clusters is not None:
        names = [f"Cluster {number + 1}" for number in found.clusters]
        looks.append(_clusters_as_colours("clusters", names, by_number=True))
    looks += [
        one for one in columns if types is None or found.labels is not None or one.column != types.column
    ]
    return CellMap(
        numbers_to_text(found.umap[:, 0], "<f4"),
        numbers_to_text(found.umap[:, 1], "<f4"),
        n_cells,
        tuple(_look(one, n_cells) for one in looks[:MOST_COLUMNS]),
        "Each point is a cell; cells that the model finds alike lie close together. Which groups touch is worth a "
        "look; how far apart two distant groups lie means little.",
    )


def _columns(run: Run) -> list[CellColours]:
    """Of the cell table: the batch first, then what tells cells apart. Nothing where there is no map to colour."""
    import h5py
    from anndata.io import read_elem

    if run.found.umap is None or run.dataset is None or not Path(run.dataset.path).is_file():
        return []
    with h5py.File(run.dataset.path, "r") as file:
        obs = read_elem(file["obs"])
    if len(obs) != len(run.found.umap):
        return []
    first = [name for name in (run.record.spec.batch_key,) if name in obs]
    found = []
    for name in [*first, *(name for name in obs.columns if name not in first)]:
        column = read_column(obs[name], str(name))
        if column.n_levels >= 2 and (
            column.kind == "continuous" or (column.is_groups and column.n_levels <= MOST_LEVELS)
        ):
            found.append(colours(column))
    return found


def _clusters_as_colours(name: str, values: Sequence[str], *, by_number: bool = False) -> CellColours:
    """Most frequent first; with ``by_number``, in the order of their numbers."""
    import pandas as pd

    column = read_column(pd.Series(values, dtype=object), name, as_groups=True)
    if not by_number:
        return colours(column)
    return CellColours(name, "categorical", tuple(column.codes.tolist()), column.levels)


def _look(look: CellColours, n_cells: int) -> dict[str, Any]:
    light, dark = cell_look(look, n_cells), cell_look(look, n_cells, dark=True)
    return {
        "name": look.column,
        "codes": numbers_to_text(light.codes, "<u1"),
        "labels": [plain(label, 40) for label in light.labels],  # Plotly reads markup
        "light": light.palette,
        "dark": dark.palette,
        "continuous": light.continuous,
    }
