"""A copy of a prepared h5ad with some of its cells, block by block: no matrix in RAM."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from anndata.io import read_elem, write_elem

BLOCK = 4096  # cells at once


def keep_rows(source: Path, target: Path, rows: np.ndarray) -> None:
    """``rows`` ascending. Counts are CSR, as prepared files have them."""
    with h5py.File(source, "r") as old, h5py.File(target, "w") as new:
        new.attrs.update(old.attrs)
        _matrix(old["X"], new.create_group("X"), rows)
        write_elem(new, "obs", read_elem(old["obs"]).iloc[rows])
        write_elem(new, "obsm", {name: read_elem(node)[rows] for name, node in old["obsm"].items()})
        for name in ("var", "varm", "varp", "uns"):
            if name in old:
                old.copy(name, new)
        for name in ("layers", "obsp"):  # prepared files have none
            write_elem(new, name, {})


def _matrix(old: h5py.Group, new: h5py.Group, rows: np.ndarray) -> None:
    new.attrs.update({name: value for name, value in old.attrs.items() if name != "shape"})
    new.attrs["shape"] = np.array([len(rows), old.attrs["shape"][1]], dtype=np.int64)
    starts = old["indptr"][()]
    lengths = np.diff(starts)[rows]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(starts.dtype)
    new.create_dataset("indptr", data=indptr)
    columns = [
        new.create_dataset(name, shape=(indptr[-1],), dtype=old[name].dtype) for name in ("data", "indices")
    ]
    for first in range(0, len(rows), BLOCK):
        chosen = rows[first : first + BLOCK]
        low, high = starts[chosen[0]], starts[chosen[-1] + 1]
        places = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in chosen]) - low
        begin, end = indptr[first], indptr[first + len(chosen)]
        for column in columns:
            column[begin:end] = old[column.name.rsplit("/", 1)[-1]][low:high][places]
