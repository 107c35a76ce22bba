"""The matrices inside a file, read block by block: every value is seen, never the whole matrix at once.

    for stored in find_matrices(h5, "h5ad"): ...      # X, layers/<name>, raw/X
    for block in blocks(stored): ...                  # in the order they are stored

CSR and dense matrices come as blocks of cells, CSC (and dense stored by columns) as blocks of genes.
Values are handed out as float64 without zeros; indices out of range are refused as ``BadFile``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from scipy import sparse

from ..errors import BadFile
from ._container import broken_file, legacy_genomes

BLOCK_ENTRIES = 4_000_000  # values in one block: about 150 MB with all temporaries
CHUNK_CACHE_BYTES = 64 * 1024**2
GENE_EXPRESSION = "Gene Expression"


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
    indptr: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    keep: np.ndarray | None = None  # mask over the stored genes; None: all of them

    @property
    def by_cells(self) -> bool:
        """Whether blocks are runs of cells (else of genes)."""
        return self.layout == "CSR" or (self.layout == "dense" and not _stored_by_columns(self.node))

    @property
    def n_stored(self) -> int:
        """Values stored, zeros included."""
        return self.n_obs * self.n_vars if self.layout == "dense" else int(self.indptr[-1])


@dataclass(frozen=True, slots=True)
class Block:
    """Cells (or genes) ``start:stop`` of a matrix. ``rows`` and ``columns`` count from the whole matrix."""

    start: int
    stop: int
    matrix: Any  # csr_matrix where by_cells, else csc_matrix; float64, no zeros


def open_h5(path: str) -> h5py.File:
    """Open for reading with a chunk cache that suits big chunks."""
    try:
        # Network folders often know no locks, and reading needs none.
        return h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES, rdcc_nslots=10_007, locking="best-effort")
    except OSError as error:
        raise broken_file(error) from None


def find_matrices(h5: h5py.File, container: str) -> list[Stored]:
    """All matrices that might hold counts: X, every layer, .raw; or the one of a 10x file."""
    if container == "10x":
        return [_tenx(h5)]
    found: list[tuple[str, Any]] = []
    if "X" in h5:
        found.append(("X", h5["X"]))
    if "layers" in h5 and isinstance(h5["layers"], h5py.Group):
        found += [(f"layers/{name}", h5["layers"][name]) for name in h5["layers"]]
    if "raw/X" in h5:
        found.append(("raw/X", h5["raw/X"]))
    elif "raw.X" in h5:  # before anndata 0.7
        found.append(("raw/X", h5["raw.X"]))
    return [_stored(where, node) for where, node in found]


def find_matrix(h5: h5py.File, container: str, where: str) -> Stored:
    for stored in find_matrices(h5, container):
        if stored.where == where:
            if stored.trouble:
                raise BadFile(f"The matrix {where} cannot be read: {stored.trouble}.")
            return stored
    raise BadFile(f"The file has no matrix {where}.")


def blocks(stored: Stored) -> Iterator[Block]:
    """All values, block by block, in stored order."""
    try:
        reader = _dense_blocks if stored.layout == "dense" else _sparse_blocks
        yield from reader(stored)
    except (OSError, RuntimeError) as error:
        raise broken_file(error) from None


def bounds(indptr: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of at most ``limit`` stored values (one row at least)."""
    start, last = 0, len(indptr) - 1
    while start < last:
        stop = int(np.searchsorted(indptr, indptr[start] + limit, side="right")) - 1
        stop = min(max(stop, start + 1), last)
        yield start, stop
        start = stop


def _sparse_blocks(stored: Stored) -> Iterator[Block]:
    by_cells = stored.layout == "CSR"
    n_genes = len(stored.keep) if stored.keep is not None else stored.n_vars
    n_minor = n_genes if by_cells else stored.n_obs
    kind = sparse.csr_matrix if by_cells else sparse.csc_matrix
    data, indices = stored.node["data"], stored.node["indices"]
    for start, stop in bounds(stored.indptr, BLOCK_ENTRIES):
        low, high = int(stored.indptr[start]), int(stored.indptr[stop])
        values = data[low:high].astype(np.float64)
        minor = indices[low:high]
        if minor.size and (int(minor.min()) < 0 or int(minor.max()) >= n_minor):
            raise BadFile(f"The matrix {stored.where} is damaged: it points outside its own size.")
        minor = minor.astype(np.int32 if n_minor < 2**31 else np.int64, copy=False)
        major = (stored.indptr[start : stop + 1] - low).astype(minor.dtype)
        shape = (stop - start, n_minor) if by_cells else (n_minor, stop - start)
        block = kind((values, minor, major), shape=shape)
        if not values.all():
            block.eliminate_zeros()
        if stored.keep is not None:
            block = block[:, stored.keep] if by_cells else block[:, stored.keep[start:stop]]
        yield Block(start, stop, block)


