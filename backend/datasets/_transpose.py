"""Any stored matrix as runs of cells: the order that training reads and a prepared file has.

    for start, stop, data, indices, lengths in cell_runs(stored, cell_genes, keep_genes): ...

Matrices stored by genes (CSC, column-chunked dense) are turned over in passes: each pass reads the whole
matrix once and fills a buffer of at most ``BUFFER_VALUES`` values, so memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ._matrices import Stored, blocks, bounds

BUFFER_VALUES = 64_000_000  # 512 MB: 20,000 cells with 3,200 genes each in a single pass


@dataclass(frozen=True, slots=True)
class CellRun:
    """Cells ``start:stop``: their values, genes ascending within each cell."""

    start: int
    stop: int
    data: np.ndarray  # float32
    indices: np.ndarray  # int32, counted over the kept genes
    lengths: np.ndarray  # values per cell


def cell_runs(stored: Stored, cell_genes: np.ndarray, keep_genes: np.ndarray) -> Iterator[CellRun]:
    """Walk through the cells.

    Parameters
    ----------
    cell_genes
        Values above zero per cell, as ``scan`` found them.
    keep_genes
        Mask over the genes; the others are left out.
    """
    return _straight(stored, keep_genes) if stored.by_cells else _turned(stored, cell_genes, keep_genes)


def _straight(stored: Stored, keep_genes: np.ndarray) -> Iterator[CellRun]:
    for block in blocks(stored):
        rows = block.matrix if keep_genes.all() else block.matrix[:, keep_genes]
        rows.sum_duplicates()  # sorts, too
        rows.data = rows.data.astype(np.float32)
        yield CellRun(block.start, block.stop, rows.data, rows.indices, np.diff(rows.indptr))


def _turned(stored: Stored, cell_genes: np.ndarray, keep_genes: np.ndarray) -> Iterator[CellRun]:
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
