"""A prepared data set: an uncompressed, contiguous h5ad that any tool opens and training maps without reading it.

    with PreparedFile(path, shape, indptr) as out:      # sizes known beforehand
        out.append(data, indices)                       # in cell order, until all values are there
        out.write_tables(obs, var, obsm, uns)           # -> names of what could not be stored
    adata = open_prepared(ref)                          # X is a csr_matrix over the file's own arrays

The mapping is copy-on-write: nothing done to ``adata`` reaches the file. A full disk is ``NoSpace``.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anndata
import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata.io import read_elem, write_elem
from scipy import sparse

from ..errors import BadFile
from ..storage import is_full, on_full_disk
from ..types import DatasetRef

# What anndata writes may be a table, a matrix or a text: ``Any``.

INT32_VALUES = 2**31


class PreparedFile:
    """An h5ad under construction whose ``X`` is filled from front to back."""

    def __init__(self, path: Path, shape: tuple[int, int], indptr: npt.NDArray[np.int64]) -> None:
        self.path = path
        self.shape = shape
        self.indptr = indptr
        self.written = 0

    def __enter__(self) -> Self:
        with self._on_disk():
            self.h5 = h5py.File(self.path, "w", libver=("earliest", "v110"))
            self.h5.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
            nnz = int(self.indptr[-1])
            # scipy wants one integer type for both index arrays.
            index_type = np.int32 if nnz < INT32_VALUES else np.int64
            group = self.h5.create_group("X")
            group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
            group.attrs["shape"] = np.asarray(self.shape, dtype=np.int64)
            self.data = group.create_dataset("data", shape=(nnz,), dtype=np.float32)
            self.indices = group.create_dataset("indices", shape=(nnz,), dtype=index_type)
            group.create_dataset("indptr", data=self.indptr.astype(index_type))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._on_disk():
            self.h5.close()
        if kind is None:
            assert self.written == int(self.indptr[-1]), "fewer values than announced"

    def append(self, data: npt.NDArray[np.float32], indices: npt.NDArray[np.int32]) -> None:
        """The next values of ``X`` in cell order, genes ascending within a cell."""
        stop = self.written + len(data)
        if len(data):
            with self._on_disk():
                self.data[self.written : stop] = data
                self.indices[self.written : stop] = indices
        self.written = stop

    def write_tables(
        self, obs: pd.DataFrame, var: pd.DataFrame, obsm: dict[str, Any], uns: dict[str, Any]
    ) -> list[str]:
        """Store the rest; entries of ``obsm`` and ``uns`` that h5ad cannot hold are left out and named."""
        left_out = []
        with self._on_disk():
            write_elem(self.h5, "obs", obs)
            write_elem(self.h5, "var", var)
            for group in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
                write_elem(self.h5, group, {})
            for group, entries in (("obsm", obsm), ("uns", uns)):
                left_out += [
                    f"{group}/{key}" for key, value in entries.items() if not self._store(group, key, value)
                ]
        return left_out

    def _store(self, group: str, key: str, value: Any) -> bool:
        name = str(key).replace("/", "_")
        try:
            write_elem(self.h5[group], name, value)
        except Exception as error:
            if is_full(error, self.path.parent):
                raise
            if name in self.h5[group]:
                del self.h5[group][name]
            return False
        return True

    def _on_disk(self) -> AbstractContextManager[None]:
        n_values = int(self.indptr[-1]) - self.written
        return on_full_disk("the prepared data", self.path.parent.parent, n_values * 8)


def open_prepared(ref: DatasetRef) -> anndata.AnnData:
    """The prepared cells as AnnData with ``X``, ``obs`` and ``var``.

    Raises
    ------
    BadFile
        The file is gone, cut off or not a prepared one.
    """
    path = Path(ref.path)
    if not path.is_file():
        raise BadFile(f"The prepared data of {ref.name} is gone from the disk. Prepare it again.")
    try:
        with h5py.File(path, "r") as h5:
            obs, var = read_elem(h5["obs"]), read_elem(h5["var"])
            counts = map_counts(path, h5)
    except BadFile:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise BadFile(f"The prepared data of {ref.name} is damaged ({error}). Prepare it again.") from None
    return anndata.AnnData(X=counts, obs=obs, var=var)


def map_counts(path: Path, h5: h5py.File) -> sparse.csr_matrix:
    """``X`` as a csr_matrix whose data and indices live in the file."""
    group = h5["X"]
    indptr = group["indptr"][()]
    data, indices = _map(path, group["data"]), _map(path, group["indices"])
    matrix = sparse.csr_matrix((data, indices, indptr), shape=tuple(group.attrs["shape"]), copy=False)
    # True by how the file was written; otherwise scipy reads all indices to find out.
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def _map(path: Path, node: h5py.Dataset) -> npt.NDArray[Any]:
    offset = node.id.get_offset()
    if node.size == 0:
        return np.empty(0, node.dtype)
    if offset is None:
        raise BadFile("This is not a prepared file: its counts are compressed. Prepare it again.")
    if offset + node.size * node.dtype.itemsize > path.stat().st_size:
        # Mapping beyond the end would not raise but kill the process on first touch.
        raise BadFile("The prepared file is cut off. Prepare it again.")
    return np.memmap(path, dtype=node.dtype, mode="c", offset=offset, shape=node.shape)
