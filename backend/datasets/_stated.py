"""What a matrix states about its sizes, compared before anything of it is read or room is made for it.

    dense_fault(node, tables); sparse_fault(group, layout, encoding)      # -> Unfit or None
    row_pointers(group, by_cells, shape, tables)                          # -> the pointers, or Unfit

``tables`` are the numbers of cells and features that the tables list, None where they do not say. Sizes are compared
first, then the row pointers are read, and never a value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from ..words import counted, listed, memory_size, plural

# An attribute of h5py may be bytes, text or a number: ``Any``.

Listed = tuple[int | None, int | None]

AGAIN = "Copy or download the file again; if that does not help, save it anew where it was made."
ANEW = 'Save the file anew where it was made, with adata.write_h5ad("data.h5ad").'
NUMBERS = "Look for the counts as plain numbers, and save the file anew with those in X or in a layer."
MOST_REPEATS = 2  # entries of one cell for each gene there is: a few may be listed twice, not all of them
MOST_CHUNK_BYTES = 256 * 1024**2  # of one chunk of values that are fewer than that
STUFFED = 200  # bytes for each byte stored from which a list of names or pointers is a bomb: no two are alike
SMALL = 16 * 1024**2  # bytes that do no harm, whatever they say


class Unfit(NamedTuple):
    """Why a matrix cannot be read, as the end of a sentence, and what to do about it."""

    trouble: str
    advice: str = AGAIN


def as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def stuffed(node: h5py.Dataset) -> bool:
    """Whether an array states far more than the file holds of it."""
    logical = int(node.size or 0) * int(node.dtype.itemsize)
    return logical > max(SMALL, STUFFED * int(node.id.get_storage_size()))


def dense_fault(node: h5py.Dataset, tables: Listed) -> Unfit | None:
    if node.shape is None:
        return Unfit("it is empty", ANEW)
    if node.dtype.kind not in "biuf":
        return Unfit(_no_numbers(node), NUMBERS)
    if node.ndim != 2:
        return Unfit(f"it has {counted(node.ndim, 'dimension')} instead of two", ANEW)
    if misfit := _misfit(int(node.shape[0]), int(node.shape[1]), tables):
        return misfit
    trouble = _never_written(node) or _huge_chunks(node)
    return Unfit(trouble) if trouble else None


def sparse_fault(group: h5py.Group, layout: str, encoding: str) -> Unfit | None:
    """What keeps a group from being a CSR or CSC matrix at all."""
    if not layout:
        return Unfit(f"it is stored in an unknown way ({encoding or 'no encoding'})", ANEW)
    lost = [name for name in ("data", "indices", "indptr") if not isinstance(group.get(name), h5py.Dataset)]
    if lost:
        return Unfit(f"it is damaged: its {listed(lost)} {plural(len(lost), 'is', 'are')} missing")
    shape = group.attrs.get("shape", group.attrs.get("h5sparse_shape"))
    if shape is None:
        return Unfit("its size is not recorded", ANEW)
    stated = np.asarray(shape)
    if stated.shape != (2,) or stated.dtype.kind not in "iu" or (stated < 0).any():
        return Unfit(f"its recorded size is no pair of numbers ({shape!s:.40})", ANEW)
    return None


def row_pointers(
    group: h5py.Group, by_cells: bool, shape: tuple[int, int], tables: Listed
) -> npt.NDArray[np.int64] | Unfit:
    """(cells or genes + 1,) of a matrix of ``shape`` (cells, genes)."""
    data, indices = group["data"], group["indices"]
    if data.dtype.kind not in "biuf":
        return Unfit(_no_numbers(data), NUMBERS)
    if misfit := _misfit(*shape, tables):
        return misfit
    one, other = ("cell", "gene") if by_cells else ("gene", "cell")
    n_major, n_minor = shape if by_cells else shape[::-1]
    if trouble := _sizes_that_differ(data, indices, group["indptr"], n_major, one):
        return Unfit(f"it is damaged: {trouble}")
    try:
        indptr: npt.NDArray[np.int64] = group["indptr"][()].astype(np.int64)
    except OSError:
        return Unfit("it is damaged: its row pointers (indptr) cannot be read")
    if trouble := _pointers_that_mislead(indptr, len(data), n_minor, one, other):
        return Unfit(f"it is damaged: {trouble}")
    trouble = _never_written(data) or _never_written(indices) or _huge_chunks(data) or _huge_chunks(indices)
    return Unfit(trouble) if trouble else indptr


def _sizes_that_differ(
    data: h5py.Dataset, indices: h5py.Dataset, indptr: h5py.Dataset, n_major: int, one: str
) -> str:
    for name, part in (("data", data), ("indices", indices), ("indptr", indptr)):
        if part.shape is None or part.ndim != 1:
            return f"its {name} is no list of numbers"
        if name != "data" and part.dtype.kind not in "iu":
            return f"its {name} holds no whole numbers"
    if len(indptr) != n_major + 1:
        needed = f"{counted(n_major, one)} {plural(n_major, 'needs', 'need')} {n_major + 1:,}"
        return f"it has {counted(len(indptr), 'row pointer')} (indptr), but {needed}"
    if len(data) != len(indices):
        return f"it has {counted(len(data), 'value')} (data), but places for {len(indices):,} (indices)"
    return "its row pointers (indptr) were never written" if stuffed(indptr) else ""


def _pointers_that_mislead(
    indptr: npt.NDArray[np.int64], n_values: int, n_minor: int, one: str, other: str
) -> str:
    lengths = np.diff(indptr)
    if indptr[0] != 0:
        return f"its row pointers (indptr) begin at {indptr[0]:,} instead of 0"
    if (lengths < 0).any():
        at = int(np.argmax(lengths < 0))
        return f"its row pointers (indptr) fall from {indptr[at]:,} to {indptr[at + 1]:,} at {one} {at + 1:,}"
    longest = int(lengths.max(initial=0))
    if longest > MOST_REPEATS * n_minor:
        return f"one {one} states {counted(longest, 'value')}, but there are {counted(n_minor, other)}"
    if indptr[-1] != n_values:
        return f"its row pointers (indptr) end at {indptr[-1]:,}, but it has {counted(n_values, 'value')}"
    return ""


def _misfit(n_obs: int, n_vars: int, tables: Listed) -> Unfit | None:
    cells, genes = tables
    if cells in (None, n_obs) and genes in (None, n_vars):
        return None
    if (cells, genes) == (n_vars, n_obs):
        return Unfit(
            f"it has genes in rows and cells in columns ({n_obs:,} x {n_vars:,}), unlike the tables",
            "Turn it where the file was made (a matrix X with X.T) and save the file anew.",
        )
    return Unfit(
        f"it has {counted(n_obs, 'cell')} and {counted(n_vars, 'gene')}, but the tables list "
        f"{n_obs if cells is None else cells:,} and {n_vars if genes is None else genes:,}",
        "One of them belongs to other cells or genes: save the file anew from parts that belong together.",
    )


def _never_written(node: h5py.Dataset) -> str:
    return "nothing was ever written into it" if node.size and not node.id.get_storage_size() else ""


def _huge_chunks(node: h5py.Dataset) -> str:
    """HDF5 unpacks whole chunks, and a chunk may be far larger than what is in it."""
    if not node.chunks:
        return ""
    chunk = int(np.prod(node.chunks, dtype=np.int64)) * node.dtype.itemsize
    if chunk <= max(MOST_CHUNK_BYTES, 2 * node.size * node.dtype.itemsize):
        return ""
    return f"it is stored in chunks of {memory_size(chunk)}, far larger than the matrix"


def _no_numbers(node: h5py.Dataset) -> str:
    if node.dtype.kind == "c":
        return "it holds complex numbers"
    if h5py.check_string_dtype(node.dtype) is not None or node.dtype.kind in "SU":
        return "it holds text, not numbers"
    return "it holds records or references, not numbers"
