"""Quick looks into a prepared h5ad: its tables, one gene, counts per cell. Its arrays are mapped, not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadFile

_BLOCK = 1 << 24  # values looked at together


def read_obs(path: Path) -> Any:
    return _table(path, "obs")


def read_var(path: Path) -> Any:
    return _table(path, "var")


def read_gene(path: Path, gene: int) -> np.ndarray:
    """The counts of one column, float32. Looks at every index once: 80 million take about 0.2 s."""
    counts, indices, indptr = _counts(path)
    found = np.zeros(len(indptr) - 1, np.float32)
    for begin in range(0, len(indices), _BLOCK):
        at = np.flatnonzero(indices[begin : begin + _BLOCK] == gene) + begin
        found[np.searchsorted(indptr, at, side="right") - 1] = counts[at]
    return found


def read_quality(path: Path) -> dict[str, np.ndarray]:
    """Counts and genes per cell, float32."""
    counts, _, indptr = _counts(path)
    total = np.zeros(len(indptr) - 1)
    rows = max(1, int(_BLOCK * len(total) / max(1, len(counts))))
    for first in range(0, len(total), rows):
        last = min(len(total), first + rows)
        part = np.concatenate([[0.0], np.cumsum(counts[indptr[first] : indptr[last]], dtype=np.float64)])
        total[first:last] = np.diff(part[indptr[first : last + 1] - indptr[first]])
    return {"counts": total.astype(np.float32), "genes": np.diff(indptr).astype(np.float32)}


def _counts(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import h5py

    try:
        with h5py.File(path, "r") as h5:
            group = h5["X"]
            return _map(path, group["data"]), _map(path, group["indices"]), group["indptr"][()]
    except (OSError, KeyError) as error:
        raise BadFile(f"The prepared data cannot be read ({error}). Prepare it again.") from None


def _map(path: Path, node: Any) -> np.ndarray:
    offset = node.id.get_offset()
    if node.size == 0:
        return np.empty(0, node.dtype)
    if offset is None or offset + node.size * node.dtype.itemsize > path.stat().st_size:
        raise BadFile("The prepared data is cut off or not one of ours. Prepare it again.")
    return np.memmap(path, dtype=node.dtype, mode="r", offset=offset, shape=node.shape)


def _table(path: Path, name: str) -> Any:
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


def _values(node: Any) -> Any:
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
