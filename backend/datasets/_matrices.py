"""The matrices inside a file, read block by block: every value is seen, never the whole matrix at once.

    for stored in find_matrices(h5, "h5ad"): ...      # X, layers/<name>, raw/X
    for block in blocks(stored): ...                  # in the order they are stored
    for run in cell_runs(stored, cell_genes, keep): ...   # as runs of cells, however it is stored

CSR and dense matrices come as blocks of cells, CSC (and dense stored by columns) as blocks of genes. Values are
float64 without zeros. What a matrix states about its sizes is checked before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..errors import BadFile
from ..storage import is_elsewhere, open_brought
from ..words import counted
from ._container import IN_ONE_PIECE, broken_file
from ._stated import AGAIN, ANEW, Unfit, as_text, dense_fault, row_pointers, sparse_fault
from ._tables import READ_ERRORS, genes_of, n_rows, tenx_group, var_key

# A matrix in a file is a group or a data set of h5py, which has no types: ``Any``.

BLOCK_ENTRIES = (
    1_000_000  # values in one block: its temporaries mostly stay in the cache; more take twice as long
)
BUFFER_VALUES = 64_000_000  # 512 MB: 20,000 cells with 3,200 genes each in a single pass
CHUNK_CACHE_BYTES = 64 * 1024**2
MOSTLY_EMPTY = 0.05  # share of a dense matrix that was ever written, below which the rest is not read
NO_GENES = (
    "This file has no gene expression, only other features (antibodies, guides or peaks). "
    "Bring the file of the gene expression library."
)


@dataclass(frozen=True, slots=True)
class Stored:
    """One cells x genes matrix as a file holds it."""

    where: str  # "X", "layers/counts", "raw/X"
    node: Any  # h5py group (sparse) or dataset (dense)
    layout: str  # "CSR", "CSC", "dense"; "" where it cannot be read
    n_obs: int
    n_vars: int  # after ``keep``
    storage: str  # for people: "CSR float32, gzip"
    trouble: str = ""  # why it cannot be read
    advice: str = ""  # what to do about that
    indptr: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(1, np.int64)
    )  # (cells or genes + 1,)
    keep: npt.NDArray[np.bool_] | None = None  # (features,) those that are genes; None: all of them
    rounded: bool = False  # hand out whole numbers: the values differ from them by rounding only

    @property
    def by_cells(self) -> bool:
        """Whether blocks are runs of cells (else of genes)."""
        return self.layout == "CSR" or (self.layout == "dense" and not _stored_by_columns(self.node))

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = (self.node if self.layout == "dense" else self.node["data"]).dtype
        return dtype

    @property
    def n_features(self) -> int:
        """What is stored, genes and others."""
        return self.n_vars if self.keep is None else len(self.keep)

    @property
    def n_stored(self) -> int:
        """Values stored, zeros included."""
        return self.n_obs * self.n_vars if self.layout == "dense" else int(self.indptr[-1])


@dataclass(frozen=True, slots=True)
class Block:
    """Cells (or kept genes) ``start:stop`` of a matrix."""

    start: int
    stop: int
    matrix: Any  # csr_matrix where by_cells, else csc_matrix; float64, no zeros


def open_h5(path: str) -> h5py.File:
    """Open for reading with a chunk cache that suits big chunks."""
    try:
        return open_brought(path, rdcc_nbytes=CHUNK_CACHE_BYTES, rdcc_nslots=10_007)
    except OSError as error:
        raise broken_file(error) from None


def find_matrices(h5: h5py.File, container: str) -> list[Stored]:
    """All matrices that might hold counts: X, every layer, .raw; or the one of a 10x file."""
    if container == "10x":
        return [_tenx(h5)]
    places = ["X"] if "X" in h5 else []
    if isinstance(h5.get("layers"), h5py.Group):
        places += [f"layers/{name}" for name in h5["layers"]]
    places += ["raw/X"] if "raw/X" in h5 or "raw.X" in h5 else []  # with a dot before anndata 0.7
    return [_found(h5, where) for where in places]


def _found(h5: h5py.File, where: str) -> Stored:
    """The matrix at ``where``, with what keeps it from being read."""
    try:
        node = h5.get("raw.X" if where == "raw/X" and "raw/X" not in h5 else where)
        if node is None and is_elsewhere(h5, where):
            return _unreadable(where, Unfit("it is kept in another file", IN_ONE_PIECE))
        if node is None:
            return _unreadable(where, Unfit("the link to it leads nowhere", ANEW))
        keep = genes_of(h5, "h5ad", where)
        tables = n_rows(h5, "obs"), n_rows(h5, var_key(h5, where))
        stored = _stored(where, node, tables)
    except READ_ERRORS:
        return _unreadable(where, Unfit("its description in the file is damaged"))
    if keep is not None and not keep.any():
        raise BadFile(NO_GENES)
    if stored.trouble or keep is None or len(keep) != stored.n_vars:
        return stored
    return replace(stored, keep=keep, n_vars=int(keep.sum()))


def find_matrix(h5: h5py.File, container: str, where: str) -> Stored:
    for stored in find_matrices(h5, container):
        if stored.where == where:
            if stored.trouble:
                raise BadFile(f"The matrix {where} cannot be read: {stored.trouble}. {stored.advice}")
            return stored
    raise BadFile(f"The file has no matrix {where}.")


def blocks(stored: Stored) -> Iterator[Block]:
    """All values, block by block, in stored order."""
    try:
        reader = _dense_blocks if stored.layout == "dense" else _sparse_blocks
        yield from reader(stored)
    except (OSError, RuntimeError) as error:
        raise broken_file(error) from None


def as_unreadable(stored: Stored, error: BadFile) -> Stored:
    """A matrix that turned out to be damaged only when its values were read."""
    if isinstance(error, Misplaced):
        return replace(stored, trouble=error.trouble, advice=AGAIN)
    return replace(stored, trouble="some of its values are damaged on disk", advice=str(error))


class Misplaced(BadFile):
    """A value of a sparse matrix has no place in it."""

    def __init__(self, stored: Stored, major: int, minor: int) -> None:
        by_cells = stored.layout == "CSR"
        one, others = ("cell", "gene") if by_cells else ("gene", "cell")
        n = stored.n_features if by_cells else stored.n_obs
        self.trouble = (
            f"it is damaged: {one} {major + 1:,} has a value for {_number(others, minor)}, but there are "
            f"{counted(n, others)}"
        )
        super().__init__(f"The matrix {stored.where} cannot be read: {self.trouble}. {AGAIN}")


def _number(what: str, minor: int) -> str:
    return f"{what} number {minor + 1:,}" if minor >= 0 else f"a {what} before the first one"


def bounds(indptr: npt.NDArray[np.integer[Any]], limit: int) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of at most ``limit`` stored values (one row at least)."""
    start, last = 0, len(indptr) - 1
    while start < last:
        stop = int(np.searchsorted(indptr, indptr[start] + limit, side="right")) - 1
        stop = min(max(stop, start + 1), last)
        yield start, stop
        start = stop


