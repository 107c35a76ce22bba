"""Write a prepared dataset: an uncompressed, contiguous h5ad that any tool opens and training can map.

    with PreparedFile(path, shape, indptr) as out:      # sizes known beforehand
        out.append(data, indices)                       # in cell order, until all values are there
        out.write_tables(obs, var, obsm, uns)           # -> names of what could not be stored

Refuses a full disk with ``NoSpace``. Writing beside and renaming is the caller's business.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

from ..errors import NoSpace

INT32_VALUES = 2**31


class PreparedFile:
    """An h5ad under construction whose ``X`` is filled from front to back."""

    def __init__(self, path: Path, shape: tuple[int, int], indptr: np.ndarray) -> None:
        self.path = path
        self.shape = shape
        self.indptr = indptr
        self.written = 0

    def __enter__(self) -> Self:
        with disk_errors(self.path):
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
        with disk_errors(self.path):
            self.h5.close()
        if kind is None:
            assert self.written == int(self.indptr[-1]), "fewer values than announced"

    def append(self, data: np.ndarray, indices: np.ndarray) -> None:
        """The next values of ``X`` in cell order, genes ascending within a cell."""
        stop = self.written + len(data)
        if len(data):
            with disk_errors(self.path):
                self.data[self.written : stop] = data
                self.indices[self.written : stop] = indices
        self.written = stop

    def write_tables(
        self, obs: pd.DataFrame, var: pd.DataFrame, obsm: dict[str, Any], uns: dict[str, Any]
    ) -> list[str]:
        """Store the rest; entries of ``obsm`` and ``uns`` that h5ad cannot hold are left out and named."""
        left_out = []
        with disk_errors(self.path):
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
            if _is_full(error):
                raise
            if name in self.h5[group]:
                del self.h5[group][name]
            return False
        return True


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into a sentence."""
    try:
        yield
    except OSError as error:
        if _is_full(error):
            raise NoSpace(
                f"The disk is full: the prepared data does not fit into {path.parent.parent}. "
                "Free some space or remove prepared data you no longer need, then prepare again."
            ) from None
        raise


def _is_full(error: Exception) -> bool:
    code = getattr(error, "errno", None)
    return code in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error) or "errno = 28" in str(error)