def _dense_blocks(stored: Stored) -> Iterator[Block]:
    node = stored.node
    axis = 0 if stored.by_cells else 1
    kind = sparse.csr_matrix if stored.by_cells else sparse.csc_matrix
    step = _step(node, axis)
    for start in range(0, node.shape[axis], step):
        stop = min(start + step, node.shape[axis])
        part = node[start:stop] if stored.by_cells else np.ascontiguousarray(node[:, start:stop].T)
        shape = part.shape if stored.by_cells else part.shape[::-1]
        yield Block(start, stop, kind(_compress(part), shape=shape))


def _compress(part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    return step


def _stored_by_columns(node: h5py.Dataset) -> bool:
    """Whether a run of rows touches so many chunks that columns are the better way through."""
    if not node.chunks or node.chunks[0] * node.shape[1] <= 4 * BLOCK_ENTRIES:
        return False
    return node.chunks[1] * node.shape[0] < node.chunks[0] * node.shape[1]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _packing(node: h5py.Dataset) -> str:
    return f", {node.compression}" if node.compression else ""


def _unreadable(where: str, trouble: str, storage: str) -> Stored:
    return Stored(where, None, "", 0, 0, storage, trouble)


def _stored(where: str, node: Any) -> Stored:
    if isinstance(node, h5py.Dataset):
        if node.dtype.kind not in "biuf":
            return _unreadable(where, "it holds text, not numbers", f"dense {node.dtype.kind}")
        if node.ndim != 2:
            return _unreadable(where, f"it has {node.ndim} dimension(s) instead of two", "dense")
        n_obs, n_vars = (int(n) for n in node.shape)
        return Stored(where, node, "dense", n_obs, n_vars, f"dense {node.dtype.name}{_packing(node)}")
    encoding = _text(node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "")))
    layout = {"csr_matrix": "CSR", "csr": "CSR", "csc_matrix": "CSC", "csc": "CSC"}.get(encoding, "")
    if not layout or not {"data", "indices", "indptr"} <= set(node):
        return _unreadable(where, f"it is stored in an unknown way ({encoding or 'no encoding'})", encoding)
    shape = node.attrs.get("shape", node.attrs.get("h5sparse_shape"))
    if shape is None or len(shape) != 2:
        return _unreadable(where, "its size is not recorded", layout)
    return _compressed(where, node, layout, int(shape[0]), int(shape[1]))


def _compressed(where: str, node: Any, layout: str, n_obs: int, n_vars: int) -> Stored:
    """A CSR or CSC group, its row pointers checked."""
    data, indices = node["data"], node["indices"]
    storage = f"{layout} {data.dtype.name}{_packing(data)}"
    if data.dtype.kind not in "biuf" or indices.dtype.kind not in "iu":
        return _unreadable(where, "it holds text, not numbers", storage)
    n_major = n_obs if layout == "CSR" else n_vars
    damaged = "it is damaged: its row pointers do not fit its values"
    if node["indptr"].shape != (n_major + 1,):
        return _unreadable(where, damaged, storage)
    try:
        indptr = node["indptr"][()].astype(np.int64)
    except OSError as error:
        raise broken_file(error) from None
    n_values = min(len(data), len(indices))
    if indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] > n_values:
        return _unreadable(where, damaged, storage)
    return Stored(where, node, layout, n_obs, n_vars, storage, indptr=indptr)


def _tenx(h5: h5py.File) -> Stored:
    """A 10x matrix: CSC of genes x cells, which is CSR of cells x genes."""
    group = h5[tenx_group(h5)]
    n_genes, n_obs = (int(n) for n in group["shape"][()])
    stored = _compressed("X", group, "CSR", n_obs, n_genes)
    if stored.trouble:
        raise BadFile(f"The matrix of this 10x file cannot be read: {stored.trouble}.")
    keep = tenx_keep(group)
    if keep is None or keep.all():
        return stored
    if len(keep) != n_genes:
        raise BadFile("This 10x file is damaged: its list of genes does not fit its matrix.")
    if not keep.any():
        raise BadFile(
            "This 10x file has no gene expression, only other features (antibodies, guides or peaks). "
            "Bring the file of the gene expression library."
        )
    return Stored("X", group, "CSR", n_obs, int(keep.sum()), stored.storage, indptr=stored.indptr, keep=keep)


def tenx_group(h5: h5py.File) -> str:
    """The group with the matrix; of several genomes in an old file the one with the most values."""
    if "matrix" in h5:
        return "matrix"
    return max(legacy_genomes(h5), key=lambda name: h5[name]["data"].shape[0])


def tenx_keep(group: h5py.Group) -> np.ndarray | None:
    """Mask of the Gene Expression features; None where the file does not tell features apart."""
    if "features/feature_type" not in group:
        return None
    kinds = group["features/feature_type"].asstr()[()]
    return np.asarray(kinds == GENE_EXPRESSION, dtype=bool)