def _sparse_blocks(stored: Stored) -> Iterator[Block]:
    by_cells = stored.layout == "CSR"
    n_minor = stored.n_features if by_cells else stored.n_obs
    place = _places(stored)
    kind = sparse.csr_matrix if by_cells else sparse.csc_matrix
    data, indices = stored.node["data"], stored.node["indices"]
    for start, stop in bounds(stored.indptr, BLOCK_ENTRIES):
        low, high = int(stored.indptr[start]), int(stored.indptr[stop])
        values = data[low:high].astype(np.float64)
        if stored.rounded:
            np.rint(values, out=values)
        minor = indices[low:high]
        outside = (minor < 0) | (minor >= n_minor)
        if outside.any():
            at = int(np.argmax(outside))
            first = int(np.searchsorted(stored.indptr, low + at, side="right")) - 1
            raise Misplaced(stored, first, int(minor[at]))
        minor = minor.astype(np.int32 if n_minor < 2**31 else np.int64, copy=False)
        major = (stored.indptr[start : stop + 1] - low).astype(minor.dtype)
        shape = (stop - start, n_minor) if by_cells else (n_minor, stop - start)
        block = kind((values, minor, major), shape=shape)
        if not values.all():
            block.eliminate_zeros()
        if stored.keep is not None:
            block = block[:, stored.keep] if by_cells else block[:, stored.keep[start:stop]]
        first, last = (start, stop) if by_cells else (int(place[start]), int(place[stop]))
        yield Block(first, last, block)


