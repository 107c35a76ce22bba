"""Open a prepared dataset for training: its counts are mapped from the file, not read into memory.

    adata = open_prepared(ref)      # X is a csr_matrix over the file's own arrays

The mapping is copy-on-write: nothing done to ``adata`` reaches the file. Only files that ``_prepare``
wrote can be opened: uncompressed and contiguous.
"""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
from anndata.io import read_elem
from scipy import sparse

from ..errors import BadFile
from ..types import DatasetRef
from ._container import check_container

__all__ = ["check_container", "map_counts", "open_prepared"]


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


def _map(path: Path, node: h5py.Dataset) -> np.ndarray:
    offset = node.id.get_offset()
    if node.size == 0:
        return np.empty(0, node.dtype)
    if offset is None:
        raise BadFile("This is not a prepared file: its counts are compressed. Prepare it again.")
    if offset + node.size * node.dtype.itemsize > path.stat().st_size:
        # Mapping beyond the end would not raise but kill the process on first touch.
        raise BadFile("The prepared file is cut off. Prepare it again.")
    return np.memmap(path, dtype=node.dtype, mode="c", offset=offset, shape=node.shape)
