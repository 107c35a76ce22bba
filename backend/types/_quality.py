"""Quality control of the cells of a source: what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from ._message import Message


@dataclass(frozen=True, slots=True)
class QualityReport(Message):
    """What measuring the cells of one matrix found; the cells themselves are arrays beside it."""

    source_id: str
    counts: str  # the matrix
    n_obs: int
    n_vars: int
    class_genes: dict[str, int]  # genes recognised: mt, ribo, hb
    symbols: str = ""  # the column of the gene table that told; "" is its index
    genes_by_cells: tuple[int, ...] = ()  # how many genes are detected in exactly 0, 1, 2 ... cells
    sample_columns: tuple[str, ...] = ()  # columns that may tell samples apart, best first