def _places(stored: Stored) -> npt.NDArray[np.int64]:
    """(features + 1,) how many kept genes come before each stored one."""
    keep = np.ones(stored.n_vars, bool) if stored.keep is None else stored.keep
    return np.concatenate([[0], np.cumsum(keep)])


def _dense_blocks(stored: Stored) -> Iterator[Block]:
    node = stored.node
    axis = 0 if stored.by_cells else 1
    kind = sparse.csr_matrix if stored.by_cells else sparse.csc_matrix
    step = _step(node, axis)
    place, written = _places(stored), _written(node, axis)
    for start in range(0, node.shape[axis], step):
        stop = min(start + step, node.shape[axis])
        first, last = (start, stop) if stored.by_cells else (int(place[start]), int(place[stop]))
        shape = (stop - start, stored.n_vars) if stored.by_cells else (stored.n_obs, last - first)
        if written is not None and not written[start:stop].any():
            yield Block(first, last, kind(shape, dtype=np.float64))
            continue
        part = node[start:stop] if stored.by_cells else np.ascontiguousarray(node[:, start:stop].T)
        if stored.keep is not None:
            part = part[:, stored.keep] if stored.by_cells else part[stored.keep[start:stop]]
        if stored.rounded:
            part = np.rint(part)
        yield Block(first, last, kind(_compress(part), shape=shape))


def _written(node: h5py.Dataset, axis: int) -> npt.NDArray[np.bool_] | None:
    """(rows or columns,) which may hold values; None where that is not worth asking.

    HDF5 hands out zeros for chunks that were never written, however many there are.
    """
    logical = node.size * node.dtype.itemsize
    if not node.chunks or node.id.get_storage_size() > MOSTLY_EMPTY * logical:
        return None
    mask = np.zeros(node.shape[axis], dtype=bool)
    for i in range(node.id.get_num_chunks()):
        at = node.id.get_chunk_info(i).chunk_offset[axis]
        mask[at : at + node.chunks[axis]] = True
    return mask


