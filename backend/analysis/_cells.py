"""``Cells``: what is known of the cells of a data set, read from its prepared file, quick enough for a page.

    cells.columns(dataset_id); cells.column(dataset_id, "cell_type")     # Groups or Numbers
    cells.genes(dataset_id); cells.counts(dataset_id, "CD3D")
    cells.expression(run_id, "CD3D")                                     # by the model; None until "decoded" is there

A column that names nearly every cell differently is not offered. What was read last is kept in memory; the arrays of
the file are mapped, not read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..columns import MOST_LEVELS, likely_labels, read_column, symbol_column
from ..errors import BadFile, NotFound
from ..types import CellColumn, Groups, Numbers, RunRecord
from ._analyses import Analyses, Datasets, Runs
from ._expression import expected

if TYPE_CHECKING:
    import h5py
    import pandas as pd

# What anndata reads of a node may be an array or a pandas column, hence ``Any``.

T = TypeVar("T")
PerCell = npt.NDArray[np.float32]

_KEPT = 24  # things read last
_BLOCK = 1 << 24  # values looked at together
_MOST_LEVELS = 5000
QUALITY = {"counts": "Counts per cell", "genes": "Genes per cell"}


class Cells:
    def __init__(self, datasets: Datasets, analyses: Analyses, runs: Runs) -> None:
        self._datasets = datasets
        self._analyses = analyses
        self._runs = runs
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    # --- columns of the cell table ---

    def columns(self, dataset_id: str) -> list[CellColumn]:
        obs = self._obs(dataset_id)
        return self._keep(("columns", dataset_id), lambda: _columns(obs))

    def column(self, dataset_id: str, name: str) -> Groups | Numbers:
        obs = self._obs(dataset_id)
        kinds = {column.name: column.kind for column in self.columns(dataset_id)}
        if name not in kinds:
            raise NotFound(f"The data has no column {name!r} that can colour the cells.")
        if kinds[name] == "categorical":
            return self._keep(("column", dataset_id, name), lambda: _groups(obs[name]))
        return self._keep(("column", dataset_id, name), lambda: _numbers(obs[name]))

    def groupings(self, dataset_id: str) -> list[str]:
        """Columns that part the cells into few enough groups to tell apart."""
        columns = self.columns(dataset_id)
        return [c.name for c in columns if c.kind == "categorical" and 2 <= c.n_levels <= MOST_LEVELS]

    def likely(self, run: RunRecord) -> tuple[str | None, str | None]:
        """The columns of the batch (the run's own) and of the cell types (by its name); None where there is none."""
        names = self.groupings(run.spec.dataset_id)
        batch = run.spec.batch_key if run.spec.batch_key in names else None
        return batch, next((name for name in likely_labels(names) if name != batch), None)

    def names(self, dataset_id: str) -> list[str]:
        """What each cell is called in the file."""
        obs = self._obs(dataset_id)
        return self._keep(("names", dataset_id), lambda: [str(name) for name in obs.index])

    def quality(self, dataset_id: str, what: str) -> Numbers:
        """``counts`` or ``genes`` per cell, of all genes the file has."""
        path = self._path(dataset_id)
        found = self._keep(("quality", dataset_id), lambda: _read_quality(path))
        return Numbers(found[what])

    # --- genes ---

    def genes(self, dataset_id: str) -> dict[str, str]:
        """Every gene of the file by its name, and what it is shown as: with its symbol, where there is one besides."""

        def read() -> dict[str, str]:
            var = self._var(dataset_id)
            names = [str(name) for name in var.index]
            column = symbol_column(var.columns)
            symbols = [str(value) for value in var[column]] if column else names
            return {
                name: name if symbol in (name, "", "nan") else f"{symbol} ({name})"
                for name, symbol in zip(names, symbols, strict=True)
            }

        return self._keep(("genes", dataset_id), read)

    def gene_label(self, dataset_id: str, gene: str) -> str:
        """``CD3D``, or ``CD3D (ENSG00000167286)`` where the file has a symbol besides the name."""
        return self.genes(dataset_id).get(gene, gene)

    def counts(self, dataset_id: str, gene: str) -> Numbers:
        """log(1 + counts per 10,000) of one gene, from the raw counts; read from all of the file's values."""
        path = self._path(dataset_id)
        index = list(self.genes(dataset_id))
        if gene not in index:
            raise NotFound(f"The data has no gene {gene!r}.")
        totals = self.quality(dataset_id, "counts").values

        def read() -> Numbers:
            found = _read_gene(path, index.index(gene))
            return Numbers(np.log1p(1e4 * found / np.maximum(totals, 1.0)).astype(np.float32))

        return self._keep(("counts", dataset_id, gene), read)

    def expression(self, run_id: str, gene: str) -> Numbers | None:
        """log(1 + what the model expects among 10,000 counts); None until "decoded" was requested and is done.

        Raises
        ------
        NotFound
            The model was trained without this gene.
        """
        found = self._analyses.result(run_id, "decoded")
        if found is None:
            return None
        dataset = self._datasets.dataset(self._runs.get(run_id).spec.dataset_id)
        trained = self._keep(
            ("trained", dataset.path), lambda: [str(gene) for gene in _table(Path(dataset.path), "var").index]
        )
        if gene not in trained:
            raise NotFound(f"The model was trained without {gene}: it is not among the genes that were kept.")

        def read() -> Numbers:
            return Numbers(np.log1p(expected(found, trained.index(gene))).astype(np.float32))

        return self._keep(("expression", found.stamp, gene), read)

    # --- inside ---

    def _path(self, dataset_id: str) -> Path:
        dataset = self._datasets.dataset(dataset_id)
        return Path(dataset.full_path or dataset.path)

    def _obs(self, dataset_id: str) -> pd.DataFrame:
        path = self._path(dataset_id)
        return self._keep(("obs", dataset_id), lambda: _table(path, "obs"))

    def _var(self, dataset_id: str) -> pd.DataFrame:
        path = self._path(dataset_id)
        return self._keep(("var", dataset_id), lambda: _table(path, "var"))

    def _keep(self, key: tuple[str, ...], read: Callable[[], T]) -> T:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                known: T = self._kept[key]
                return known
        value = read()
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return value


def _groups(values: pd.Series) -> Groups:
    """The distinct values of a column as text, the most frequent first, or in their own order where they have one."""
    column = read_column(values, as_groups=True)
    column = column if column.ordered else column.by_size()
    return Groups(column.codes, column.levels, tuple(column.counts.tolist()), ordered=column.ordered)


def _numbers(values: pd.Series) -> Numbers:
    found = read_column(values).numbers
    assert found is not None, "not a column of numbers"
    return Numbers(found.astype(np.float32))


def _columns(obs: pd.DataFrame) -> list[CellColumn]:
    found = []
    for name in obs.columns:
        column = read_column(obs[name], str(name))
        if column.kind == "continuous" and column.n_levels > 1:
            found.append(CellColumn(column.name, "continuous"))
        elif column.is_groups and 1 <= column.n_levels <= _MOST_LEVELS:
            found.append(CellColumn(column.name, "categorical", column.n_levels))
    return found


# --- the prepared file ---


def _read_gene(path: Path, gene: int) -> PerCell:
    """The counts of one column. Looks at every index once: 80 million take about 0.2 s."""
    counts, indices, indptr = _counts(path)
    found = np.zeros(len(indptr) - 1, np.float32)
    for begin in range(0, len(indices), _BLOCK):
        at = np.flatnonzero(indices[begin : begin + _BLOCK] == gene) + begin
        found[np.searchsorted(indptr, at, side="right") - 1] = counts[at]
    return found


def _read_quality(path: Path) -> dict[str, PerCell]:
    """Counts and genes per cell."""
    counts, _, indptr = _counts(path)
    total = np.zeros(len(indptr) - 1)
    rows = max(1, int(_BLOCK * len(total) / max(1, len(counts))))
    for first in range(0, len(total), rows):
        last = min(len(total), first + rows)
        part = np.concatenate([[0.0], np.cumsum(counts[indptr[first] : indptr[last]], dtype=np.float64)])
        total[first:last] = np.diff(part[indptr[first : last + 1] - indptr[first]])
    return {"counts": total.astype(np.float32), "genes": np.diff(indptr).astype(np.float32)}


def _counts(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """``data`` and ``indices``, mapped, and ``indptr`` of the CSR matrix."""
    import h5py

    try:
        with h5py.File(path, "r") as h5:
            group = h5["X"]
            return _map(path, group["data"]), _map(path, group["indices"]), group["indptr"][()]
    except (OSError, KeyError) as error:
        raise BadFile(f"The prepared data cannot be read ({error}). Prepare it again.") from None


def _map(path: Path, node: h5py.Dataset) -> npt.NDArray[Any]:
    offset = node.id.get_offset()
    if node.size == 0:
        return np.empty(0, node.dtype)
    if offset is None or offset + node.size * node.dtype.itemsize > path.stat().st_size:
        raise BadFile("The prepared data is cut off or not one of ours. Prepare it again.")
    return np.memmap(path, dtype=node.dtype, mode="r", offset=offset, shape=node.shape)


def _table(path: Path, name: str) -> pd.DataFrame:
    import h5py
    import pandas as pd

    try:
        with h5py.File(path, "r") as h5:
            group = h5[name]
            columns = [str(column) for column in group.attrs.get("column-order", ())]
            index = _values(group[group.attrs["_index"]])
            table = {column: _values(group[column]) for column in columns}
        return pd.DataFrame(table, index=pd.Index(index))
    except (OSError, KeyError, ValueError) as error:
        raise BadFile(f"The prepared data cannot be read ({error}). Prepare it again.") from None


def _values(node: h5py.Group | h5py.Dataset) -> Any:
    """One column, as anndata writes it.

    Not by anndata itself: a page that imports it while the compute thread imports scvi-tools breaks both imports.
    """
    import pandas as pd

    if "categories" in node:
        return pd.Categorical.from_codes(node["codes"][()], pd.Index(_values(node["categories"])))
    if "values" in node:
        values = _values(node["values"])
        values = values.astype(float if values.dtype.kind in "iuf" else object)
        values[node["mask"][()]] = float("nan") if values.dtype.kind == "f" else None
        return values
    if node.dtype.kind == "O":
        return node.asstr()[()]
    return node[()]