def _compress(
    part: npt.NDArray[Any],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Values, indices and row pointers of a dense array; scipy's own way takes several times as long."""
    mask = part != 0
    lengths = np.count_nonzero(mask, axis=1)
    flat = np.flatnonzero(mask)
    indices = flat - np.repeat(np.arange(len(part)) * part.shape[1], lengths)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return part.ravel()[flat].astype(np.float64), indices.astype(np.int32), indptr.astype(np.int32)


def _step(node: h5py.Dataset, axis: int) -> int:
    """Rows (or columns) to read at once: whole chunks, so that none is unpacked twice."""
    step = max(1, BLOCK_ENTRIES // max(1, node.shape[1 - axis]))
    if node.chunks:
        chunk = node.chunks[axis]
        step = max(1, step // chunk) * chunk
    return int(step)


def _stored_by_columns(node: h5py.Dataset) -> bool:
    """Whether a run of rows touches so many chunks that columns are the better way through."""
    if not node.chunks or node.chunks[0] * node.shape[1] <= 16 * BLOCK_ENTRIES:
        return False
    return bool(node.chunks[1] * node.shape[0] < node.chunks[0] * node.shape[1])


def _packing(node: h5py.Dataset) -> str:
    return f", {node.compression}" if node.compression else ""


def _stored(where: str, node: Any, tables: tuple[int | None, int | None]) -> Stored:
    """``tables``: how many cells and features the tables list."""
    if isinstance(node, h5py.Dataset):
        storage = f"dense {node.dtype.name}"
        if unfit := dense_fault(node, tables):
            return _unreadable(where, unfit, storage)
        n_obs, n_vars = (int(n) for n in node.shape)
        return Stored(where, node, "dense", n_obs, n_vars, f"{storage}{_packing(node)}")
    encoding = as_text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    layout = {"csr_matrix": "CSR", "csr": "CSR", "csc_matrix": "CSC", "csc": "CSC"}.get(encoding, "")
    if unfit := sparse_fault(node, layout, encoding):
        return _unreadable(where, unfit, layout or encoding)
    shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    return _compressed(where, node, layout, (int(shape[0]), int(shape[1])), tables)


def _compressed(
    where: str, node: Any, layout: str, shape: tuple[int, int], tables: tuple[int | None, int | None]
) -> Stored:
    storage = f"{layout} {node['data'].dtype.name}{_packing(node['data'])}"
    indptr = row_pointers(node, layout == "CSR", shape, tables)
    if isinstance(indptr, Unfit):
        return _unreadable(where, indptr, storage)
    return Stored(where, node, layout, *shape, storage, indptr=indptr)


def _unreadable(where: str, unfit: Unfit, storage: str = "") -> Stored:
    return Stored(where, None, "", 0, 0, storage, unfit.trouble, unfit.advice)


def _tenx(h5: h5py.File) -> Stored:
    """A 10x matrix: CSC of genes x cells, which is CSR of cells x genes."""
    group = h5[tenx_group(h5)]
    shape = group["shape"]
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise BadFile(f"This 10x file is damaged: the size of its matrix is no pair of numbers. {AGAIN}")
    n_genes, n_obs = (int(n) for n in shape[()])
    features = group["features/id" if "features" in group else "genes"]
    tables = int(group["barcodes"].shape[0]), int(features.shape[0])
    stored = _compressed("X", group, "CSR", (n_obs, n_genes), tables)
    if stored.trouble:
        raise BadFile(f"The matrix of this 10x file cannot be read: {stored.trouble}. {stored.advice}")
    keep = genes_of(h5, "10x", "X")
    if keep is None:
        return stored
    if len(keep) != n_genes:
        raise BadFile("This 10x file is damaged: its list of genes does not fit its matrix.")
    if not keep.any():
        raise BadFile(NO_GENES)
    return replace(stored, keep=keep, n_vars=int(keep.sum()))


@dataclass(frozen=True, slots=True)
class CellRun:
    """Cells ``start:stop``: their values, genes ascending within each cell."""

    start: int
    stop: int
    data: npt.NDArray[np.float32]
    indices: npt.NDArray[np.int32]  # counted over the kept genes
    lengths: npt.NDArray[np.int64]  # (stop - start,): values per cell


def cell_runs(
    stored: Stored, cell_genes: npt.NDArray[np.int64], keep_genes: npt.NDArray[np.bool_]
) -> Iterator[CellRun]:
    """Walk through the cells: the order that training reads and a prepared file has.

    Matrices stored by genes (CSC, column-chunked dense) are turned over in passes: each pass reads the whole
    matrix once and fills a buffer of at most ``BUFFER_VALUES`` values, so memory stays bounded.

    Parameters
    ----------
    cell_genes
        Values above zero per cell, as ``scan`` found them.
    keep_genes
        Mask over the genes; the others are left out.
    """
    return _straight(stored, keep_genes) if stored.by_cells else _turned(stored, cell_genes, keep_genes)


def _straight(stored: Stored, keep_genes: npt.NDArray[np.bool_]) -> Iterator[CellRun]:
    for block in blocks(stored):
        rows = block.matrix if keep_genes.all() else block.matrix[:, keep_genes]
        rows.sum_duplicates()  # sorts, too
        rows.data = rows.data.astype(np.float32)
        yield CellRun(block.start, block.stop, rows.data, rows.indices, np.diff(rows.indptr))


def _turned(
    stored: Stored, cell_genes: npt.NDArray[np.int64], keep_genes: npt.NDArray[np.bool_]
) -> Iterator[CellRun]:
    places = np.concatenate([[0], np.cumsum(cell_genes)])
    new_number = np.cumsum(keep_genes) - 1
    for first, last in bounds(places, BUFFER_VALUES):
        data = np.empty(places[last] - places[first], np.float32)
        indices = np.empty(len(data), np.int32)
        free = places[first:last] - places[first]  # where each cell's next value goes
        start_of = free.copy()
        for block in blocks(stored):
            kept = keep_genes[block.start : block.stop]
            columns = block.matrix[first:last] if (first, last) != (0, stored.n_obs) else block.matrix
            rows = (columns if kept.all() else columns[:, kept]).tocsr()
            rows.sum_duplicates()
            lengths = np.diff(rows.indptr)
            to = np.repeat(free - rows.indptr[:-1], lengths) + np.arange(rows.nnz)
            data[to] = rows.data
            indices[to] = new_number[block.start : block.stop][kept][rows.indices]
            free += lengths
        lengths = free - start_of
        if lengths.sum() < len(data):  # some genes were left out: close the gaps
            filled = np.repeat(start_of - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
            source = filled + np.arange(lengths.sum())
            data, indices = data[source], indices[source]
        yield CellRun(first, last, data, indices, lengths)
